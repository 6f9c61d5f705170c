import { expect, test } from 'vitest';
import { SourceBudget } from './source-budget.ts';

test('a client that asks too much in a second is dropped until the next one, others are not', () => {
  const budget = new SourceBudget(2);
  expect([1, 2, 3].map((ms) => budget.take('a', ms))).toEqual([true, true, false]);
  expect(budget.take('b', 4)).toBe(true);
  expect(budget.take('a', 999)).toBe(false);
  expect(budget.take('a', 1000)).toBe(true);
});

test('forged addresses fill no memory', () => {
  const budget = new SourceBudget(2);
  const taken = Array.from({ length: 5000 }, (_, index) => budget.take(`n${index}`, 0)).filter(Boolean);
  expect(taken).toHaveLength(4096);
  expect(budget.take('n0', 0)).toBe(true);
});
