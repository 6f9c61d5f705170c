import { describe, expect, it } from 'vitest';
import { deadManSeconds, isFenceable } from '../../../lib/fencing.ts';
import type { corev1 } from '../../../proto/index.ts';
import { DEAD_MAN_MARGIN_MS, fencingVerdict, needsProof } from './plan.ts';

const node = (ready: string, bootID = 'boot-1'): corev1.Node => ({
  metadata: { name: 'n1' },
  status: {
    conditions: [{ type: 'Ready', status: ready, lastTransitionTime: '2026-01-01T00:00:00Z' }],
    nodeInfo: { bootID },
  },
});
const owned = (kind: string): corev1.Pod['metadata'] => ({ ownerReferences: [{ kind, controller: true }] });
const going = { deletionTimestamp: '2026-01-01T00:00:05Z' };

describe('which pods are fenceable', () => {
  it.each<[string, corev1.Pod, boolean]>([
    ['one of a StatefulSet', { metadata: owned('StatefulSet') }, true],
    ['one of a ReplicaSet', { metadata: owned('ReplicaSet') }, false],
    ['one of a Job', { metadata: owned('Job') }, false],
    ['one of nobody', { metadata: {} }, false],
    [
      'one a StatefulSet owns but does not control',
      { metadata: { ownerReferences: [{ kind: 'StatefulSet' }] } },
      false,
    ],
    ['one that says so', { metadata: { annotations: { 'skiff.dev/fenced': 'true' } } }, true],
    ['one that says something else', { metadata: { annotations: { 'skiff.dev/fenced': 'yes' } } }, false],
  ])('%s', (_what, pod, expected) => {
    expect(isFenceable(pod)).toBe(expected);
  });
});

describe('the seconds a lease promises', () => {
  it.each([
    ['30', 30],
    ['', undefined],
    ['0', undefined],
    ['-5', undefined],
    ['1e3', undefined],
    ['99999999', undefined],
  ])('%j', (text, expected) => {
    expect(deadManSeconds({ 'skiff.dev/dead-man-seconds': text })).toBe(expected);
  });
});

describe('which pods need a proof', () => {
  const stateful: corev1.Pod = { metadata: { ...owned('StatefulSet'), ...going } };
  it.each<[string, corev1.Pod, corev1.Node | undefined, boolean]>([
    ['a going one on a silent node', stateful, node('Unknown'), true],
    ['not one that is to stay', { metadata: owned('StatefulSet') }, node('Unknown'), false],
    ['not one on a node that speaks, ready or not', stateful, node('False'), false],
    ['not one whose node is gone', stateful, undefined, false],
    ['not one of a ReplicaSet', { metadata: { ...owned('ReplicaSet'), ...going } }, node('Unknown'), false],
    ['not one that has ended', { ...stateful, status: { phase: 'Failed' } }, node('Unknown'), false],
  ])('%s', (_what, pod, on, expected) => {
    expect(needsProof(pod, on)).toBe(expected);
  });
});

describe('the verdict', () => {
  const renewal = { heardMs: 1000, renewTime: '2026-01-01T00:00:00.000000Z', deadManSeconds: 30 };
  const dueMs = 1000 + 30_000 + DEAD_MAN_MARGIN_MS;
  const silent = { node: node('Unknown'), silentBootId: 'boot-1' };
  const unarmed = { ...renewal, deadManSeconds: undefined };

  it.each([
    ['no renewal was ever heard', { ...silent, renewal: undefined, nowMs: 1e9 }, 'waits'],
    ['the last renewal promised nothing, however long ago', { ...silent, renewal: unarmed, nowMs: 1e9 }, 'waits'],
    ['a moment before the dead-man must have fired', { ...silent, renewal, nowMs: dueMs - 1 }, 'waits'],
    ['when it must have fired', { ...silent, renewal, nowMs: dueMs }, 'dead-man'],
    ['another boot', { node: node('True', 'boot-2'), silentBootId: 'boot-1', renewal: unarmed, nowMs: 0 }, 'boot-id'],
    ['the same boot', { node: node('True'), silentBootId: 'boot-1', renewal: unarmed, nowMs: 0 }, 'waits'],
    ['an unknown boot before', { node: node('True'), silentBootId: '', renewal: unarmed, nowMs: 0 }, 'waits'],
    ['no boot reported', { node: node('True', ''), silentBootId: 'boot-1', renewal: unarmed, nowMs: 0 }, 'waits'],
  ])('%s', (_what, facts, expected) => {
    const verdict = fencingVerdict(facts);
    expect(verdict.kind === 'proven' ? verdict.proof.kind : 'waits').toBe(expected);
  });

  it('says what it waits for and what helps', () => {
    const verdict = fencingVerdict({ ...silent, renewal: unarmed, nowMs: 0 });
    expect(verdict).toMatchObject({ kind: 'waits', forMs: undefined });
    expect(verdict.kind === 'waits' ? verdict.message : '').toBe(
      'Node n1 is unreachable since 2026-01-01T00:00:00Z and had no dead-man armed, so nothing proves that this pod is dead: ' +
        'it goes when the node is back; or, once the machine is surely off, say so: skiff node fence n1',
    );
  });
});
