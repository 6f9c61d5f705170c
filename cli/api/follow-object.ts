import type { JsonObject } from '../manifest/json-value.ts';
import type { ApiClient, ResourceTarget } from './api-client.ts';
import { followCollection } from './follow-collection.ts';

/**
 * Every state of one object from now on, undefined while it does not exist. Goes on through watches that end or expire. Ends
 * when the loop is left or the signal aborts, which throws its reason.
 */
export async function* followObject(
  api: ApiClient,
  { name = '', ...collection }: ResourceTarget,
  signal: AbortSignal,
): AsyncGenerator<JsonObject | undefined> {
  for await (const news of followCollection(api, collection, { fieldSelector: `metadata.name=${name}` }, signal)) {
    if (news.type === 'whole') yield [...news.objects.values()][0];
    else yield news.type === 'gone' ? undefined : news.object;
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
