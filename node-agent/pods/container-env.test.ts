import { describe, expect, test } from 'vitest';
import type { corev1 } from '../../proto/index.ts';
import { resolveEnv } from './container-env.ts';
import { expandVariables } from './expand-variables.ts';
import type { FieldContext } from './field-reference.ts';
import type { PodConfig } from './pod-config.ts';

const container = (change: corev1.Container): corev1.Container => ({ name: 'c', image: 'i', ...change });
const config: PodConfig = {
  configMaps: new Map([['map', { metadata: { name: 'map' }, data: { KEY: 'value', OTHER: 'x' } }]]),
  secrets: new Map([['sec', { metadata: { name: 'sec' }, data: { token: Buffer.from('t0p') } }]]),
};

function context(containers: corev1.Container[] = []): FieldContext {
  return {
    pod: {
      metadata: {
        name: 'p',
        namespace: 'n',
        uid: 'u',
        labels: { 'app.kubernetes.io/name': 'web' },
        annotations: { note: 'a "b"' },
      },
      spec: { nodeName: 'node', containers },
    },
    podIPs: ['10.0.0.2', 'fd00::2'],
    hostIPs: ['10.0.0.1'],
    nodeName: 'node',
    allocatable: { cpu: '2', memory: '2048Mi' },
  };
}

const env = (change: corev1.Container): Record<string, string> =>
  Object.fromEntries(resolveEnv(container(change), config, context([container(change)])));

describe('$(NAME) in texts', () => {
  const variables = new Map([
    ['A', 'one'],
    ['B', ''],
  ]);
  test.each([
    ['plain', 'plain'],
    ['$(A)', 'one'],
    ['x$(A)y$(B)z', 'xoneyz'],
    ['$(NONE)', '$(NONE)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$one'],
    ['$$$$(A)', '$$(A)'],
    ['$A $', '$A $'],
    ['$(A', '$(A'],
    ['$()', '$()'],
    ['$($(A))', '$(one)'],
  ])('%j becomes %j', (text, expected) => {
    expect(expandVariables(text, variables)).toBe(expected);
  });
});

describe('the environment of a container', () => {
  test('values see the variables before them, later ones win', () => {
    expect(
      env({
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '$(A)$(C)' },
          { name: 'C', value: '3' },
          { name: 'A', value: '2' },
        ],
      }),
    ).toEqual({ A: '2', B: '1$(C)', C: '3' });
  });

  test('whole ConfigMaps and Secrets come with a prefix and yield to env', () => {
    expect(
      env({
        envFrom: [{ prefix: 'P_', configMapRef: { name: 'map' } }, { secretRef: { name: 'sec' } }],
        env: [{ name: 'P_KEY', value: 'mine' }],
      }),
    ).toEqual({ P_KEY: 'mine', P_OTHER: 'x', token: 't0p' });
  });

  test.each([
    ['metadata.name', 'p'],
    ['metadata.namespace', 'n'],
    ['metadata.uid', 'u'],
    ["metadata.labels['app.kubernetes.io/name']", 'web'],
    ["metadata.annotations['absent']", ''],
    ['spec.nodeName', 'node'],
    ['spec.serviceAccountName', 'default'],
    ['status.podIP', '10.0.0.2'],
    ['status.podIPs', '10.0.0.2,fd00::2'],
    ['status.hostIP', '10.0.0.1'],
  ])('the field %s is %j', (fieldPath, expected) => {
    expect(env({ env: [{ name: 'X', valueFrom: { fieldRef: { fieldPath } } }] })).toEqual({ X: expected });
  });

  test.each([
    ['limits.cpu', '1', '1'],
    ['limits.cpu', '1m', '250'],
    ['requests.memory', '1Mi', '32'],
    ['limits.memory', '1Mi', '2048'],
    ['requests.cpu', '1', '0'],
  ])('the resource %s in units of %s is %s', (resource, divisor, expected) => {
    const resources = { limits: { cpu: '250m' }, requests: { memory: '32Mi' } };
    expect(env({ resources, env: [{ name: 'X', valueFrom: { resourceFieldRef: { resource, divisor } } }] })).toEqual({
      X: expected,
    });
  });

  test('what is optional may be absent', () => {
    expect(
      env({
        envFrom: [{ configMapRef: { name: 'no', optional: true } }, { secretRef: { name: 'no', optional: true } }],
        env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'map', key: 'no', optional: true } } }],
      }),
    ).toEqual({});
  });

  test.each<[corev1.Container, string]>([
    [{ envFrom: [{ configMapRef: { name: 'no' } }] }, 'configmap "no" not found'],
    [{ envFrom: [{ secretRef: { name: 'no' } }] }, 'secret "no" not found'],
    [{ env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'no', key: 'k' } } }] }, 'configmap "no" not found'],
    [
      { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'map', key: 'k' } } }] },
      "couldn't find key k in ConfigMap n/map",
    ],
    [
      { env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'sec', key: 'k' } } }] },
      "couldn't find key k in Secret n/sec",
    ],
    [
      { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'map', key: 'constructor' } } }] },
      "couldn't find key constructor in ConfigMap n/map",
    ],
  ])('%j is refused with %s', (change, message) => {
    expect(() => env(change)).toThrow(message);
  });
});
