import { describe, expect, test } from 'vitest';
import { ApiError } from '../../../lib/errors.ts';
import type { StoreWrite } from '../store.ts';
import { type Attempt, GroupCommitter } from './group-committer.ts';

const put = (key: string, bytes = 1): StoreWrite => ({
  type: 'put',
  key,
  value: new Uint8Array(bytes),
  ifVersion: 0,
});

/** A committer whose transactions wait for the test, and the groups it was given. */
function harness(answer: (writes: readonly StoreWrite[]) => Attempt<string>) {
  const groups: string[][] = [];
  let release = (): void => undefined;
  let gate = Promise.resolve();
  const committer = new GroupCommitter<string>(async (writes) => {
    groups.push(writes.map((write) => write.key));
    await gate;
    return answer(writes);
  });
  return {
    committer,
    groups,
    hold: () => {
      gate = new Promise((resolve) => {
        release = resolve;
      });
    },
    release: () => release(),
  };
}

const allOk = (writes: readonly StoreWrite[]): Attempt<string> => ({
  ok: true,
  results: writes.map((write) => `ok ${write.key}`),
});

describe('GroupCommitter', () => {
  test('who waits to write a key that was written meanwhile is told so without a transaction of its own', async () => {
    const groups: string[][] = [];
    const committer = new GroupCommitter<string>(
      async (writes) => {
        groups.push(writes.map((write) => `${write.key} upon ${write.ifVersion}`));
        await new Promise(setImmediate);
        return allOk(writes);
      },
      (waiting, done, result) => (waiting.ifVersion === 0 ? `${done.key} overtaken by ${result}` : undefined),
    );
    const results = await Promise.all([
      ...Array.from({ length: 10 }, () => committer.commit(put('a'))),
      committer.commit({ ...put('a'), ifVersion: 7 }),
      committer.commit(put('b')),
    ]);
    expect(groups.flat().filter((line) => line === 'a upon 0').length).toBeLessThanOrEqual(2);
    expect(groups.flat()).toContain('a upon 7');
    expect(results.filter((result) => result === 'a overtaken by ok a').length).toBeGreaterThanOrEqual(8);
    expect(results.slice(10)).toEqual(['ok a', 'ok b']);
  });

  test('writes of one turn share a transaction, up to 127 of them', async () => {
    const { committer, groups } = harness(allOk);
    const results = await Promise.all(Array.from({ length: 200 }, (_, i) => committer.commit(put(`${i}`))));
    expect(groups.map((group) => group.length)).toEqual([127, 73]);
    expect(results[199]).toBe('ok 199');
  });

  test('two transactions are under way at most; what comes meanwhile forms the next', async () => {
    const { committer, groups, hold, release } = harness(allOk);
    hold();
    const all: Promise<string>[] = [];
    for (const key of ['a', 'b', 'c', 'd']) {
      all.push(committer.commit(put(key)));
      await new Promise(setImmediate);
      await new Promise(setImmediate);
    }
    expect(groups).toEqual([['a'], ['b']]);
    release();
    await Promise.all(all);
    expect(groups).toEqual([['a'], ['b'], ['c', 'd']]);
  });

  test('one key is never twice in a transaction, and its writes keep their order', async () => {
    const { committer, groups } = harness(allOk);
    await Promise.all(['a', 'a', 'b', 'a'].map((key) => committer.commit(put(key))));
    expect(groups).toEqual([['a', 'b'], ['a'], ['a']]);
  });

  test('a transaction holds about a mebibyte; a larger object goes alone', async () => {
    const { committer, groups } = harness(allOk);
    const sizes = { a: 400_000, b: 400_000, c: 400_000, d: 3_000_000, e: 10 };
    await Promise.all(Object.entries(sizes).map(([key, size]) => committer.commit(put(key, size))));
    expect(groups.find((group) => group.includes('d'))).toEqual(['d']);
    expect(groups.every((group) => group.length < 4)).toBe(true);
  });

  test('a conflict answers its own write, the others go again', async () => {
    const { committer, groups } = harness((writes) =>
      writes.some((write) => write.key === 'bad')
        ? { ok: false, conflicts: writes.map((write) => (write.key === 'bad' ? 'conflict' : undefined)) }
        : allOk(writes),
    );
    const results = await Promise.all(['a', 'bad', 'b'].map((key) => committer.commit(put(key))));
    expect(results).toEqual(['ok a', 'conflict', 'ok b']);
    expect(groups).toEqual([
      ['a', 'bad', 'b'],
      ['a', 'b'],
    ]);
  });

  test('a request refused for what one write contains fails that write only', async () => {
    const { committer } = harness((writes) => {
      if (writes.some((write) => write.key === 'huge')) throw new ApiError('RequestEntityTooLarge', 'too large');
      return allOk(writes);
    });
    const results = await Promise.allSettled(['a', 'huge', 'b'].map((key) => committer.commit(put(key))));
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  test.each(['ServiceUnavailable', 'Timeout'] as const)(
    '%s fails the whole group without a second try',
    async (reason) => {
      const { committer, groups } = harness(() => {
        throw new ApiError(reason, 'away');
      });
      const results = await Promise.allSettled(['a', 'b'].map((key) => committer.commit(put(key))));
      expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected']);
      expect(groups).toHaveLength(1);
    },
  );

  test('a write taken back while it waits is not made', async () => {
    const { committer, groups } = harness(allOk);
    const abort = new AbortController();
    const taken = committer.commit(put('a'), abort.signal);
    const other = committer.commit(put('b'));
    abort.abort(new Error('changed my mind'));
    await expect(taken).rejects.toThrow('changed my mind');
    await other;
    expect(groups).toEqual([['b']]);
  });
});
