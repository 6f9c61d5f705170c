import { describe, expect, it } from 'vitest';
import { FakeClock } from './clock.ts';
import { after, done, runReconcileLoop } from './reconcile-loop.ts';
import { WorkQueue } from './work-queue.ts';

describe('WorkQueue', () => {
  it('gives out a key once however often it is added before', async () => {
    const queue = new WorkQueue();
    for (const key of ['a', 'b', 'a', 'a']) queue.add(key);
    expect([await queue.take(), await queue.take(), queue.length]).toEqual(['a', 'b', 0]);
  });

  it('gives out again, after done, what was added while being processed', async () => {
    const queue = new WorkQueue();
    queue.add('a');
    await queue.take();
    queue.add('a');
    queue.add('a');
    expect(queue.length).toBe(0);
    queue.done('a');
    expect(queue.length).toBe(1);
  });

  it('hands a key to a waiting taker', async () => {
    const queue = new WorkQueue();
    const taken = queue.take();
    queue.add('a');
    expect(await taken).toBe('a');
    queue.add('a');
    expect(queue.length).toBe(0);
  });

  it('adds later, at the earliest of several times', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    queue.addAfter('a', 100);
    queue.addAfter('a', 500);
    queue.addAfter('a', 50);
    await clock.advance(49);
    expect(queue.length).toBe(0);
    await clock.advance(1);
    expect([queue.length, queue.delayed]).toEqual([1, 0]);
  });

  it('waits longer after each failure until forgotten', () => {
    const queue = new WorkQueue({ clock: new FakeClock(), backoff: { initialMs: 10, maxMs: 60 } });
    expect([1, 2, 3, 4].map(() => queue.addRateLimited('a'))).toEqual([10, 20, 40, 60]);
    queue.forget('a');
    expect(queue.addRateLimited('a')).toBe(10);
  });

  it('sends takers away when closed and takes nothing more', async () => {
    const queue = new WorkQueue();
    const taken = queue.take();
    queue.close();
    queue.add('a');
    expect([await taken, await queue.take(), queue.length]).toEqual([undefined, undefined, 0]);
  });
});

describe('runReconcileLoop', () => {
  const log = { debug: () => undefined, warn: () => undefined };

  it('retries a throw with back-off, obeys after, and never runs a key twice at once', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock, backoff: { initialMs: 100, maxMs: 1000 } });
    const abort = new AbortController();
    const seen: string[] = [];
    let running = 0;
    const reconcile = async (key: string) => {
      running += 1;
      expect(running).toBe(1);
      await Promise.resolve();
      running -= 1;
      seen.push(`${clock.monotonicMs()} ${key}`);
      if (seen.length === 1) throw new Error('first try fails');
      return seen.length === 2 ? after(1000) : done;
    };
    const loop = runReconcileLoop({ name: 'test', queue, workers: 3, reconcile, log, signal: abort.signal, clock });
    queue.add('a');
    await clock.advance(5000);
    expect(seen).toEqual(['0 a', '100 a', '1100 a']);
    abort.abort();
    await loop;
    expect(clock.pendingTimers).toBe(0);
  });

  it('aborts a reconcile that takes too long', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    const abort = new AbortController();
    const aborted: string[] = [];
    const reconcile = (key: string, signal: AbortSignal) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted.push(key);
          reject(new Error('stopped'));
        });
      });
    const loop = runReconcileLoop({
      name: 'test',
      queue,
      reconcile,
      timeoutMs: 1000,
      log,
      signal: abort.signal,
      clock,
    });
    queue.add('a');
    await clock.advance(1000);
    expect(aborted).toEqual(['a']);
    abort.abort();
    await loop;
  });
});
