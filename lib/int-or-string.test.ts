import { describe, expect, it } from 'vitest';
import { integerOf, percentOf, scaledCount } from './int-or-string.ts';

describe('int-or-string', () => {
  it.each([
    ['an integer is itself', '3', 10, 'up', 3],
    ['zero', '0', 10, 'down', 0],
    ['a percentage rounded up', '25%', 10, 'up', 3],
    ['a percentage rounded down', '25%', 10, 'down', 2],
    ['more than all', '150%', 10, 'down', 15],
    ['a name', 'http', 10, 'up', undefined],
    ['nothing', undefined, 10, 'up', undefined],
  ] as const)('%s', (_what, text, total, rounding, count) => {
    expect(scaledCount(text, total, rounding)).toBe(count);
  });

  it('tells integers from percentages', () => {
    expect([integerOf('5'), integerOf('5%'), percentOf('5%'), percentOf('5'), percentOf('-5%')]).toEqual([
      5,
      undefined,
      5,
      undefined,
      undefined,
    ]);
  });
});
