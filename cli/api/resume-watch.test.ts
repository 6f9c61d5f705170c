import { describe, expect, test } from 'vitest';
import { ApiError } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import { ConnectionError } from '../errors/connection-error.ts';
import type { ApiClient } from './api-client.ts';
import { resumeWatch } from './resume-watch.ts';

const { ADDED, MODIFIED, BOOKMARK } = apiv1.EventType;

/** Each watch gives these events and then fails so; the versions asked for are kept. */
function playedApi(
  watches: readonly { events: readonly apiv1.WatchEvent[]; fails: Error }[],
  list: { versions: readonly number[]; at: number },
) {
  const asked: string[] = [];
  const rest = [...watches];
  const api = {
    async *watch(_: unknown, { resourceVersion }: { resourceVersion: string }) {
      asked.push(resourceVersion);
      const next = rest.shift();
      yield* next?.events ?? [];
      throw next?.fails ?? new Error('the end');
    },
    listTable: async () => ({
      columns: [],
      rows: list.versions.map((version) => ({ name: `listed-${version}`, resourceVersion: String(version) })),
      resourceVersion: String(list.at),
      identity: {},
    }),
  };
  return { api: api as unknown as ApiClient, asked };
}

const event = (type: apiv1.EventType, version: number): apiv1.WatchEvent => ({
  type,
  resourceVersion: String(version),
});
const lost = new ConnectionError('lost', 'h:1', { detail: 'cut' });

async function collect(api: ApiClient): Promise<{ seen: string[]; failure: unknown }> {
  const seen: string[] = [];
  try {
    for await (const one of resumeWatch(api, { resource: 'pods' }, { resourceVersion: '5', output: 'table' })) {
      seen.push(one.resourceVersion ?? one.table?.rows?.[0]?.name ?? '');
    }
  } catch (failure) {
    return { seen, failure };
  }
  throw new Error('it ended');
}

describe('a watch that goes on', () => {
  test('after a lost connection from the last version seen, bookmarks included', async () => {
    const { api, asked } = playedApi(
      [
        { events: [event(ADDED, 6), event(MODIFIED, 7), event(BOOKMARK, 9)], fails: lost },
        { events: [], fails: new ApiError('ServiceUnavailable', 'starting') },
        { events: [event(ADDED, 10)], fails: new Error('the end') },
      ],
      { versions: [], at: 0 },
    );
    expect(await collect(api)).toMatchObject({ seen: ['6', '7', '10'], failure: { message: 'the end' } });
    expect(asked).toEqual(['5', '9', '9']);
  });

  test('after its version is forgotten, with what is newer in a list', async () => {
    const { api, asked } = playedApi(
      [
        { events: [event(ADDED, 6)], fails: new ApiError('Expired', 'too old') },
        { events: [event(MODIFIED, 21)], fails: new Error('the end') },
      ],
      { versions: [4, 6, 8, 12], at: 20 },
    );
    expect((await collect(api)).seen).toEqual(['6', 'listed-8', 'listed-12', '21']);
    expect(asked).toEqual(['5', '20']);
  });

  test('not after a refusal', async () => {
    const { api } = playedApi([{ events: [], fails: new ApiError('Forbidden', 'no') }], { versions: [], at: 0 });
    expect((await collect(api)).failure).toMatchObject({ reason: 'Forbidden' });
  });
});
