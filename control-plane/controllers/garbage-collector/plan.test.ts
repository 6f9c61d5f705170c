import { describe, expect, it } from 'vitest';
import { type OwnerState, planDependent } from './plan.ts';

const object = (count: number, more: object = {}) => ({
  metadata: { ownerReferences: Array.from({ length: count }, (_, i) => ({ uid: `u${i}` })), ...more },
});
const describePlan = (
  owners: OwnerState[],
  more: object = {},
  dependents: { has?: boolean; waiting?: boolean } = {},
): string => {
  const plan = planDependent({
    object: object(owners.length, more),
    owners,
    hasDependents: dependents.has ?? false,
    dependentIsWaiting: dependents.waiting ?? false,
  });
  if (plan.kind === 'detach') return `detach ${[...plan.uids].join()}`;
  return plan.kind === 'delete' ? `delete ${plan.policy}${plan.unblock ? ', unblocked' : ''}` : 'nothing';
};

describe('planDependent', () => {
  it.each<[string, string, OwnerState[], object?, { has?: boolean; waiting?: boolean }?]>([
    ['leaves alone what has no owners', 'nothing', []],
    ['leaves alone what has an owner', 'nothing', ['solid']],
    ['deletes what lost its owner', 'delete Background', ['absent']],
    ['forgets owners that are gone beside one that is there', 'detach u0,u2', ['absent', 'solid', 'waiting']],
    ['leaves alone what is being deleted', 'nothing', ['absent'], { deletionTimestamp: 'now' }],
    ['deletes nothing in doubt', 'nothing', ['unknown', 'absent']],
    ['deletes a leaf for an owner that waits', 'delete Background', ['waiting']],
    ['deletes a branch in the foreground for an owner that waits', 'delete Foreground', ['waiting'], {}, { has: true }],
    ['opens a ring', 'delete Foreground, unblocked', ['waiting'], {}, { has: true, waiting: true }],
    ['keeps to the policy its finalizer names', 'delete Orphan', ['absent'], { finalizers: ['orphan'] }],
  ])('%s', (_what, expected, owners, more, dependents) => {
    expect(describePlan(owners, more, dependents)).toBe(expected);
  });
});
