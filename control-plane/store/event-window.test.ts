import { describe, expect, test } from 'vitest';
import { CachedEntry, CachedEvent } from './cached-entry.ts';
import { EventWindow } from './event-window.ts';

const decoder = { decode: () => undefined, onUndecodable: () => undefined };
const event = (version: number): CachedEvent<undefined> =>
  new CachedEvent('put', new CachedEntry({ key: 'k', value: new Uint8Array(10), version }, decoder), undefined, 0);

describe('EventWindow', () => {
  test('finds the place after a version, and says when that may be forgotten', () => {
    const window = new EventWindow<undefined>(100);
    for (const version of [110, 120, 130]) window.push(event(version));
    expect([100, 105, 110, 119, 130, 999].map((version) => window.seqAfter(version))).toEqual([0, 0, 1, 1, 3, 3]);
    expect(window.seqAfter(99)).toBeUndefined();
    window.dropOldest();
    expect(window.seqAfter(105)).toBeUndefined();
    expect(window.seqAfter(110)).toBe(1);
  });

  test('places keep their meaning through thousands of events', () => {
    const window = new EventWindow<undefined>(0);
    for (let version = 1; version <= 10_000; version++) {
      window.push(event(version));
      if (window.length > 100) window.dropOldest();
    }
    expect(window.firstSeq).toBe(9_900);
    expect(window.at(9_900)?.version).toBe(9_901);
    expect(window.at(9_899)).toBeUndefined();
    expect(window.at(10_000)).toBeUndefined();
    expect(window.seqAfter(9_950)).toBe(9_950);
    expect(window.bytes).toBe(100 * event(1).bytes);
  });
});
