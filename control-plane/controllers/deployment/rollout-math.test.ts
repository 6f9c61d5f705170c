import { describe, expect, it } from 'vitest';
import type { appsv1 } from '../../../proto/index.ts';
import { newSetSize, proportionalSizes, rolloutBounds, type Sizes, shrinkOldSets } from './rollout-math.ts';

const deployment = (replicas: number, maxSurge: string, maxUnavailable: string): appsv1.Deployment => ({
  spec: { replicas, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } },
});

/** A set by name, size, available pods and, if they differ from its size, pods. Names sort by age. */
function set(
  name: string,
  size: number,
  available: number,
  more: { pods?: number; max?: number; unobserved?: boolean } = {},
): appsv1.ReplicaSet {
  return {
    metadata: {
      name,
      generation: 2,
      annotations: more.max === undefined ? {} : { 'deployment.kubernetes.io/max-replicas': String(more.max) },
    },
    spec: { replicas: size },
    status: {
      availableReplicas: available,
      replicas: more.pods ?? size,
      observedGeneration: more.unobserved === true ? 1 : 2,
    },
  };
}

const named = (sizes: Sizes): Record<string, number> =>
  Object.fromEntries([...sizes].map(([s, size]) => [s.metadata?.name ?? '', size]));

describe('rolloutBounds', () => {
  it.each([
    ['percentages: surge up, unavailable down', 10, '25%', '25%', 3, 2],
    ['numbers', 10, '1', '0', 1, 0],
    ['small percentages of few', 1, '25%', '25%', 1, 0],
    ['both nothing: one may be missing', 4, '0', '0%', 0, 1],
    ['no more missing than there are', 2, '0', '5', 0, 2],
    ['more than all', 3, '200%', '100%', 6, 3],
  ] as const)('%s', (_what, replicas, surge, unavailable, maxSurge, maxUnavailable) => {
    expect(rolloutBounds(deployment(replicas, surge, unavailable))).toEqual({ maxSurge, maxUnavailable });
  });

  it('allows neither for Recreate', () => {
    expect(rolloutBounds({ spec: { replicas: 3, strategy: { type: 'Recreate' } } })).toEqual({
      maxSurge: 0,
      maxUnavailable: 0,
    });
  });
});

describe('newSetSize', () => {
  it.each<[string, appsv1.Deployment, appsv1.ReplicaSet | undefined, appsv1.ReplicaSet[], number]>([
    ['everything when there is nothing else', deployment(3, '1', '0'), undefined, [], 3],
    ['the surge beside a full old set', deployment(10, '3', '2'), undefined, [set('a', 10, 10)], 3],
    ['the room an old set left', deployment(10, '3', '2'), set('b', 3, 0), [set('a', 8, 8)], 5],
    ['no more than is wanted', deployment(2, '5', '0'), set('b', 1, 1), [set('a', 1, 1)], 2],
    [
      'nothing while old pods are still there',
      deployment(4, '0', '1'),
      set('b', 1, 1),
      [set('a', 2, 2, { pods: 3 })],
      1,
    ],
    [
      'nothing while an old set has not acted',
      deployment(4, '1', '1'),
      set('b', 1, 1),
      [set('a', 2, 2, { unobserved: true })],
      1,
    ],
  ])('%s', (_what, wanted, newSet, oldSets, expected) => {
    expect(newSetSize(wanted, { newSet, oldSets })).toBe(expected);
  });
});

describe('shrinkOldSets', () => {
  it.each<[string, appsv1.Deployment, appsv1.ReplicaSet, appsv1.ReplicaSet[], Record<string, number>]>([
    ['what may be missing', deployment(10, '0', '2'), set('z', 0, 0), [set('a', 10, 10)], { a: 8 }],
    ['nothing while new pods are not there', deployment(10, '2', '0'), set('z', 2, 0), [set('a', 10, 10)], {}],
    ['as many as new ones are there', deployment(10, '2', '0'), set('z', 2, 2), [set('a', 10, 10)], { a: 8 }],
    [
      'unhealthy pods first, of every set',
      deployment(4, '2', '0'),
      set('z', 2, 2),
      [set('a', 2, 2), set('b', 2, 0)],
      { b: 0 },
    ],
    ['the oldest set first', deployment(4, '0', '2'), set('z', 0, 0), [set('a', 1, 1), set('b', 3, 3)], { a: 0, b: 2 }],
    [
      'nothing on counts that are out of date',
      deployment(4, '0', '2'),
      set('z', 0, 0),
      [set('a', 4, 4, { unobserved: true })],
      {},
    ],
    [
      'counts of a set that was made smaller since',
      deployment(4, '1', '1'),
      set('z', 2, 2),
      [set('a', 3, 5)],
      { a: 1 },
    ],
  ])('%s', (_what, wanted, newSet, oldSets, expected) => {
    expect(named(shrinkOldSets(wanted, newSet, oldSets))).toEqual(expected);
  });
});

describe('proportionalSizes', () => {
  it.each<[string, appsv1.Deployment, appsv1.ReplicaSet[], Record<string, number>]>([
    [
      'grows each in proportion',
      deployment(30, '3', '2'),
      [set('a', 8, 8, { max: 13 }), set('b', 5, 0, { max: 13 })],
      { a: 20, b: 13 },
    ],
    [
      'shrinks each in proportion',
      deployment(5, '1', '1'),
      [set('a', 8, 8, { max: 13 }), set('b', 5, 5, { max: 13 })],
      { a: 4, b: 2 },
    ],
    [
      'goes to nothing',
      deployment(0, '25%', '25%'),
      [set('a', 3, 3, { max: 5 }), set('b', 2, 2, { max: 5 })],
      { a: 0, b: 0 },
    ],
    [
      'gives what rounding leaves to the larger',
      deployment(4, '0', '1'),
      [set('a', 2, 2, { max: 3 }), set('b', 1, 1, { max: 3 })],
      { a: 3, b: 1 },
    ],
  ])('%s', (_what, wanted, sets, expected) => {
    const sizes = named(proportionalSizes(wanted, sets));
    expect(sizes).toEqual(expected);
  });
});
