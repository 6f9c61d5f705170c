/** For tests of this folder: one valid object of each kind, and how a table row says what is wrong with another. */
import { expect } from 'vitest';
import type { Json } from '../../proto/index.ts';

const template: Json = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'nginx:1.25' }] },
};

/** One valid object of each kind; every row of the tables below changes one field of one of them. */
export const VALID: Readonly<Record<string, Json>> = {
  Namespace: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
  Node: {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1' },
    spec: { podCIDR: '10.42.0.0/24', providerID: 'x://1' },
  },
  Pod: {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      containers: [{ name: 'web', image: 'nginx:1.25' }],
      initContainers: [{ name: 'init', image: 'busybox:1.0' }],
      tolerations: [{ key: 'k', operator: 'Exists' }],
      volumes: [{ name: 'data', emptyDir: {} }],
    },
  },
  ReplicaSet: {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'web' } }, template },
  },
  Deployment: {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'web' } }, template },
  },
  ConfigMap: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'shop' }, data: { a: '1' } },
  Secret: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace: 'shop' }, stringData: { a: '1' } },
  Event: {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'shop' },
    involvedObject: { kind: 'Pod', namespace: 'shop', name: 'web' },
  },
  Lease: {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l', namespace: 'shop' },
    spec: { leaseDurationSeconds: 15 },
  },
  ResourceQuota: {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'q', namespace: 'shop' },
    spec: { hard: { pods: '10', 'requests.cpu': '2' } },
  },
  LimitRange: {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'r', namespace: 'shop' },
    spec: { limits: [{ type: 'Container', max: { memory: '1Gi' }, min: { memory: '16Mi' } }] },
  },
  ServiceAccount: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'a', namespace: 'shop' } },
  PriorityClass: { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'p' }, value: 7 },
  PodDisruptionBudget: {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'b', namespace: 'shop' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
  },
};

/** The valid object of that kind. */
export const valid = (kind: string): Json => VALID[kind] ?? null;

/** One row of a table: the field of a valid object that is set (undefined removes it), and the one problem that gives. */
export type Row = readonly [kind: string, path: string, value: Json | undefined, problem: string];

/** Asserts that the one problem is `problem`, or starts with it when it ends in `…`. */
export function expectProblem(problems: readonly string[], problem: string): void {
  expect(problems).toHaveLength(1);
  if (problem.endsWith('…')) expect(problems[0]?.slice(0, problem.length - 1)).toBe(problem.slice(0, -1));
  else expect(problems[0]).toBe(problem);
}
