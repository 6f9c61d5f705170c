/** In plain words: what pods of a machine that fell silent wait for. */
import { deadManSeconds, isFenceable } from '../../lib/fencing.ts';
import type { corev1 } from '../../proto/index.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { ageOf } from '../output/human-duration.ts';
import { listAt, textAt, valueAt } from '../resources/fields.ts';
import type { DescribeInput } from './common.ts';
import { type Field, field, present } from './description.ts';

/** Why a pod that is being deleted does not go, when its node is the reason; otherwise nothing. */
export function waitingFor({ object: pod, node, lease, nowMs }: DescribeInput): string[] {
  const silentSince = node === undefined ? '' : unreachableSince(node);
  if (node === undefined || silentSince === '' || !isGoing(pod)) return [];
  const name = textAt(node, 'metadata', 'name');
  const unreachable = `Node ${name} is unreachable for ${ageOf(silentSince, nowMs)} (since ${silentSince})`;
  if (!isStateful(pod))
    return [`${unreachable}.`, 'The pod goes when the node is back; what made it makes another meanwhile.'];
  const seconds = deadManOf(lease);
  return [
    `${unreachable}, and the pod is stateful: nobody may have its place before it is proven dead.`,
    seconds === undefined
      ? 'That node had no dead-man armed, so time alone proves nothing.'
      : `That node's dead-man ends the pod ${seconds} s after the node's last renewal (${textAt(lease, 'spec', 'renewTime')}); soon after it goes.`,
    'It also goes when the node is back, or has been started anew.',
    `If the machine is off for certain, say so: skiff node fence ${name}`,
  ];
}

/** The node's lease: who renewed it last, and what the renewal promised. Undefined without one. */
export function leaseField({ lease, nowMs }: DescribeInput): Field | undefined {
  if (lease === undefined) return undefined;
  const renewed = textAt(lease, 'spec', 'renewTime');
  const seconds = deadManOf(lease);
  return field(
    'Lease',
    present([
      field('HolderIdentity', textAt(lease, 'spec', 'holderIdentity')),
      field('RenewTime', renewed === '' ? '' : `${renewed} (${ageOf(renewed, nowMs)} ago)`),
      field('Dead-Man', seconds === undefined ? 'not armed' : `stateful pods end ${seconds} s after the last renewal`),
    ]),
  );
}

/** The node's pods that wait for a proof that they are dead, a line each, and what would help; none while it is reachable. */
export function waitingPods({ object: node, relatives, lease }: DescribeInput): string[] {
  if (unreachableSince(node) === '') return [];
  const pods = relatives.filter((pod) => isGoing(pod) && isStateful(pod));
  if (pods.length === 0) return [];
  const name = textAt(node, 'metadata', 'name');
  return [
    ...pods.map((pod) => `${textAt(pod, 'metadata', 'namespace')}/${textAt(pod, 'metadata', 'name')}`),
    deadManOf(lease) === undefined
      ? `No dead-man was armed. If the machine is off for certain, say so: skiff node fence ${name}`
      : 'The dead-man was armed: they go without being asked for.',
  ];
}

function isGoing(pod: JsonObject): boolean {
  return textAt(pod, 'metadata', 'deletionTimestamp') !== '';
}

/** The same question as the control plane asks; the fields are named alike in JSON. */
function isStateful(pod: JsonObject): boolean {
  return isFenceable(pod as corev1.Pod);
}

function unreachableSince(node: JsonObject): string {
  const ready = listAt(node, 'status', 'conditions').find((condition) => textAt(condition, 'type') === 'Ready');
  return textAt(ready, 'status') === 'Unknown' ? textAt(ready, 'lastTransitionTime') : '';
}

function deadManOf(lease: JsonObject | undefined): number | undefined {
  return deadManSeconds(valueAt(lease, 'metadata', 'annotations') as Readonly<Record<string, string>> | undefined);
}
