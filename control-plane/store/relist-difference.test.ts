import { describe, expect, test } from 'vitest';
import { relistDifference } from './relist-difference.ts';
import { LAST_INDEX, MAX_COMMIT_OBJECTS, type StoreEntry, versionOf } from './store.ts';

const entry = (key: string, revision: number, index = 0): StoreEntry => ({
  key,
  value: new TextEncoder().encode(`${key}@${revision}`),
  version: versionOf(revision, index),
});
const at = (revision: number, entries: StoreEntry[]) => ({ entries, version: versionOf(revision, LAST_INDEX) });

describe('relistDifference', () => {
  test('new and changed objects are puts at their true versions, in order; vanished ones deletions', () => {
    const before = at(10, [entry('a', 1), entry('b', 2), entry('c', 3)]);
    const after = at(20, [entry('a', 1), entry('b', 15), entry('d', 12)]);
    const events = relistDifference(before, after) ?? [];
    expect(events.map((event) => `${event.type} ${event.key}`)).toEqual(['put d', 'put b', 'delete c']);
    expect(events.slice(0, 2).map((event) => event.version)).toEqual([versionOf(12, 0), versionOf(15, 0)]);
  });

  test('nothing changed gives nothing', () => {
    expect(relistDifference(at(10, [entry('a', 1)]), at(20, [entry('a', 1)]))).toEqual([]);
  });

  test('thousands of deletions get versions of their own, none a write could have', () => {
    const gone = Array.from({ length: 3_000 }, (_, i) => entry(`k${i}`, 5));
    const events = relistDifference(at(10, gone), at(40, [])) ?? [];
    const versions = events.map((event) => event.version);
    expect(new Set(versions).size).toBe(3_000);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(Math.min(...versions)).toBeGreaterThan(versionOf(10, LAST_INDEX));
    expect(Math.max(...versions)).toBeLessThanOrEqual(versionOf(40, LAST_INDEX));
    expect(versions.every((version) => version % 1024 >= MAX_COMMIT_OBJECTS)).toBe(true);
  });

  test('a store that went back in time has no difference', () => {
    expect(relistDifference(at(10, [entry('a', 9)]), at(8, []))).toBeUndefined();
    expect(relistDifference(at(10, []), at(20, [entry('a', 7)]))).toBeUndefined();
  });
});
