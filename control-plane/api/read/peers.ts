/**
 * Pods as the subresource `peers` shows them: every node follows all pods of the cluster in this form, so it is made once for
 * each version of a pod, whoever asks, and changes that it does not show are no events.
 */
import { PEERS, peerPod } from '../../../lib/peer-pod.ts';
import type { corev1, KubeObject } from '../../../proto/index.ts';
import { CachedEntry } from '../../store/cached-entry.ts';
import { badRequest } from '../api-errors.ts';
import type { Target } from '../request/target.ts';
import { encodeForStore, equalBytes } from '../stored-object.ts';
import type { ListPage, ReadEntry } from './list.ts';
import type { WatchBatch } from './watch.ts';

/** Kept as long as the entries they are made from. */
const made = new WeakMap<ReadEntry, CachedEntry<KubeObject>>();

/** A page in the form the target asks for. Throws `BadRequest` for a subresource that has no collection. */
export function pageAsAsked(target: Target, page: ListPage): ListPage {
  if (!isForPeers(target)) return page;
  return { ...page, entries: page.entries.flatMap((entry) => peerEntry(target, entry) ?? []) };
}

/** Changes in the form the target asks for, without those that do not show in it. */
export function batchAsAsked(target: Target, batch: WatchBatch): WatchBatch {
  if (!isForPeers(target) || batch.bookmark) return batch;
  const events = batch.events.flatMap((event) => {
    const entry = peerEntry(target, event.entry);
    if (entry === undefined) return [];
    const previous = event.source?.previous;
    if (event.type === 'MODIFIED' && previous !== undefined) {
      const before = peerEntry(target, previous);
      if (before !== undefined && equalBytes(before.value, entry.value)) return [];
    }
    return { ...event, entry };
  });
  return { ...batch, events };
}

/** Refuses what has no collection of its own, before anything is read. Throws `BadRequest`. */
export function checkCollection({ subresource }: Target): void {
  if (subresource !== '' && subresource !== PEERS) {
    throw badRequest(`the subresource "${subresource}" cannot be listed or watched`);
  }
}

function isForPeers({ subresource }: Target): boolean {
  return subresource === PEERS;
}

/** Undefined for a pod that cannot be decoded: its bytes say more than a peer may know. */
function peerEntry({ definition }: Target, entry: ReadEntry): CachedEntry<KubeObject> | undefined {
  const known = made.get(entry);
  if (known !== undefined) return known;
  if (entry.object === undefined) return undefined;
  const object = peerPod(entry.object as corev1.Pod);
  const { key, version } = entry;
  const value = encodeForStore(definition, object);
  const peer = new CachedEntry<KubeObject>(
    { key, version, value },
    { decode: () => object, onUndecodable: () => undefined },
  );
  made.set(entry, peer);
  return peer;
}
