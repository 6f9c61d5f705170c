import { setTimeout as delay } from 'node:timers/promises';
import { hasReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import { ConnectionError } from '../errors/connection-error.ts';
import { encodeJson } from '../manifest/json-value.ts';
import { textAt } from '../resources/fields.ts';
import type { ApiClient, ResourceTarget, Selection } from './api-client.ts';

const RETRY_MS = 500;
/** A server that is away longer than this is told to the person. */
const PATIENCE_MS = 30_000;

/** How to watch. */
export interface ResumeWatchOptions extends Selection {
  readonly resourceVersion: string;
  readonly output: 'json' | 'table';
  /** What of the object comes with a row. */
  readonly rowObject?: apiv1.RowObject;
}

/**
 * Every change after `resourceVersion`, in order and without bookmarks, through connections that are lost and servers that
 * start again: each time from the last version seen. Where the server no longer knows that version, what changed since is
 * listed instead (of several changes to one object only the last, and no deletions). Ends only by an error, such as the
 * connection's when the server stays away.
 */
export async function* resumeWatch(
  api: ApiClient,
  target: ResourceTarget,
  options: ResumeWatchOptions,
): AsyncGenerator<apiv1.WatchEvent> {
  let { resourceVersion } = options;
  let awaySinceMs: number | undefined;
  for (;;) {
    try {
      for await (const event of api.watch(target, { ...options, resourceVersion })) {
        awaySinceMs = undefined;
        if (event.type !== apiv1.EventType.BOOKMARK) yield event;
        resourceVersion = event.resourceVersion ?? resourceVersion;
      }
    } catch (err) {
      if (hasReason(err, 'Expired')) {
        const { events, at } = await changesSince(api, target, { ...options, resourceVersion });
        yield* events;
        resourceVersion = at;
        continue;
      }
      if (!(err instanceof ConnectionError) && !hasReason(err, 'ServiceUnavailable')) throw err;
      awaySinceMs ??= performance.now();
      if (performance.now() - awaySinceMs > PATIENCE_MS) throw err;
      await delay(RETRY_MS);
    }
  }
}

async function changesSince(
  api: ApiClient,
  target: ResourceTarget,
  { resourceVersion, output, rowObject, ...selection }: ResumeWatchOptions,
): Promise<{ events: apiv1.WatchEvent[]; at: string }> {
  const type = apiv1.EventType.MODIFIED;
  const isNew = (version: string | undefined): boolean => Number(version ?? 0) > Number(resourceVersion);
  if (output === 'table') {
    const page = await api.listTable(target, selection, rowObject === undefined ? {} : { rowObject });
    const rows = page.rows.filter((row) => isNew(row.resourceVersion));
    return {
      events: rows.map((row) => ({ type, table: { columns: [...page.columns], rows: [row] } })),
      at: page.resourceVersion,
    };
  }
  const page = await api.list(target, selection);
  const items = page.items.filter((item) => isNew(textAt(item, 'metadata', 'resourceVersion')));
  return { events: items.map((item) => ({ type, json: Buffer.from(encodeJson(item)) })), at: page.resourceVersion };
}
