import { setTimeout as delay } from 'node:timers/promises';
import { hasReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import { ConnectionError } from '../errors/connection-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { textAt } from '../resources/fields.ts';
import { type ApiClient, parseObject, type ResourceTarget, type Selection } from './api-client.ts';

/** What is known of a collection at a moment: the whole of it, or a change of one object. */
export type CollectionNews =
  | {
      readonly type: 'whole';
      readonly objects: ReadonlyMap<string, JsonObject>;
      readonly identity: apiv1.ObjectIdentity;
    }
  | { readonly type: 'put' | 'gone'; readonly key: string; readonly object: JsonObject };

/** Waiting between attempts while the server is away. */
const RETRY_MS = 500;

/** Under which key an object stands: names are unique in their namespace only. */
export function objectKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/**
 * A collection as it is, then its changes; the whole again after a watch that ended or expired. Ends when the loop is left or the
 * signal aborts, which throws its reason.
 */
export async function* followCollection(
  api: ApiClient,
  collection: ResourceTarget,
  selection: Selection,
  signal: AbortSignal,
): AsyncGenerator<CollectionNews> {
  let reachable = false;
  for (;;) {
    signal.throwIfAborted();
    try {
      const { items, identity, resourceVersion } = await api.list(collection, selection, signal);
      reachable = true;
      yield { type: 'whole', objects: new Map(items.map((item) => [keyOf(item), item])), identity };
      for await (const event of api.watch(collection, { ...selection, resourceVersion, output: 'json' }, signal)) {
        if (event.type === apiv1.EventType.BOOKMARK || event.json === undefined) continue;
        const object = parseObject(event.json);
        yield { type: event.type === apiv1.EventType.DELETED ? 'gone' : 'put', key: keyOf(object), object };
      }
    } catch (err) {
      // What broke off after it once worked is worth another try; the caller's signal bounds how long.
      const passing = hasReason(err, 'Expired', 'ServiceUnavailable') || (reachable && err instanceof ConnectionError);
      if (!passing) throw err;
      await delay(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

function keyOf(object: JsonObject): string {
  return objectKey(textAt(object, 'metadata', 'namespace'), textAt(object, 'metadata', 'name'));
}
