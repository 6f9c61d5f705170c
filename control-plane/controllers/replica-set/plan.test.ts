import { describe, expect, it } from 'vitest';
import type { appsv1, corev1 } from '../../../proto/index.ts';
import { planReplicaSet, removalOrder, replicaSetStatus } from './plan.ts';

const NOW_MS = Date.UTC(2026, 0, 1, 12);
const at = (secondsAgo: number): string => new Date(NOW_MS - secondsAgo * 1000).toISOString();

interface Traits {
  node?: string;
  phase?: string;
  readyForSeconds?: number;
  cost?: string;
  restarts?: number;
  ageSeconds?: number;
  going?: boolean;
}

function pod(name: string, traits: Traits = {}): corev1.Pod {
  const {
    node = 'n1',
    phase = 'Running',
    readyForSeconds,
    cost,
    restarts = 0,
    ageSeconds = 100,
    going = false,
  } = traits;
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: at(ageSeconds),
      ...(cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
      ...(going ? { deletionTimestamp: at(0) } : {}),
    },
    spec: node === '' ? {} : { nodeName: node },
    status: {
      phase,
      conditions:
        readyForSeconds === undefined
          ? []
          : [{ type: 'Ready', status: 'True', lastTransitionTime: at(readyForSeconds) }],
      containerStatuses: [{ restartCount: restarts }],
    },
  };
}

const set = (replicas: number, more: Partial<appsv1.ReplicaSet> = {}): appsv1.ReplicaSet => ({
  metadata: { name: 'web', generation: 2 },
  spec: { replicas, template: { metadata: { labels: { app: 'web' } } } },
  ...more,
});

describe('planReplicaSet', () => {
  const plan = (replicas: number, pods: corev1.Pod[], more: Partial<appsv1.ReplicaSet> = {}) => {
    const { create, remove } = planReplicaSet({
      replicaSet: set(replicas, more),
      pods,
      podsOnNode: () => 1,
      nowMs: NOW_MS,
    });
    return [create, remove.map((p) => p.metadata?.name)];
  };

  it.each([
    ['makes what is missing', 3, [pod('a')], [2, []]],
    ['does nothing when the number is right', 1, [pod('a')], [0, []]],
    [
      'does not count pods that ended or are going',
      2,
      [pod('a', { phase: 'Failed' }), pod('b', { going: true }), pod('c')],
      [1, []],
    ],
    ['removes what is too much', 0, [pod('a')], [0, ['a']]],
    ['makes at most 500 at a time', 800, [], [500, []]],
  ] as const)('%s', (_what, replicas, pods, expected) => {
    expect(plan(replicas, [...pods])).toEqual(expected);
  });

  it('leaves everything to others while it is being deleted', () => {
    expect(plan(5, [], { metadata: { deletionTimestamp: at(0) } })).toEqual([0, []]);
  });
});

describe('removalOrder', () => {
  const ready = { readyForSeconds: 50 };
  it.each<[string, corev1.Pod, corev1.Pod]>([
    ['one without a node', pod('a', { node: '', phase: 'Pending' }), pod('b', { phase: 'Pending' })],
    ['a pending one', pod('a', { phase: 'Pending' }), pod('b')],
    ['an unknown one before a running one', pod('a', { phase: 'Unknown' }), pod('b')],
    ['one that is not ready', pod('a'), pod('b', ready)],
    ['one that costs less', pod('a', { ...ready, cost: '-5' }), pod('b', ready)],
    ['one on a crowded node', pod('a', { ...ready, node: 'crowded' }), pod('b', ready)],
    ['one that is ready for a shorter time', pod('a', { readyForSeconds: 10 }), pod('b', ready)],
    ['one that restarted more often', pod('a', { ...ready, restarts: 3 }), pod('b', { ...ready, restarts: 1 })],
    ['a younger one', pod('a', { ...ready, ageSeconds: 5 }), pod('b', ready)],
    ['one without a node, although it costs more', pod('a', { node: '', cost: '100' }), pod('b', { cost: '-100' })],
  ])('removes %s first', (_what, first, second) => {
    const podsOnNode = (node: string): number => (node === 'crowded' ? 3 : 1);
    for (const pods of [
      [first, second],
      [second, first],
    ]) {
      expect(removalOrder(pods, podsOnNode).map((p) => p.metadata?.name)).toEqual(['a', 'b']);
    }
  });
});

describe('replicaSetStatus', () => {
  it('counts, and says when the next pod becomes available', () => {
    const replicaSet = set(4, { spec: { minReadySeconds: 30, template: { metadata: { labels: { app: 'web' } } } } });
    const pods = [
      pod('a', { readyForSeconds: 40 }),
      pod('b', { readyForSeconds: 20 }),
      pod('c'),
      pod('d', { going: true }),
    ];
    const { status, recheckMs } = replicaSetStatus({ replicaSet, pods, nowMs: NOW_MS }, undefined, at(0));
    expect(status).toEqual({
      replicas: 3,
      fullyLabeledReplicas: 0,
      readyReplicas: 2,
      availableReplicas: 1,
      terminatingReplicas: 1,
      observedGeneration: 2,
    });
    expect(recheckMs).toBe(10_000);
  });
});
