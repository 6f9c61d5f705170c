import { expect, test } from 'vitest';
import { rowCells } from './server-table.ts';

test('a time inside a cell is shown as an age, as for restarts', () => {
  const style = {
    wide: false,
    withNamespace: false,
    labelColumns: [],
    showLabels: false,
    nowMs: Date.parse('2026-01-02T03:09:05Z'),
  };
  const columns = [{ name: 'NAME' }, { name: 'RESTARTS' }, { name: 'AGE', age: true }];
  const cells = ['web', '3 (2026-01-02T03:04:05Z ago)', '2026-01-02T03:09:00Z'];
  expect(rowCells(columns, { cells }, style, () => ({}))).toEqual(['web', '3 (5m ago)', '5s']);
});

test('a cell of times that has none stays what it is', () => {
  const style = { wide: false, withNamespace: false, labelColumns: [], showLabels: false, nowMs: 0 };
  const columns = [
    { name: 'LAST SCHEDULE', age: true },
    { name: 'DURATION', age: true },
    { name: 'AGE', age: true },
  ];
  expect(rowCells(columns, { cells: ['<none>', '70s', ''] }, style, () => ({}))).toEqual([
    '<none>',
    '70s',
    '<unknown>',
  ]);
});
