import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ApiError } from '../../lib/errors.ts';
import { MemoryStore } from './memory/memory-store.ts';
import {
  LAST_INDEX,
  type ResourceVersion,
  revisionOf,
  type StoreWatchBatch,
  versionOf,
  type WatchOptions,
} from './store.ts';
import { type CachedEvent, WatchCache, type WatchCacheOptions } from './watch-cache.ts';

const log = pino({ level: 'silent' });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Decodes text; "poison" is refused. */
function decode(_key: string, value: Uint8Array): string {
  const text = new TextDecoder().decode(value);
  if (text === 'poison') throw new Error('poison');
  return text;
}

let store: MemoryStore;
let stop: AbortController;
let running: Promise<void>[];

beforeEach(() => {
  store = new MemoryStore();
  stop = new AbortController();
  running = [];
});

afterEach(async () => {
  stop.abort();
  await Promise.all(running);
});

async function put(key: string, value = key): Promise<ResourceVersion> {
  const current = await store.get(key);
  const result = await store.commitEach({ type: 'put', key, value: bytes(value), ifVersion: current?.version ?? 0 });
  if (!result.ok) throw new Error('conflict');
  return result.version;
}

async function remove(key: string): Promise<ResourceVersion> {
  const current = await store.get(key);
  const result = await store.commitEach({ type: 'delete', key, ifVersion: current?.version ?? 0 });
  if (!result.ok) throw new Error('conflict');
  return result.version;
}

async function startCache(options: Partial<WatchCacheOptions<string>> = {}): Promise<WatchCache<string>> {
  const cache = new WatchCache<string>({ store, decode, log, syncAfterMs: 20, ...options });
  running.push(cache.run(stop.signal));
  await cache.ready(AbortSignal.timeout(5_000));
  return cache;
}

const shown = (events: readonly CachedEvent<string>[]): string[] =>
  events.map(({ type, entry, previous }) => `${type} ${entry.key} ${entry.object} was ${previous?.object}`);

async function take(
  cache: WatchCache<string>,
  from: ResourceVersion,
  count: number,
  prefix = 'core/pods/',
): Promise<CachedEvent<string>[]> {
  const events: CachedEvent<string>[] = [];
  for await (const batch of cache.watch(prefix, from, AbortSignal.timeout(5_000))) {
    events.push(...batch.events);
    if (events.length >= count) return events;
  }
  throw new Error(`only ${events.length} of ${count} events came`);
}

/** A watch that cannot begin. */
async function* failing(err: Error): AsyncGenerator<StoreWatchBatch> {
  yield* [];
  throw err;
}

/** A store whose watch a test can cut, and which it can replace by another before the watch is tried again. */
class CuttableStore extends MemoryStore {
  inner: MemoryStore = store;
  #cut = new AbortController();
  #resumed = Promise.resolve();

  override list(...options: Parameters<MemoryStore['list']>): ReturnType<MemoryStore['list']> {
    return this.inner.list(...options);
  }

