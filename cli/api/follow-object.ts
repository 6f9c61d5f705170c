import { setTimeout as delay } from 'node:timers/promises';
import { hasReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import { ConnectionError } from '../errors/connection-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { type ApiClient, parseObject, type ResourceTarget } from './api-client.ts';

/** Waiting between attempts while the server is away. */
const RETRY_MS = 500;

/**
 * Every state of one object from now on, undefined while it does not exist. Goes on through watches that end or expire. Ends
 * when the loop is left or the signal aborts, which throws its reason.
 */
export async function* followObject(
  api: ApiClient,
  { name = '', ...collection }: ResourceTarget,
  signal: AbortSignal,
): AsyncGenerator<JsonObject | undefined> {
  const fieldSelector = `metadata.name=${name}`;
  let reachable = false;
  for (;;) {
    signal.throwIfAborted();
    try {
      const { items, resourceVersion } = await api.list(collection, { fieldSelector }, signal);
      reachable = true;
      yield items[0];
      for await (const event of api.watch(collection, { fieldSelector, resourceVersion, output: 'json' }, signal)) {
        if (event.type === apiv1.EventType.BOOKMARK) continue;
        yield event.type === apiv1.EventType.DELETED ? undefined : parseObject(event.json);
      }
    } catch (err) {
      // A stream that breaks after it once worked is worth another try; the caller's signal bounds how long.
      const passing = hasReason(err, 'Expired', 'ServiceUnavailable') || (reachable && err instanceof ConnectionError);
      if (!passing) throw err;
      // The signal's own reason says why, not the timer's.
      await delay(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** A signal that aborts after `timeoutMs` (0 means never) or with `parent`. The reason of the former is `timeout`. */
export function deadlineSignal(
  parent: AbortSignal,
  timeoutMs: number,
  timeout: Error,
): { signal: AbortSignal; cancel: () => void } {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(parent.reason);
  if (parent.aborted) onAbort();
  parent.addEventListener('abort', onAbort, { once: true });
  const timer = timeoutMs > 0 ? setTimeout(() => controller.abort(timeout), timeoutMs) : undefined;
  return {
    signal: controller.signal,
    cancel: () => {
      clearTimeout(timer);
      parent.removeEventListener('abort', onAbort);
    },
  };
}
