import { describe, expect, test } from 'vitest';
import { resolvePlain, ScalarError } from './resolve-scalar.ts';

// Every row was printed by kubectl 1.32 (`kubectl annotate --local -o json`), whole numbers beyond a double excepted:
// those stay exact here.
const ROWS: readonly [string, null | boolean | number | bigint | string][] = [
  ['', null],
  ['~', null],
  ['Null', null],
  ['nUll', 'nUll'],
  ['y', true],
  ['No', false],
  ['ON', true],
  ['off', false],
  ['yEs', 'yEs'],
  ['22:22', '22:22'],
  ['2024-01-01', '2024-01-01'],
  ['2001-12-14t21:59:43.10-05:00', '2001-12-14t21:59:43.10-05:00'],
  ['0o17', 15],
  ['0777', 511],
  ['0755', 493],
  ['0o644', 420],
  ['08', 8],
  ['0o9', '0o9'],
  ['1_000', 1000],
  ['1__0', 10],
  ['0_7', 7],
  ['0x_f', 15],
  ['0x10', 16],
  ['-0x1F', -31],
  ['0b11', 3],
  ['+5', 5],
  ['-0', 0],
  ['9007199254740991', 9007199254740991],
  ['9007199254740993', 9007199254740993n],
  ['-9007199254740993', -9007199254740993n],
  ['1e3', 1000],
  ['1.10', 1.1],
  ['.5', 0.5],
  ['-.5', -0.5],
  ['5.', 5],
  ['0.1e-7', 1e-8],
  ['1e400', '1e400'],
  ['1.2.3', '1.2.3'],
  ['100m', '100m'],
  ['-', '-'],
  ['.', '.'],
  ['=', '='],
  ['nginx:1.25', 'nginx:1.25'],
];

describe('a plain scalar means what Kubernetes takes it for', () => {
  test.each(ROWS)('"%s" is %s', (text, value) => {
    expect(resolvePlain(text)).toStrictEqual(value);
  });

  test.each(['.inf', '-.Inf', '+.INF', '.nan', '.NaN'])('%s is refused', (text) => {
    expect(() => resolvePlain(text)).toThrow(ScalarError);
  });
});