  override async *watch(
    prefix: string,
    from: ResourceVersion,
    signal: AbortSignal,
    options?: WatchOptions,
  ): AsyncGenerator<StoreWatchBatch> {
    await this.#resumed;
    this.#cut = new AbortController();
    yield* this.inner.watch(prefix, from, AbortSignal.any([signal, this.#cut.signal]), options);
    if (!signal.aborted) throw new ApiError('ServiceUnavailable', 'the watch was cut');
  }

  /** Cuts the watch; the function returned lets it be tried again. */
  cut(): () => void {
    let resume = (): void => undefined;
    this.#resumed = new Promise((resolve) => {
      resume = resolve;
    });
    this.#cut.abort();
    return resume;
  }
}

describe('WatchCache', () => {
  test('reads fail until the first list is in, and say so', () => {
    const cache = new WatchCache<string>({ store, decode, log });
    expect(() => cache.list('core/pods/')).toThrow('still loading');
    expect(() => cache.get('core/pods/a/b')).toThrow('still loading');
  });

  test('lists what was there before and what came since, in key order, with one version', async () => {
    for (const key of ['core/pods/b/2', 'core/pods/a/1', 'core/nodes/n']) await put(key);
    const cache = await startCache();
    await put('core/pods/a/0');
    await remove('core/pods/b/2');
    await put('core/pods/a/1', 'changed');
    await cache.catchUp();
    const list = cache.list('core/pods/');
    expect(list.entries.map((entry) => `${entry.key}=${entry.object}`)).toEqual([
      'core/pods/a/0=core/pods/a/0',
      'core/pods/a/1=changed',
    ]);
    expect(list.version).toBe(await store.currentVersion());
    expect(cache.list('core/pods/a/').entries).toHaveLength(2);
    expect(cache.list('core/secrets/').entries).toEqual([]);
    expect(cache.get('core/nodes/n')?.object).toBe('core/nodes/n');
    expect(cache.get('core/nodes/m')).toBeUndefined();
  });

  test('a watch gives the changes of its resource with the values before and after', async () => {
    await put('core/pods/a/1', 'one');
    const cache = await startCache();
    const { version } = cache.list('core/pods/');
    await put('core/pods/a/1', 'two');
    await put('core/nodes/n');
    const deleted = await remove('core/pods/a/1');
    await put('core/pods/b/2', 'new');
    const events = await take(cache, version, 3);
    expect(shown(events)).toEqual([
      'put core/pods/a/1 two was one',
      'delete core/pods/a/1 two was two',
      'put core/pods/b/2 new was undefined',
    ]);
    expect(events[1]?.version).toBe(deleted);
    expect(shown(await take(cache, version, 1, 'core/pods/b/'))).toEqual(['put core/pods/b/2 new was undefined']);
  });

  test('a watch resumes exactly inside a transaction', async () => {
    const cache = await startCache();
    const keys = ['core/pods/a/1', 'core/pods/a/2', 'core/pods/a/3'];
    const results = await store.commit(
      keys.map((key) => ({ type: 'put', key, value: bytes(key), ifVersion: 0 }) as const),
    );
    await cache.catchUp();
    const events = await take(cache, results[0]?.ok ? results[0].version : 0, 2);
    expect(events.map((event) => event.entry.key)).toEqual(keys.slice(1));
  });

  test('every watcher gets the same event object, and its object is decoded once', async () => {
    let decoded = 0;
    const cache = await startCache({
      decode: (key, value) => {
        decoded += 1;
        return decode(key, value);
      },
    });
    const { version } = cache.list('core/pods/');
    await put('core/pods/a/1');
    const [first, second] = await Promise.all([take(cache, version, 1), take(cache, version, 1)]);
    expect(first[0]).toBe(second[0]);
    expect(first[0]?.entry.object).toBe(second[0]?.entry.object);
    expect(decoded).toBe(1);
  });

  test('a value that cannot be decoded is reported by key, once, and reads as no object', async () => {
    const reported: string[] = [];
    await put('core/pods/a/bad', 'poison');
    await put('core/pods/a/good', 'fine');
    const cache = await startCache({ onUndecodable: (key) => reported.push(key) });
    for (let i = 0; i < 2; i++) {
      expect(cache.list('core/pods/').entries.map((entry) => entry.object)).toEqual([undefined, 'fine']);
    }
    expect(reported).toEqual(['core/pods/a/bad']);
  });

  test('a watch from before the window is Expired', async () => {
    const old = await put('core/pods/a/1');
    await put('core/pods/a/2');
    const cache = await startCache({ maxEventsPerResource: 2, maxHistoryEvents: 0 });
    const version = cache.version;
    await expect(take(cache, old, 1)).rejects.toMatchObject({ reason: 'Expired' });
    for (const i of [3, 4, 5]) await put(`core/pods/a/${i}`);
    await cache.catchUp();
    await expect(take(cache, version, 1)).rejects.toMatchObject({ reason: 'Expired' });
  });

  test('a watch from before the cache began is given what happened since then, from the history of the store', async () => {
    const start = await put('core/pods/a/1', 'one');
    await put('core/pods/a/2', 'two');
    await put('core/secrets/a/1', 'elsewhere');
    const middle = await put('core/pods/a/1', 'one again');
    await remove('core/pods/a/2');
    const cache = await startCache();
    await put('core/pods/a/3', 'three');
    const late = await take(cache, middle, 2);
    expect(shown(late)).toEqual(['delete core/pods/a/2 two was two', 'put core/pods/a/3 three was undefined']);
    const early = await take(cache, start, 4);
    expect(shown(early)).toEqual([
      'put core/pods/a/2 two was undefined',
      'put core/pods/a/1 one again was one',
      ...shown(late),
    ]);
    expect(early.map(({ version }) => version)).toEqual([...early.map(({ version }) => version)].sort((a, b) => a - b));
    expect(early.slice(2)).toEqual(late);
    expect(shown(await take(cache, start, 1, 'core/secrets/'))).toEqual([
      'put core/secrets/a/1 elsewhere was undefined',
    ]);
  });

  test('a watch from before what history keeps is Expired, later ones are not', async () => {
    const old = await put('core/pods/a/1');
    const kept = await put('core/pods/a/2');
    await put('core/pods/a/3');
    store.compact(kept);
    const cache = await startCache();
    for (const _again of [1, 2]) {
      await expect(take(cache, old, 1)).rejects.toMatchObject({ reason: 'Expired' });
    }
    expect(shown(await take(cache, versionOf(revisionOf(kept), LAST_INDEX), 1))).toEqual([
      'put core/pods/a/3 core/pods/a/3 was undefined',
    ]);
  });

  test('a watcher that does not read falls out of the window, and the others go on', async () => {
    const cache = await startCache({ maxEventsPerResource: 10 });
    const from = cache.version;
    const slow = cache.watch('core/pods/', from, stop.signal);
    await put('core/pods/a/0');
    expect((await slow.next()).value?.events).toHaveLength(1);
    for (let i = 1; i <= 20; i++) {
      const version = cache.version;
      await put(`core/pods/a/${i}`);
      expect(await take(cache, version, 1)).toHaveLength(1);
    }
    await expect(slow.next()).rejects.toMatchObject({ reason: 'Expired' });
  });

  test('the windows of all resources together stay within their bytes', async () => {
    const cache = await startCache({ maxEventBytes: 50_000 });
    const from = cache.version;
    for (let i = 0; i < 30; i++) {
      await put(`core/pods/a/${i}`, 'x'.repeat(5_000));
      await put(`core/nodes/${i}`, 'x'.repeat(100));
    }
    await cache.catchUp();
    await expect(take(cache, from, 1)).rejects.toMatchObject({ reason: 'Expired' });
    // The small ones keep their history: the largest window gives way first.
    expect(await take(cache, from, 30, 'core/nodes/')).toHaveLength(30);
  });

  test('events older than the age kept are forgotten as new ones come', async () => {
    const cache = await startCache({ maxEventAgeMs: -1 });
    const from = cache.version;
    await put('core/pods/a/1');
    await cache.catchUp();
    await expect(take(cache, from, 1)).rejects.toMatchObject({ reason: 'Expired' });
  });

  test('after a cut the watch goes on where it was, and nobody notices', async () => {
    const cuttable = new CuttableStore();
    const cache = await startCache({ store: cuttable });
    const from = cache.version;
    const resume = cuttable.cut();
    await put('core/pods/a/1', 'one');
    await remove('core/pods/a/1');
    resume();
    expect(shown(await take(cache, from, 2))).toEqual([
      'put core/pods/a/1 one was undefined',
      'delete core/pods/a/1 one was one',
    ]);
  });

  test('after a compaction during a cut it relists, and its watchers get the difference', async () => {
    for (const i of [1, 2, 3]) await put(`core/pods/a/${i}`, 'old');
    const cuttable = new CuttableStore();
    const cache = await startCache({ store: cuttable });
    const from = cache.version;
    const resume = cuttable.cut();
    await put('core/pods/a/2', 'changed');
    await remove('core/pods/a/1');
    await remove('core/pods/a/3');
    await put('core/pods/a/3', 'made anew');
    await put('core/pods/a/4', 'new');
    store.compact(await store.currentVersion());
    resume();
    const events = await take(cache, from, 4);
    expect(shown(events)).toEqual([
      'put core/pods/a/2 changed was old',
      'put core/pods/a/3 made anew was old',
      'put core/pods/a/4 new was undefined',
      'delete core/pods/a/1 old was old',
    ]);
    // Cut between any two of these, a watcher resumes exactly there.
    for (const [i, event] of events.slice(0, 3).entries()) {
      expect(shown(await take(cache, event.version, 3 - i))).toEqual(shown(events.slice(i + 1)));
    }
    expect(cache.version).toBe(await store.currentVersion());
  });

  test('when the store has gone back in time, watchers list again and the cache is the new state', async () => {
    for (const i of [1, 2, 3]) await put(`core/pods/a/${i}`);
    const cuttable = new CuttableStore();
    const cache = await startCache({ store: cuttable });
    const watching = cache.watch('core/pods/', cache.version, stop.signal).next();
    const resume = cuttable.cut();
    // Restored from a backup: fewer revisions, other objects, and history that does not reach back to ours.
    cuttable.inner = new MemoryStore();
    await cuttable.inner.commitEach({ type: 'put', key: 'core/pods/a/9', value: bytes('restored'), ifVersion: 0 });
    const error = new ApiError('Expired', 'history is shorter than that');
    cuttable.inner.watch = (prefix, from, signal, options) =>
      from > versionOf(2, LAST_INDEX)
        ? failing(error)
        : MemoryStore.prototype.watch.call(cuttable.inner, prefix, from, signal, options);
    resume();
    await expect(watching).rejects.toMatchObject({ reason: 'Expired' });
    expect(cache.list('core/pods/').entries.map((entry) => entry.object)).toEqual(['restored']);
  });

  test('a quiet watch gets bookmarks whose version can be resumed from', async () => {
    const cache = await startCache();
    const from = cache.version;
    const watch = cache.watch('core/pods/', from, stop.signal, { bookmarkIntervalMs: 5 });
    const next = watch.next();
    await put('core/nodes/n');
    await cache.catchUp();
    const bookmark = (await next).value;
    expect(bookmark?.events).toEqual([]);
    expect(bookmark?.version).toBe(cache.version);
    await put('core/pods/a/1');
    expect(await take(cache, bookmark?.version ?? 0, 1)).toHaveLength(1);
    await watch.return(undefined);
  });

  test('a watch ends when its signal aborts', async () => {
    const cache = await startCache();
    const abort = new AbortController();
    const next = cache.watch('core/pods/', cache.version, abort.signal).next();
    abort.abort();
    expect((await next).done).toBe(true);
  });

  test('waiting for a version that only a sync can reach asks for one', async () => {
    const cache = await startCache();
    const beyond = versionOf(revisionOf(await store.currentVersion()) + 1, LAST_INDEX);
    await cache.waitFor(beyond, AbortSignal.timeout(5_000));
    expect(cache.version).toBeGreaterThanOrEqual(beyond);
  });

  test('waiting ends with the reason of its signal', async () => {
    const cache = await startCache();
    const abort = new AbortController();
    const waiting = cache.waitFor(versionOf(10 ** 6, 0), abort.signal);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  test('after the server stops, those who wait and watch are told', async () => {
    const cache = await startCache();
    const waiting = cache.waitFor(versionOf(10 ** 6, 0));
    const watching = cache.watch('core/pods/', cache.version, new AbortController().signal).next();
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    await expect(watching).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  });

  test('a prefix that names no resource is refused', async () => {
    const cache = await startCache();
    expect(() => cache.list('core/')).toThrow('names no group and resource');
    expect(() => cache.list('')).toThrow('names no group and resource');
  });
});
