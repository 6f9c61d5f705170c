/** What a node's credential opens, and that a stolen one opens nothing else. */
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { ApiError } from '../../lib/errors.ts';
import {
  apiv1,
  type authenticationv1,
  type corev1,
  joinv1,
  KINDS,
  type KubeObject,
  streamsv1,
} from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const missing = apiUnavailable();
const NODE = 'thief';
const OTHER = 'victim';
const { ResourcesService } = apiv1;

/** `group/resource` or `group/resource/subresource`: what a node may do to objects of others, or to none in particular. */
const OPEN: Readonly<Record<string, readonly string[]>> = {
  '/services': ['get', 'list', 'watch'],
  '/nodes': ['get', 'list', 'watch'],
  '/namespaces': ['get', 'list', 'watch'],
  '/pods/peers': ['list', 'watch'],
  // Mirrors of static pods: any other pod is refused by what it says, see below.
  '/pods': ['create'],
  'discovery.k8s.io/endpointslices': ['get', 'list', 'watch'],
  'networking.k8s.io/networkpolicies': ['get', 'list', 'watch'],
  'networking.k8s.io/ingresses': ['get', 'list', 'watch'],
  'networking.k8s.io/ingressclasses': ['get', 'list', 'watch'],
  'node.k8s.io/runtimeclasses': ['get', 'list', 'watch'],
  'scheduling.k8s.io/priorityclasses': ['get', 'list', 'watch'],
  'storage.k8s.io/storageclasses': ['get', 'list', 'watch'],
  'certificates.k8s.io/certificatesigningrequests': ['create'],
  '/events': ['create', 'update', 'patch', 'apply'],
  'events.k8s.io/events': ['create', 'update', 'patch', 'apply'],
};

