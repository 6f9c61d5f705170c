/** Pods as other nodes see them, from the API in memory. */
import { KINDS, type KubeObject, type ResourceType } from '../../proto/index.ts';
import { ApiError } from '../errors.ts';
import { PEERS, peerPod } from '../peer-pod.ts';
import { deepFreeze } from './memory-rules.ts';
import type { ObjectEvent } from './resource-client.ts';

/** Throws `BadRequest` for a kind that has no such subresource. */
export function checkCollection(type: ResourceType, subresource: string | undefined): void {
  if (subresource === undefined || (subresource === PEERS && type.kind === KINDS.Pod.kind)) return;
  const message = `the server could not find the requested resource: ${type.plural} have no subresource "${subresource}"`;
  throw new ApiError('BadRequest', message);
}

/** The object in the form that was asked for. */
export function asAsked<T extends KubeObject>(object: T, subresource: string | undefined): T {
  if (subresource !== PEERS) return object;
  const peer = peerPod(object) as T;
  deepFreeze(peer);
  return peer;
}

/** The changes in the form that was asked for, also those that do not show in it. */
export async function* eventsAsAsked<T extends KubeObject>(
  batches: AsyncGenerator<ObjectEvent<T>[]>,
  subresource: string | undefined,
): AsyncGenerator<readonly ObjectEvent<T>[]> {
  for await (const batch of batches) {
    yield batch.map((event) =>
      event.type === 'BOOKMARK' ? event : { ...event, object: asAsked(event.object, subresource) },
    );
  }
}
