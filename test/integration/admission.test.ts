/** Admission over the real API: what each step does to a write, and what it says when it refuses. */
import { createPublicKey } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { hasReason } from '../../lib/errors.ts';
import { apiv1, type appsv1, type corev1, type JsonObject, KINDS, type schedulingv1 } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

describe.skipIf(apiUnavailable() !== undefined)('admission', () => {
  let under: ServerUnderTest;
  let client: ResourceClient;
  let connection: GrpcConnection;
  let count = 0;
  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
    client = new LocalResourceClient(under.server.services, 'system:test');
    connection = under.connect();
  });
  afterAll(() => under?.stop());

  async function makeNamespace(labels: Record<string, string> = {}): Promise<string> {
    count += 1;
    const name = `admission-${count}`;
    await client.create(KINDS.Namespace, { metadata: { name, labels } });
    return name;
  }
  const pod = (namespace: string, name: string, spec: corev1.PodSpec = {}): corev1.Pod => ({
    metadata: { name, namespace },
    spec: { containers: [{ name: 'c', image: 'x' }], ...spec },
  });
  async function send(object: JsonObject): Promise<apiv1.ObjectReply> {
    const { apiVersion, kind, metadata } = object as {
      apiVersion: string;
      kind: string;
      metadata: { namespace?: string };
    };
    return connection.unary(apiv1.ResourcesService.create, {
      target: { apiVersion, kind, ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) },
      json: Buffer.from(JSON.stringify(object)),
      output: apiv1.Output.JSON,
    });
  }

  describe('of service accounts', () => {
    test('gives pods the default one, made at once when it is not there yet', async () => {
      for (let i = 0; i < 10; i++) {
        const namespace = await makeNamespace();
        const made = await client.create(KINDS.Pod, pod(namespace, 'p'));
        expect(made.spec).toMatchObject({ serviceAccountName: 'default', serviceAccount: 'default' });
      }
    });

    test('refuses pods of accounts that are not there', async () => {
      const namespace = await makeNamespace();
      await expect(client.create(KINDS.Pod, pod(namespace, 'x', { serviceAccountName: 'name' }))).rejects.toThrow(
        `pods "x" is forbidden: error looking up service account ${namespace}/name: serviceaccount "name" not found`,
      );
    });

    test('gives pods the registry credentials of their account, unless they have their own', async () => {
      const namespace = await makeNamespace();
      const account = { metadata: { name: 'a', namespace }, imagePullSecrets: [{ name: 'of-account' }] };
      await client.create(KINDS.ServiceAccount, account);
      const made = await client.create(KINDS.Pod, pod(namespace, 'p', { serviceAccountName: 'a' }));
      expect(made.spec?.imagePullSecrets).toEqual([{ name: 'of-account' }]);
      const own = { serviceAccountName: 'a', imagePullSecrets: [{ name: 'own' }] };
      expect((await client.create(KINDS.Pod, pod(namespace, 'q', own))).spec?.imagePullSecrets).toEqual([
        { name: 'own' },
      ]);
    });

    test('a controller makes the default one, again after it was deleted', async () => {
      const namespace = await makeNamespace();
      const get = () => client.get(KINDS.ServiceAccount, { namespace, name: 'default' });
      const first = await waitFor('the account', () => get().catch(() => undefined));
      await client.delete(KINDS.ServiceAccount, { namespace, name: 'default' });
      await waitFor('another account', async () => {
        const found = await get().catch(() => undefined);
        return found !== undefined && found.metadata?.uid !== first.metadata?.uid ? found : undefined;
      });
    });
  });

  describe('of priorities', () => {
    const made: schedulingv1.PriorityClass[] = [];
    async function makeClass(object: schedulingv1.PriorityClass): Promise<void> {
      made.push(await client.create(KINDS.PriorityClass, object));
    }

    test('every cluster has the classes of the system', async () => {
      const { items } = await client.list(KINDS.PriorityClass);
      expect(items.map((one) => [one.metadata?.name, one.value])).toEqual([
        ['system-cluster-critical', 2_000_000_000],
        ['system-node-critical', 2_000_001_000],
      ]);
    });

    test('gives pods the number of their class', async () => {
      const namespace = await makeNamespace();
      await makeClass({ metadata: { name: 'high' }, value: 1000, preemptionPolicy: 'Never' });
      const high = await client.create(KINDS.Pod, pod(namespace, 'high', { priorityClassName: 'high' }));
      expect(high.spec).toMatchObject({ priority: 1000, preemptionPolicy: 'Never' });
      const none = await client.create(KINDS.Pod, pod(namespace, 'none'));
      expect(none.spec).toMatchObject({ priority: 0, preemptionPolicy: 'PreemptLowerPriority' });
      expect(none.spec?.priorityClassName ?? '').toBe('');
      await expect(client.create(KINDS.Pod, pod(namespace, 'x', { priorityClassName: 'none' }))).rejects.toThrow(
        'pods "x" is forbidden: no PriorityClass with name none was found',
      );
      await expect(client.create(KINDS.Pod, pod(namespace, 'x', { priority: 5 }))).rejects.toThrow(
        'the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0',
      );
    });

    test('allows one default class, which pods without a class get', async () => {
      const namespace = await makeNamespace();
      await makeClass({ metadata: { name: 'normal' }, value: 7, globalDefault: true });
      await expect(makeClass({ metadata: { name: 'other' }, value: 8, globalDefault: true })).rejects.toThrow(
        'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass normal is already marked as default. Only one default can exist',
      );
      const plain = await client.create(KINDS.Pod, pod(namespace, 'p'));
      expect(plain.spec).toMatchObject({ priority: 7, priorityClassName: 'normal' });
      await client.delete(KINDS.PriorityClass, { name: 'normal' });
    });
  });

  describe('of limit ranges', () => {
    test('fills in, refuses what is out of bounds, and follows an edit', async () => {
      const namespace = await makeNamespace();
      const limits = [{ type: 'Container', default: { cpu: '500m' }, max: { cpu: '1' }, min: { cpu: '50m' } }];
      const range = await client.create(KINDS.LimitRange, { metadata: { name: 'r', namespace }, spec: { limits } });
      const filled = await client.create(KINDS.Pod, pod(namespace, 'p'));
      expect(filled.spec?.containers?.[0]?.resources).toEqual({ limits: { cpu: '500m' }, requests: { cpu: '500m' } });
      expect(filled.metadata?.annotations?.['kubernetes.io/limit-ranger']).toBe(
        'LimitRanger plugin set: cpu request for container c; cpu limit for container c',
      );
      const asking = (cpu: string): corev1.PodSpec => ({
        containers: [{ name: 'c', image: 'x', resources: { limits: { cpu } } }],
      });
      await expect(client.create(KINDS.Pod, pod(namespace, 'x', asking('2')))).rejects.toThrow(
        'pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
      );
      await client.update(KINDS.LimitRange, { ...range, spec: { limits: [{ type: 'Container', max: { cpu: '2' } }] } });
      await client.create(KINDS.Pod, pod(namespace, 'x', asking('2')));
    });

    test('holds for claims', async () => {
      const namespace = await makeNamespace();
      const limits = [{ type: 'PersistentVolumeClaim', max: { storage: '2Gi' } }];
      await client.create(KINDS.LimitRange, { metadata: { name: 'r', namespace }, spec: { limits } });
      const claim = (storage: string): corev1.PersistentVolumeClaim => ({
        metadata: { name: 'c', namespace },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
      });
      await expect(client.create(KINDS.PersistentVolumeClaim, claim('3Gi'))).rejects.toThrow(
        'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi',
      );
      await client.create(KINDS.PersistentVolumeClaim, claim('1Gi'));
    });
  });

  test('gives claims the default storage class', async () => {
    const namespace = await makeNamespace();
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
    await client.create(KINDS.StorageClass, {
      metadata: { name: 'local', annotations },
      provisioner: 'example.com/local',
    });
    const claim = (name: string, storageClassName?: string): corev1.PersistentVolumeClaim => ({
      metadata: { name, namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName },
    });
    expect((await client.create(KINDS.PersistentVolumeClaim, claim('a'))).spec?.storageClassName).toBe('local');
    expect((await client.create(KINDS.PersistentVolumeClaim, claim('b', ''))).spec?.storageClassName).toBe('');
    await client.delete(KINDS.StorageClass, { name: 'local' });
  });

  describe('of pod security', () => {
    const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' };

    test('refuses pods that the level forbids', async () => {
      const namespace = await makeNamespace(restricted);
      await expect(client.create(KINDS.Pod, pod(namespace, 'x'))).rejects.toThrow(
        'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false ' +
          '(container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities',
      );
    });

    test('warns of workloads whose pods it would refuse', async () => {
      const namespace = await makeNamespace({
        'pod-security.kubernetes.io/warn': 'baseline',
        'pod-security.kubernetes.io/warn-version': 'v1.30',
      });
      const reply = await send({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'd', namespace },
        spec: {
          replicas: 0,
          selector: { matchLabels: { a: 'b' } },
          template: {
            metadata: { labels: { a: 'b' } },
            spec: { hostPID: true, containers: [{ name: 'c', image: 'x' }] },
          },
        },
      });
      expect(reply.warnings).toEqual(['would violate PodSecurity "baseline:v1.30": host namespaces (hostPID=true)']);
    });

    test('tells of existing pods when a namespace becomes stricter, and refuses labels it cannot read', async () => {
      const namespace = await makeNamespace();
      await client.create(KINDS.Pod, pod(namespace, 'p', { hostNetwork: true }));
      await waitFor('the cache', async () => under.server.services.cache.catchUp().then(() => true));
      const label = (level: string) =>
        connection.unary(apiv1.ResourcesService.patch, {
          target: { apiVersion: 'v1', kind: 'Namespace', name: namespace },
          type: apiv1.PatchType.MERGE,
          patch: Buffer.from(JSON.stringify({ metadata: { labels: { 'pod-security.kubernetes.io/enforce': level } } })),
        });
      expect((await label('baseline')).warnings).toEqual([
        `existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "baseline:latest"`,
        'p: host namespaces',
      ]);
      await expect(label('strict')).rejects.toThrow('must be one of privileged, baseline, restricted');
    });
  });

  describe('of quotas, with the controllers running', () => {
    test('a ReplicaSet that meets a quota says so and goes on when there is room', async () => {
      const namespace = await makeNamespace();
      await client.create(KINDS.ResourceQuota, { metadata: { name: 'q', namespace }, spec: { hard: { pods: '1' } } });
      const labels = { app: 'x' };
      const set: appsv1.ReplicaSet = {
        metadata: { name: 'web', namespace },
        spec: {
          replicas: 3,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
        },
      };
      await client.create(KINDS.ReplicaSet, set);
      const at = { namespace, name: 'web' };
      const failing = await waitFor('the condition', async () => {
        const { status } = await client.get(KINDS.ReplicaSet, at);
        return status?.conditions?.find((c) => c.type === 'ReplicaFailure' && c.status === 'True');
      });
      expect(failing.reason).toBe('FailedCreate');
      expect(failing.message).toMatch(
        /^pods "web-.*" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1$/,
      );
      expect((await client.list(KINDS.Pod, { namespace })).items).toHaveLength(1);
      const patch = { type: 'merge' as const, body: { spec: { hard: { pods: '5' } } } };
      await client.patch(KINDS.ResourceQuota, { namespace, name: 'q' }, patch);
      await waitFor('all pods', async () =>
        (await client.list(KINDS.Pod, { namespace })).items.length === 3 ? true : undefined,
      );
      await waitFor('the condition to go', async () => {
        const { status } = await client.get(KINDS.ReplicaSet, at);
        return status?.conditions?.some((c) => c.type === 'ReplicaFailure') === true ? undefined : true;
      });
      const quota = await client.get(KINDS.ResourceQuota, { namespace, name: 'q' });
      expect(quota.status).toEqual({ hard: { pods: '5' }, used: { pods: '3' } });
    });

    test('the status of a new quota is filled in without any write, and put right when somebody changes it', async () => {
      const namespace = await makeNamespace();
      await client.create(KINDS.ConfigMap, { metadata: { name: 'c', namespace } });
      await client.create(KINDS.ResourceQuota, {
        metadata: { name: 'q', namespace },
        spec: { hard: { configmaps: '3', 'requests.cpu': '1' } },
      });
      const used = async (wanted: string) => {
        const quota = await client.get(KINDS.ResourceQuota, { namespace, name: 'q' });
        return quota.status?.used?.configmaps === wanted ? quota : undefined;
      };
      const quota = await waitFor('the count', () => used('1'));
      expect(quota.status).toEqual({
        hard: { configmaps: '3', 'requests.cpu': '1' },
        used: { configmaps: '1', 'requests.cpu': '0' },
      });
      const wrong = { ...quota.status, used: { configmaps: '0', 'requests.cpu': '0' } };
      await client.update(KINDS.ResourceQuota, { ...quota, status: wrong }, { subresource: 'status' });
      await waitFor('the right count', () => used('1'));
    });
  });

  describe('of tokens', () => {
    const request = (namespace: string, name: string, spec: JsonObject) =>
      connection.unary(apiv1.ResourcesService.create, {
        target: { apiVersion: 'v1', kind: 'ServiceAccount', namespace, name, subresource: 'token' },
        json: Buffer.from(JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec })),
        output: apiv1.Output.JSON,
      });

    test('makes tokens that the public key verifies', async () => {
      const namespace = await makeNamespace();
      const account = await client.create(KINDS.ServiceAccount, { metadata: { name: 'a', namespace } });
      const bound = await client.create(KINDS.Pod, pod(namespace, 'p', { serviceAccountName: 'a' }));
      const reply = await request(namespace, 'a', {
        audiences: ['vault'],
        expirationSeconds: 600,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p' },
      });
      const { status } = JSON.parse(reply.json?.toString() ?? '') as { status: { token: string } };
      const key = createPublicKey(under.server.services.tokens?.publicKey ?? '');
      const { payload } = await jwtVerify(status.token, key, { audience: 'vault' });
      expect(payload).toMatchObject({
        iss: 'https://kubernetes.default.svc.cluster.local',
        sub: `system:serviceaccount:${namespace}:a`,
        'kubernetes.io': {
          namespace,
          serviceaccount: { name: 'a', uid: account.metadata?.uid },
          pod: { name: 'p', uid: bound.metadata?.uid },
        },
      });
      expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(600);
      expect(decodeProtectedHeader(status.token)).toMatchObject({ alg: 'ES256' });
      const file = join(under.server.pki.folder, 'sa.key');
      expect(statSync(file).mode & 0o777).toBe(0o600);
    });

    test('refuses what cannot be', async () => {
      const namespace = await makeNamespace();
      await client.create(KINDS.ServiceAccount, { metadata: { name: 'a', namespace } });
      await client.create(KINDS.Pod, pod(namespace, 'p'));
      await expect(request(namespace, 'b', {})).rejects.toSatisfy((err) => hasReason(err, 'NotFound'));
      await expect(request(namespace, 'a', { expirationSeconds: 5 })).rejects.toThrow(
        'may not specify a duration less than 10 minutes',
      );
      await expect(
        request(namespace, 'a', { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p' } }),
      ).rejects.toThrow('cannot bind token for serviceaccount "a" to pod running with different serviceaccount name.');
      await expect(
        request(namespace, 'a', { boundObjectRef: { apiVersion: 'v1', kind: 'ConfigMap', name: 'p' } }),
      ).rejects.toThrow('cannot bind token for serviceaccount "a" to object of type "v1, Kind=ConfigMap"');
      await expect(
        request(namespace, 'a', { boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 'none' } }),
      ).rejects.toThrow('secrets "none" not found');
    });
  });
});