describe.skipIf(missing !== undefined)(
  `node authorizer${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    let under: ServerUnderTest;
    let admin: GrpcResourceClient;
    let connection: GrpcConnection;
    let node: GrpcResourceClient;
    const logged: string[] = [];
    beforeAll(async () => {
      const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(line) });
      under = await ServerUnderTest.start({ log });
      admin = under.client();
      connection = under.connect(await under.server.pki.signNode(NODE, []));
      node = new GrpcResourceClient(connection);
      await admin.create(KINDS.Node, { metadata: { name: OTHER, labels: { a: 'b' } } });
      await pod('own', NODE, 'used');
      await pod('foreign', OTHER, 'hidden');
      for (const name of ['used', 'hidden', 'unused']) {
        await admin.create(KINDS.Secret, { metadata: { namespace: 'default', name }, data: { k: Buffer.from('v') } });
        await admin.create(KINDS.ConfigMap, { metadata: { namespace: 'default', name }, data: { k: 'v' } });
        await admin.create(KINDS.ServiceAccount, { metadata: { namespace: 'default', name } });
      }
    }, 30_000);
    afterAll(() => under?.stop());

    /** A pod bound to a node that refers to a Secret, a ConfigMap and an account of one name. */
    async function pod(name: string, nodeName: string, refers: string): Promise<corev1.Pod> {
      const made = await admin.create(KINDS.Pod, {
        metadata: { namespace: 'default', name, labels: { app: name } },
        spec: {
          containers: [
            { name: 'main', image: 'i', env: [{ name: 'E', valueFrom: { secretKeyRef: { name: refers, key: 'k' } } }] },
          ],
          volumes: [{ name: 'v', projected: { sources: [{ configMap: { name: refers } }] } }],
          automountServiceAccountToken: false,
        },
      });
      await admin.bind([{ namespace: 'default', name, uid: made.metadata?.uid ?? '', node: nodeName }]);
      return made;
    }

    /** `yes`, or the reason of the refusal. */
    async function outcome(run: () => Promise<unknown>): Promise<string> {
      try {
        await run();
        return 'yes';
      } catch (err) {
        if (!(err instanceof ApiError)) throw err;
        return err.reason;
      }
    }

    async function firstOf(stream: AsyncIterable<unknown>): Promise<void> {
      for await (const _ of stream) return;
    }

    /** Tries one verb on an object of others. */
    function attempt(verb: string, target: apiv1.Target, json: Buffer): Promise<string> {
      const call = (): Promise<unknown> => {
        switch (verb) {
          case 'get':
            return connection.unary(ResourcesService.get, { target });
          case 'list':
            return connection.unary(ResourcesService.list, { target: { ...target, name: '' } });
          case 'watch':
            return firstOf(
              connection.serverStream(ResourcesService.watch, {
                target: { ...target, name: '' },
                sendInitialEvents: true,
              }),
            );
          case 'create':
            return connection.unary(ResourcesService.create, { target, json, dryRun: true });
          case 'update':
            return connection.unary(ResourcesService.update, { target, json, dryRun: true });
          case 'patch':
            return connection.unary(ResourcesService.patch, {
              target,
              type: apiv1.PatchType.MERGE,
              patch: Buffer.from('{}'),
              dryRun: true,
            });
          case 'apply':
            return connection.unary(ResourcesService.apply, { target, json, dryRun: true });
          case 'delete':
            return connection.unary(ResourcesService.delete, { target, dryRun: true });
          default:
            return connection.unary(ResourcesService.deleteCollection, {
              target: { ...target, name: '' },
              dryRun: true,
            });
        }
      };
      return outcome(call);
    }

    test('a stolen credential is refused every verb of every kind outside its right', async () => {
      const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'apply', 'delete', 'deletecollection'];
      const open: string[] = [];
      let tried = 0;
      for (const { type, subresources = {} } of under.server.services.registry.definitions) {
        const { apiVersion, kind, group, plural, namespaced } = type;
        for (const subresource of ['', ...Object.keys(subresources)]) {
          const what = `${group}/${plural}${subresource === '' ? '' : `/${subresource}`}`;
          // The victim's objects where there are any.
          const name = plural === 'pods' ? 'foreign' : kind === 'Secret' || kind === 'ConfigMap' ? 'hidden' : OTHER;
          const namespace = namespaced ? 'default' : '';
          const json = Buffer.from(
            JSON.stringify({ apiVersion, kind, metadata: { name, ...(namespaced ? { namespace } : {}) } }),
          );
          for (const verb of verbs) {
            tried += 1;
            const result = await attempt(verb, { apiVersion, kind, namespace, name, subresource }, json);
            if (result !== 'Forbidden' && !(OPEN[what] ?? []).includes(verb)) open.push(`${verb} ${what}: ${result}`);
          }
        }
      }
      expect(open).toEqual([]);
      expect(tried).toBeGreaterThan(400);
      const streams = streamsv1.StreamsService;
      const refused = await Promise.all([
        outcome(() => firstOf(connection.serverStream(streams.logs, { namespace: 'default', pod: 'own' }))),
        outcome(() => node.list(KINDS.Pod, { fieldSelector: `spec.nodeName=${OTHER}` })),
        outcome(() => node.list(KINDS.Pod, { fieldSelector: `spec.nodeName!=${NODE}` })),
        outcome(() => node.list(KINDS.Secret, { namespace: 'default', fieldSelector: 'metadata.name!=used' })),
        outcome(() => node.list(KINDS.Secret, { fieldSelector: 'metadata.name=used' })),
        outcome(() => node.get(KINDS.Secret, { namespace: 'default', name: 'unused' })),
        outcome(() => node.delete(KINDS.Node, { name: NODE })),
      ]);
      expect(refused).toEqual(refused.map(() => 'Forbidden'));
    });

    test('refusals say who, what and why, in Kubernetes words', async () => {
      await expect(node.get(KINDS.Secret, { namespace: 'default', name: 'hidden' })).rejects.toThrow(
        `secrets "hidden" is forbidden: User "system:node:thief" cannot get resource "secrets" in API group "" in the namespace "default": no relationship found between node 'thief' and this object`,
      );
      await expect(node.get(KINDS.Pod, { namespace: 'default', name: 'nobody' })).rejects.toThrow(
        'pods "nobody" not found',
      );
    });

    test('it does its own work', async () => {
      const made = await node.create(KINDS.Node, { metadata: { name: NODE, labels: { 'kubernetes.io/os': 'linux' } } });
      const owner = { apiVersion: 'v1', kind: 'Node', name: NODE, uid: made.metadata?.uid ?? '' };
      const lease = await node.create(KINDS.Lease, {
        metadata: { namespace: 'kube-node-lease', name: NODE, ownerReferences: [owner] },
        spec: { holderIdentity: NODE },
      });
      await node.update(KINDS.Lease, { ...lease, spec: { holderIdentity: NODE, leaseDurationSeconds: 10 } });
      const labels = { ...made.metadata?.labels, zone: 'attic', 'topology.kubernetes.io/zone': 'home' };
      const labelled = await node.update(KINDS.Node, { ...made, metadata: { ...made.metadata, labels } });
      await node.update(KINDS.Node, { ...labelled, status: { phase: '' } }, { subresource: 'status' });
      const own = await node.list(KINDS.Pod, { fieldSelector: `spec.nodeName=${NODE}` });
      expect(own.items.map(({ metadata }) => metadata?.name)).toEqual(['own']);
      const [mine] = own.items;
      if (mine === undefined) throw new Error('the node does not see its pod');
      await node.update(
        KINDS.Pod,
        { ...mine, status: { ...mine.status, phase: 'Running' } },
        { subresource: 'status' },
      );
      for (const type of [KINDS.Secret, KINDS.ConfigMap]) {
        const found = await node.get(type as typeof KINDS.Secret, { namespace: 'default', name: 'used' });
        expect(found.metadata?.name).toBe('used');
      }
      const event = { metadata: { namespace: 'default', name: 'e1' }, involvedObject: { namespace: 'default' } };
      await node.create(KINDS.Event, event);
      await connection.unary(apiv1.ClusterService.version, {});
      await connection.unary(joinv1.NodesService.settings, {});
    });

    test.each<[string, RegExp, (n: GrpcResourceClient, a: GrpcResourceClient) => Promise<unknown>]>([
      [
        'a label that says what it may be used for',
        /node "thief" is not allowed to modify labels: node-restriction\.kubernetes\.io\/team$/,
        (n) => changeOwn(n, { labels: { 'node-restriction.kubernetes.io/team': 'red' } }),
      ],
      [
        'a role',
        /not allowed to modify labels: node-role\.kubernetes\.io\/control-plane$/,
        (n) => changeOwn(n, { labels: { 'node-role.kubernetes.io/control-plane': '' } }),
      ],
      [
        'an owner of itself, whose end would be its own',
        /not allowed to modify its owner references/,
        (n) => changeOwn(n, { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }] }),
      ],
      [
        'a taint',
        /not allowed to modify taints/,
        async (n) => {
          const own = await n.get(KINDS.Node, { name: NODE });
          return n.update(KINDS.Node, { ...own, spec: { ...own.spec, taints: [{ key: 'k', effect: 'NoSchedule' }] } });
        },
      ],
      [
        'a label by way of the status',
        /not allowed to modify labels/,
        async (n) => {
          const own = await n.get(KINDS.Node, { name: NODE });
          const metadata = { ...own.metadata, labels: { 'node-restriction.kubernetes.io/x': 'y' } };
          return n.update(KINDS.Node, { ...own, metadata }, { subresource: 'status' });
        },
      ],
      [
        'labels of its pod',
        /node "thief" cannot update labels through pod status/,
        async (n) => {
          const own = await n.get(KINDS.Pod, { namespace: 'default', name: 'own' });
          const metadata = { ...own.metadata, labels: { app: 'other' } };
          return n.update(KINDS.Pod, { ...own, metadata }, { subresource: 'status' });
        },
      ],
      [
        'another node',
        /node "thief" is not allowed to modify node "newcomer"|object of its own name/,
        (n) => n.create(KINDS.Node, { metadata: { name: 'newcomer' } }),
      ],
      [
        'a pod',
        /pod does not have "kubernetes.io\/config.mirror" annotation, node "thief" can only create mirror pods/,
        (n) => n.create(KINDS.Pod, newPod({}, NODE)),
      ],
      [
        'a mirror pod elsewhere',
        /node "thief" can only create pods with spec.nodeName set to itself/,
        (n) => n.create(KINDS.Pod, newPod({ 'kubernetes.io/config.mirror': 'x' }, OTHER)),
      ],
      [
        'a mirror pod that reads a Secret',
        /node "thief" can not create pods that reference secrets/,
        (n) => {
          const mirror = newPod({ 'kubernetes.io/config.mirror': 'x' }, NODE);
          const volumes = [{ name: 'v', secret: { secretName: 'hidden' } }];
          return n.create(KINDS.Pod, { ...mirror, spec: { ...mirror.spec, volumes } });
        },
      ],
    ])('it cannot make or change %s', async (_, words, run) => {
      await expect(run(node, admin)).rejects.toThrow(words);
    });

    test('a Secret that an Ingress serves with is read, any other that it names is not', async () => {
      const tls = { 'tls.crt': Buffer.from('c'), 'tls.key': Buffer.from('k') };
      const at = { namespace: 'default', name: 'site-tls' };
      await admin.create(KINDS.Secret, { metadata: at, data: tls });
      expect(await outcome(() => node.get(KINDS.Secret, at))).toBe('Forbidden');
      await admin.create(KINDS.Ingress, {
        metadata: { namespace: 'default', name: 'site' },
        spec: {
          defaultBackend: { service: { name: 's', port: { number: 80 } } },
          tls: [{ secretName: 'site-tls' }, { secretName: 'hidden' }],
        },
      });
      expect(await outcome(() => node.get(KINDS.Secret, at))).toBe('yes');
      const one = { namespace: 'default', fieldSelector: 'metadata.name=site-tls' };
      expect((await node.list(KINDS.Secret, one)).items).toHaveLength(1);
      expect(await outcome(() => node.get(KINDS.Secret, { ...at, name: 'hidden' }))).toBe('Forbidden');
    });

    test('a token is given for an account of its pods, bound to one of them by uid', async () => {
      const bound = await pod('runs-as', NODE, 'used');
      const ask = (spec: authenticationv1.TokenRequestSpec, name = 'default'): Promise<string> =>
        outcome(() =>
          connection.unary(ResourcesService.create, {
            target: { apiVersion: 'v1', kind: 'ServiceAccount', namespace: 'default', name, subresource: 'token' },
            json: Buffer.from(JSON.stringify({ kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', spec })),
          }),
        );
      const ref = { kind: 'Pod', apiVersion: 'v1', name: 'runs-as', uid: bound.metadata?.uid ?? '' };
      expect(await ask({ boundObjectRef: ref })).toBe('yes');
      expect(await ask({})).toBe('Forbidden');
      expect(await ask({ boundObjectRef: { ...ref, uid: '' } })).toBe('Forbidden');
      expect(await ask({ boundObjectRef: { ...ref, name: 'foreign' } })).toBe('Forbidden');
      expect(await ask({ boundObjectRef: ref }, 'hidden')).toBe('Forbidden');
    });

    test('access begins with the binding and ends with it, also for who watches', async () => {
      const at = { namespace: 'default', name: 'brief' };
      await admin.create(KINDS.Secret, { metadata: at, data: { k: Buffer.from('1') } });
      expect(await outcome(() => node.get(KINDS.Secret, at))).toBe('Forbidden');
      await pod('visitor', NODE, 'brief');
      expect(await outcome(() => node.get(KINDS.Secret, at))).toBe('yes');
      const { resourceVersion } = await node.list(KINDS.Secret, {
        namespace: 'default',
        fieldSelector: 'metadata.name=brief',
      });
      const seen: KubeObject[] = [];
      const watching = outcome(async () => {
        const select = { namespace: 'default', fieldSelector: 'metadata.name=brief' };
        for await (const batch of node.watch(KINDS.Secret, resourceVersion, select)) {
          seen.push(...batch.flatMap((event) => (event.type === 'BOOKMARK' ? [] : [event.object])));
        }
      });
      await node.delete(KINDS.Pod, { namespace: 'default', name: 'visitor' }, { gracePeriodSeconds: 0 });
      expect(await outcome(() => node.get(KINDS.Secret, at))).toBe('Forbidden');
      await admin.create(KINDS.ConfigMap, { metadata: { namespace: 'default', name: 'c' } });
      const held = await admin.get(KINDS.Secret, at);
      await admin.update(KINDS.Secret, { ...held, data: { k: Buffer.from('2') } });
      expect(await watching).toBe('Forbidden');
      expect(seen).toEqual([]);
    });
  },
);

function newPod(annotations: Record<string, string>, nodeName: string): corev1.Pod {
  const metadata = { namespace: 'default', name: 'made', annotations };
  return { metadata, spec: { nodeName, containers: [{ name: 'main', image: 'i' }] } };
}

async function changeOwn(
  client: GrpcResourceClient,
  { labels = {}, ownerReferences }: Pick<NonNullable<corev1.Node['metadata']>, 'labels' | 'ownerReferences'>,
): Promise<unknown> {
  const own = await client.get(KINDS.Node, { name: NODE });
  const metadata = {
    ...own.metadata,
    labels: { ...own.metadata?.labels, ...labels },
    ...(ownerReferences === undefined ? {} : { ownerReferences }),
  };
  return client.update(KINDS.Node, { ...own, metadata });
}
