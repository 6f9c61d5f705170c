import { describe, expect, it } from 'vitest';
import { qosClass } from '../../lib/qos.ts';
import { type appsv1, type corev1, type Json, KINDS, toJson } from '../../proto/index.ts';
import { defaultPullPolicy } from './pod-spec/container-defaults.ts';
import { definitionFor, readObject } from './test-objects.ts';

const pod = (spec: Json): Json => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'n' }, spec });
const readSpec = (spec: Json): corev1.PodSpec => readObject<corev1.Pod>(pod(spec)).spec ?? {};

describe('defaults of a pod', () => {
  it('are those of Kubernetes', () => {
    const object = readObject<corev1.Pod>(
      pod({
        containers: [
          {
            name: 'web',
            image: 'nginx',
            ports: [{ containerPort: 80 }],
            livenessProbe: { httpGet: { port: 'http' } },
            lifecycle: { preStop: { httpGet: { port: 80 } } },
            env: [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
            resources: { limits: { memory: '1Gi', cpu: '1' }, requests: { cpu: '100m' } },
          },
        ],
        volumes: [
          { name: 'empty' },
          { name: 'config', configMap: { name: 'c' } },
          { name: 'secret', secret: { secretName: 's' } },
          { name: 'host', hostPath: { path: '/x' } },
          { name: 'all', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
        ],
      }),
    );
    expect(toJson(KINDS.Pod.messageName, object).spec).toEqual({
      containers: [
        {
          name: 'web',
          image: 'nginx',
          imagePullPolicy: 'Always',
          ports: [{ containerPort: 80, protocol: 'TCP' }],
          livenessProbe: {
            httpGet: { port: 'http', path: '/', scheme: 'HTTP' },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          lifecycle: { preStop: { httpGet: { port: 80, path: '/', scheme: 'HTTP' } } },
          env: [{ name: 'IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } }],
          resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '100m', memory: '1Gi' } },
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
      ],
      volumes: [
        { name: 'empty', emptyDir: {} },
        { name: 'config', configMap: { name: 'c', defaultMode: 420 } },
        { name: 'secret', secret: { secretName: 's', defaultMode: 420 } },
        { name: 'host', hostPath: { path: '/x', type: '' } },
        {
          name: 'all',
          projected: { defaultMode: 420, sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 3600 } }] },
        },
      ],
      dnsPolicy: 'ClusterFirst',
      enableServiceLinks: true,
      restartPolicy: 'Always',
      schedulerName: 'default-scheduler',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
    });
  });

  it('open the ports of a pod on the host network', () => {
    const spec = readSpec({
      hostNetwork: true,
      containers: [{ name: 'a', image: 'a', ports: [{ containerPort: 80 }] }],
    });
    expect(spec.containers?.[0]?.ports?.[0]?.hostPort).toBe(80);
  });

  it('keep an explicit zero and an empty text where they mean something', () => {
    const spec = readSpec({ terminationGracePeriodSeconds: 0, enableServiceLinks: false, containers: [{ name: 'a' }] });
    expect(spec.terminationGracePeriodSeconds).toBe(0);
    expect(spec.enableServiceLinks).toBe(false);
  });

  it('fill in both spellings of the service account', () => {
    expect(readSpec({ serviceAccount: 'a' })).toMatchObject({ serviceAccount: 'a', serviceAccountName: 'a' });
    expect(readSpec({})).not.toHaveProperty('serviceAccountName');
  });

  it.each([
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1.25', 'IfNotPresent'],
    ['localhost:5000/nginx', 'Always'],
    ['localhost:5000/nginx:1', 'IfNotPresent'],
    [`nginx@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
    [`nginx:latest@sha256:${'0'.repeat(64)}`, 'Always'],
  ])('pull %s %s', (image, policy) => {
    expect(defaultPullPolicy(image)).toBe(policy);
  });
});

describe('defaults of other kinds', () => {
  const deployment = (spec: Json): Json => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    spec,
  });

  it('give a deployment its numbers, and its template no more than Kubernetes does', () => {
    const { spec } = readObject<appsv1.Deployment>(
      deployment({ template: { spec: { containers: [{ name: 'a', image: 'a:1' }] } } }),
    );
    expect(spec).toMatchObject({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    });
    expect(spec?.template?.spec).not.toHaveProperty('enableServiceLinks');
    expect(spec?.template?.spec?.containers?.[0]?.imagePullPolicy).toBe('IfNotPresent');
  });

  it('leave a count of zero and a recreating strategy alone', () => {
    const { spec } = readObject<appsv1.Deployment>(deployment({ replicas: 0, strategy: { type: 'Recreate' } }));
    expect(spec?.replicas).toBe(0);
    expect(spec?.strategy).toEqual({ type: 'Recreate' });
  });

  it('label a namespace with its name', () => {
    const object = readObject<corev1.Namespace>({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } });
    expect(object.metadata?.labels).toEqual({ 'kubernetes.io/metadata.name': 'a' });
    expect(object.status?.phase).toBe('Active');
  });

  it('merge what a secret is written with over its data', () => {
    const object = readObject<corev1.Secret>({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's' },
      data: { a: 'b2xk', b: 'Yg==' },
      stringData: { a: 'new', c: '' },
    });
    expect(object).not.toHaveProperty('stringData');
    expect(toJson(KINDS.Secret.messageName, object)).toMatchObject({
      type: 'Opaque',
      data: { a: 'bmV3', b: 'Yg==', c: '' },
    });
  });

  it('change nothing the second time', () => {
    for (const json of [
      pod({
        hostNetwork: true,
        containers: [{ name: 'a', image: 'a', ports: [{ containerPort: 1 }] }],
        volumes: [{ name: 'v' }],
      }),
      deployment({ template: { spec: { containers: [{ name: 'a', image: 'a' }] } } }),
    ]) {
      const once = readObject(json);
      const twice = structuredClone(once);
      definitionFor(json).setDefaults?.(twice);
      expect(twice).toEqual(once);
    }
  });
});

describe('the first state of an object', () => {
  const context = { user: 'u', now: '2026-01-02T03:04:05Z' };

  it('of a pod is pending, with its class', () => {
    const json = pod({ containers: [{ name: 'a', image: 'a', resources: { limits: { cpu: '1', memory: '1Gi' } } }] });
    const object = readObject<corev1.Pod>({
      ...(json as object),
      status: { phase: 'Running', podIP: '10.0.0.1' },
    } as Json);
    definitionFor(json).prepareForCreate?.(object, context);
    expect(object.status).toEqual({ phase: 'Pending', qosClass: 'Guaranteed' });
    expect(object.spec).toMatchObject({ priority: 0, preemptionPolicy: 'PreemptLowerPriority' });
  });

  it('of a namespace is active, with the finalizer that guards its contents', () => {
    const json: Json = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'a' },
      spec: { finalizers: ['x.io/y'] },
    };
    const object = readObject<corev1.Namespace>(json);
    definitionFor(json).prepareForCreate?.(object, context);
    expect(object.spec?.finalizers).toEqual(['x.io/y', 'kubernetes']);
    expect(object.status).toEqual({ phase: 'Active' });
  });
});

describe('the class of service', () => {
  const both = { cpu: '1', memory: '1Gi' };
  it.each<[string, corev1.ResourceRequirements[], string]>([
    ['nothing named', [{}], 'BestEffort'],
    ['zeros only', [{ requests: { cpu: '0' } }], 'BestEffort'],
    ['other resources only', [{ limits: { 'ephemeral-storage': '1Gi' } }], 'BestEffort'],
    ['limits of both, requested alike', [{ limits: both, requests: both }], 'Guaranteed'],
    ['limits of both alone', [{ limits: both }], 'Guaranteed'],
    ['the same amount in other words', [{ limits: both, requests: { cpu: '1000m', memory: '1024Mi' } }], 'Guaranteed'],
    ['a smaller request', [{ limits: both, requests: { cpu: '500m', memory: '1Gi' } }], 'Burstable'],
    ['a limit of one only', [{ limits: { memory: '1Gi' } }], 'Burstable'],
    ['one container of two', [{ limits: both, requests: both }, {}], 'Burstable'],
  ])('%s', (_what, resources, expected) => {
    expect(qosClass({ containers: resources.map((r) => ({ resources: r })) })).toBe(expected);
  });

  it('counts init containers', () => {
    const resources = { limits: both, requests: both };
    expect(qosClass({ containers: [{ resources }], initContainers: [{}] })).toBe('Burstable');
  });
});
