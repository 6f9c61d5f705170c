import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../manifest/json-value.ts';
import { describeNode } from './describe-node.ts';
import { describePod } from './describe-pod.ts';

const nowMs = Date.UTC(2026, 0, 1, 0, 10, 0);
const owner = (kind: string) => [{ kind, name: 'db', uid: 'owner', controller: true }];
const going = (kind: string): JsonObject => ({
  kind: 'Pod',
  metadata: {
    name: 'db-0',
    uid: 'pod',
    namespace: 'default',
    deletionTimestamp: '2026-01-01T00:05:45Z',
    ownerReferences: owner(kind),
  },
  spec: { nodeName: 'pi4' },
});
const node = (ready: string): JsonObject => ({
  kind: 'Node',
  metadata: { name: 'pi4' },
  status: { conditions: [{ type: 'Ready', status: ready, lastTransitionTime: '2026-01-01T00:05:00Z' }] },
});
const lease = (annotations: JsonObject): JsonObject => ({
  metadata: { annotations },
  spec: { holderIdentity: 'pi4', renewTime: '2026-01-01T00:04:50.000000Z' },
});
const armed = lease({ 'skiff.dev/dead-man-seconds': '30' });
const input = { events: [], relatives: [], nowMs };

/** The lines of a field of the pod's description. */
const waiting = (text: string): string[] => {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.startsWith('Waiting For:'));
  if (first < 0) return [];
  const end = lines.findIndex((line, index) => index > first && !line.startsWith('   '));
  return lines.slice(first, end).map((line) => line.replace('Waiting For:', '').trim());
};

describe('a pod that is being deleted', () => {
  test('on a machine that fell silent says what would prove its death, and which command', () => {
    const text = describePod({ ...input, object: going('StatefulSet'), node: node('Unknown'), lease: lease({}) });
    expect(waiting(text)).toEqual([
      'Node pi4 is unreachable for 5m (since 2026-01-01T00:05:00Z), and the pod is stateful: nobody may have its place before it is proven dead.',
      'That node had no dead-man armed, so time alone proves nothing.',
      'It also goes when the node is back, or has been started anew.',
      'If the machine is off for certain, say so: skiff node fence pi4',
    ]);
  });

  test('says when the dead-man will have ended it', () => {
    const text = describePod({ ...input, object: going('StatefulSet'), node: node('Unknown'), lease: armed });
    expect(waiting(text)[1]).toBe(
      "That node's dead-man ends the pod 30 s after the node's last renewal (2026-01-01T00:04:50.000000Z); soon after it goes.",
    );
  });

  test('needs no proof when it is not stateful', () => {
    const text = describePod({ ...input, object: going('ReplicaSet'), node: node('Unknown') });
    expect(waiting(text)).toHaveLength(2);
  });

  test('waits for nothing special on a machine that answers', () => {
    expect(waiting(describePod({ ...input, object: going('StatefulSet'), node: node('True') }))).toEqual([]);
  });
});

describe('a node', () => {
  test('shows its lease and the pods that wait for a proof', () => {
    const text = describeNode({
      ...input,
      object: node('Unknown'),
      relatives: [going('StatefulSet')],
      lease: lease({}),
    });
    expect(text).toContain(`Lease:
  HolderIdentity:  pi4
  RenewTime:       2026-01-01T00:04:50.000000Z (5m10s ago)
  Dead-Man:        not armed
`);
    expect(text).toContain(`Stateful pods that wait for a proof of their death:
  default/db-0
  No dead-man was armed. If the machine is off for certain, say so: skiff node fence pi4
`);
  });

  test('with an armed dead-man says that nobody need do anything', () => {
    const text = describeNode({ ...input, object: node('Unknown'), relatives: [going('StatefulSet')], lease: armed });
    expect(text).toContain('stateful pods end 30 s after the last renewal');
    expect(text).toContain('they go without being asked for');
  });
});
