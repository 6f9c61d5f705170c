import { describe, expect, it } from 'vitest';
import type { Image, ImageProgress } from './image-store.ts';
import { type PullWork, SharedPulls } from './shared-pulls.ts';

const image: Image = { id: 'sha256:1', references: [], repoDigests: [], sizeBytes: 1, config: {}, layers: [] };

/** Work that the test ends, and that ends by itself when it is cancelled unless it is slow to. */
function controlled(options: { readonly slow?: boolean } = {}): {
  work: PullWork;
  readonly started: () => number;
  finish: (err?: Error) => void;
  cancelled: () => boolean;
} {
  let started = 0;
  let cancelled = false;
  let finish: (err?: Error) => void = () => undefined;
  const ended = new Promise<Image>((resolve, reject) => {
    finish = (err) => (err === undefined ? resolve(image) : reject(err));
  });
  ended.catch(() => undefined);
  return {
    work: ({ signal, onProgress }) => {
      started += 1;
      onProgress({ phase: 'downloading', layersDone: 0, layersTotal: 1 });
      signal.addEventListener('abort', () => {
        cancelled = true;
        if (options.slow !== true) {
          finish(new Error('cancelled'));
        }
      });
      return ended;
    },
    started: () => started,
    finish: (err) => finish(err),
    cancelled: () => cancelled,
  };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await Promise.resolve();
  }
}

describe('shared pulls', () => {
  const signal = new AbortController().signal;

  it('do the work once for callers with one key, and again for the next', async () => {
    const pulls = new SharedPulls(3);
    const first = controlled();
    const both = [pulls.run({ key: 'a', work: first.work, signal }), pulls.run({ key: 'a', work: first.work, signal })];
    await turns();
    expect(first.started()).toBe(1);
    first.finish();
    expect(await Promise.all(both)).toEqual([image, image]);
    const second = controlled();
    second.finish();
    await pulls.run({ key: 'a', work: second.work, signal });
    expect(second.started()).toBe(1);
  });

  it('give a failure to all callers', async () => {
    const pulls = new SharedPulls(3);
    const work = controlled();
    const both = [1, 2].map(() => pulls.run({ key: 'a', work: work.work, signal }));
    work.finish(new Error('broken'));
    for (const outcome of await Promise.allSettled(both)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'broken' } });
    }
  });

  it('go on while one caller is left, and are cancelled with the last', async () => {
    const pulls = new SharedPulls(3);
    const work = controlled();
    const [one, two] = [new AbortController(), new AbortController()];
    const first = pulls.run({ key: 'a', work: work.work, signal: one.signal }).catch(String);
    const second = pulls.run({ key: 'a', work: work.work, signal: two.signal }).catch(String);
    await turns();
    one.abort(new Error('one left'));
    expect(await first).toBe('Error: one left');
    expect(work.cancelled()).toBe(false);
    two.abort(new Error('two left'));
    expect(await second).toBe('Error: two left');
    expect(work.cancelled()).toBe(true);
  });

  it('start anew for a caller who comes while a cancelled one is ending', async () => {
    const pulls = new SharedPulls(3);
    const dying = controlled({ slow: true });
    const abort = new AbortController();
    const first = pulls.run({ key: 'a', work: dying.work, signal: abort.signal }).catch(String);
    await turns();
    abort.abort(new Error('left'));
    await turns();
    const next = controlled();
    next.finish();
    const second = pulls.run({ key: 'a', work: next.work, signal });
    await turns();
    expect([dying.cancelled(), next.started()]).toEqual([true, 0]);
    dying.finish(new Error('cancelled'));
    expect(await second).toEqual(image);
    expect(await first).toBe('Error: left');
  });

  it('are no more at once than the limit, say so while waiting, and may be left while waiting', async () => {
    const pulls = new SharedPulls(1);
    const [a, b, c] = [controlled(), controlled(), controlled()];
    const seen: ImageProgress['phase'][] = [];
    const leave = new AbortController();
    const first = pulls.run({ key: 'a', work: a.work, signal });
    const second = pulls.run({ key: 'b', work: b.work, signal: leave.signal }).catch(String);
    const third = pulls.run({ key: 'c', work: c.work, signal, onProgress: (progress) => seen.push(progress.phase) });
    await turns();
    expect([a.started(), b.started(), c.started()]).toEqual([1, 0, 0]);
    leave.abort(new Error('left'));
    expect(await second).toBe('Error: left');
    a.finish();
    await first;
    await turns();
    expect([b.started(), c.started()]).toEqual([0, 1]);
    c.finish();
    await third;
    expect(seen).toEqual(['waiting', 'downloading']);
  });
});
