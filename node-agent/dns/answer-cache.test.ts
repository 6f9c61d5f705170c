import { expect, test } from 'vitest';
import { FakeClock } from '../../lib/clock.ts';
import { AnswerCache } from './answer-cache.ts';
import type { ForeignMessage } from './foreign-message.ts';

const message = (ttlSeconds: number | undefined, size = 100): ForeignMessage => ({
  bytes: Buffer.alloc(size),
  rcode: 0,
  truncated: false,
  questionEnd: 20,
  ttlOffsets: [],
  ttlSeconds,
});

test('an answer is fresh for its time, stale for an hour, then gone', async () => {
  const clock = new FakeClock();
  const cache = new AnswerCache(clock);
  cache.put('a', message(10));
  cache.put('never', message(undefined));
  await clock.advance(9000);
  expect(cache.get('a')).toMatchObject({ ageSeconds: 9, stale: false });
  await clock.advance(1000);
  expect(cache.get('a')).toMatchObject({ stale: true });
  await clock.advance(3_600_000);
  expect(cache.get('a')).toBeUndefined();
  expect(cache.get('never')).toBeUndefined();
  expect([cache.size, cache.bytes]).toEqual([0, 0]);
});

test('beyond its limits the longest unused answers go', () => {
  const cache = new AnswerCache(new FakeClock(), { entries: 3, bytes: 2000 });
  for (const key of ['a', 'b', 'c']) cache.put(key, message(10));
  cache.get('a');
  cache.put('d', message(10));
  expect(['a', 'b', 'c', 'd'].filter((key) => cache.get(key) !== undefined)).toEqual(['a', 'c', 'd']);
  cache.put('big', message(10, 1200));
  expect(['a', 'c', 'd', 'big'].filter((key) => cache.get(key) !== undefined)).toEqual(['d', 'big']);
  cache.put('big', message(10, 100));
  expect(cache.bytes).toBe(800);
});
