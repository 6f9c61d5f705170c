import { describe, expect, test } from 'vitest';
import { compileCustomColumns, customColumnsFromFile } from './custom-columns.ts';
import { ageOf, humanDuration } from './human-duration.ts';
import { LiveLines } from './live-lines.ts';
import { paletteFor } from './palette.ts';
import { compileSort } from './sort-objects.ts';
import { ColumnAligner, displayWidth, formatTable } from './text-table.ts';
import { treeLines } from './tree-lines.ts';

describe('durations are told as kubectl tells them', () => {
  const MINUTE = 60;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;
  const YEAR = 365 * DAY;
  const rows: readonly [number, string][] = [
    [-2, '<invalid>'],
    [-1, '0s'],
    [0, '0s'],
    [5, '5s'],
    [119, '119s'],
    [120, '2m'],
    [190, '3m10s'],
    [10 * MINUTE - 1, '9m59s'],
    [10 * MINUTE, '10m'],
    [10 * MINUTE + 30, '10m'],
    [3 * HOUR - 1, '179m'],
    [3 * HOUR, '3h'],
    [3 * HOUR + 5 * MINUTE, '3h5m'],
    [8 * HOUR + 5 * MINUTE, '8h'],
    [2 * DAY - 1, '47h'],
    [2 * DAY, '2d'],
    [2 * DAY + 3 * HOUR, '2d3h'],
    [8 * DAY + 3 * HOUR, '8d'],
    [2 * YEAR - 1, '729d'],
    [2 * YEAR, '2y'],
    [2 * YEAR + DAY, '2y1d'],
    [8 * YEAR + DAY, '8y'],
  ];
  test.each(rows)('%i s is %s', (seconds, text) => {
    expect(humanDuration(seconds * 1000)).toBe(text);
  });

  test('an age is counted from a time; no time has none', () => {
    expect(ageOf('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:03:10Z'))).toBe('3m10s');
    expect(ageOf('', 0)).toBe('<unknown>');
    expect(ageOf('nonsense', 0)).toBe('<invalid>');
  });
});

describe('tables are aligned as kubectl aligns them', () => {
  test('three blanks between columns, none at the end, no line end inside a row', () => {
    const rows = [
      ['NAME', 'READY', 'AGE'],
      ['web-5d', '1/1', '5s'],
      ['a', 'x\ny', ''],
    ];
    expect(formatTable(rows)).toBe('NAME     READY   AGE\nweb-5d   1/1     5s\na        x y\n');
  });

  test('wide characters and colours are measured as a terminal shows them', () => {
    expect(displayWidth('漢字')).toBe(4);
    expect(displayWidth('é')).toBe(1);
    expect(displayWidth('\u001b[31mred\u001b[39m')).toBe(3);
    expect(
      formatTable([
        ['漢字', 'x'],
        ['abcd', 'y'],
      ]),
    ).toBe('漢字   x\nabcd   y\n');
  });

  test('later rows stand under earlier ones', () => {
    const aligner = new ColumnAligner();
    aligner.format([['a-long-name', 'x']]);
    expect(aligner.format([['b', 'y']])).toBe('b             y\n');
  });
});

describe('custom columns', () => {
  const pod = { metadata: { name: 'web', x: null }, spec: { c: [{ i: 'a' }, { i: 'b' }] } };
  test('paths in any form, several values joined, nothing shown as <none>', () => {
    const columns = compileCustomColumns(
      'NAME:.metadata.name,IMAGES:{.spec.c[*].i},NO:no.such,U:.spec.c[0,1].i,X:.metadata.x',
    );
    expect(columns.headers).toEqual(['NAME', 'IMAGES', 'NO', 'U', 'X']);
    expect(columns.cells(pod)).toEqual(['web', 'a,b', '<none>', 'a,b', '<none>']);
  });

  test.each(['', 'NAME', 'NAME:', ':.a'])('%j is refused', (specification) => {
    expect(() => compileCustomColumns(specification)).toThrow(/such as NAME:\.metadata\.name/);
  });

  test('a file has headers and paths', () => {
    expect(customColumnsFromFile('A   B\n.a  .b\n')).toBe('A:.a,B:.b');
    expect(() => customColumnsFromFile('A B\n.a\n')).toThrow('a line of as many paths');
  });
});

describe('sorting by a field', () => {
  const sorted = (values: readonly (string | number | null)[]): unknown[] =>
    values
      .map((v) => ({ v }))
      .sort(compileSort('.v'))
      .map(({ v }) => v);
  const rows: readonly [string, (string | number | null)[], unknown[]][] = [
    ['numbers', [10, 9, null], [null, 9, 10]],
    ['names', ['pod-10', 'pod-2', 'a'], ['a', 'pod-2', 'pod-10']],
    ['quantities', ['1Gi', '500m', '2', '900Mi'], ['500m', '2', '900Mi', '1Gi']],
    ['times', ['2026-01-02T00:00:00Z', '2025-12-31T23:59:59Z'], ['2025-12-31T23:59:59Z', '2026-01-02T00:00:00Z']],
  ];
  test.each(rows)('%s', (_, values, expected) => {
    expect(sorted(values)).toEqual(expected);
  });
});

test('a tree is drawn with its branches', () => {
  const leaf = (text: string): { text: string; children: [] } => ({ text, children: [] });
  const tree = {
    text: 'a',
    children: [
      { text: 'b', children: [leaf('c'), leaf('d')] },
      { text: 'e', children: [leaf('f')] },
    ],
  };
  expect(treeLines(tree)).toEqual(['a', '├─ b', '│  ├─ c', '│  └─ d', '└─ e', '   └─ f']);
});

describe('colours', () => {
  test('only on a terminal, never with NO_COLOR', () => {
    expect(paletteFor({ isTerminal: true, env: {} }).red('x')).toBe('\u001b[31mx\u001b[39m');
    expect(paletteFor({ isTerminal: false, env: {} }).red('x')).toBe('x');
    expect(paletteFor({ isTerminal: true, env: { NO_COLOR: '1' } }).red('x')).toBe('x');
    expect(paletteFor({ isTerminal: true, env: { TERM: 'dumb' } }).red('x')).toBe('x');
  });
});

describe('live lines', () => {
  function draw(isTerminal: boolean, columns = 80): { live: LiveLines; text: () => string } {
    let text = '';
    const write = (more: string): void => {
      text += more;
    };
    return { live: new LiveLines({ write, isTerminal, columns: () => columns }), text: () => text };
  }

  test('on a terminal they are redrawn in place, and only when they changed', () => {
    const { live, text } = draw(true);
    live.show(['one', 'two']);
    live.show(['one', 'two']);
    live.show(['three']);
    expect(text()).toBe('one\ntwo\n\u001b[2A\u001b[0Jthree\n');
  });

  test('a printed line stays above them', () => {
    const { live, text } = draw(true);
    live.show(['one']);
    live.print('kept');
    expect(text()).toBe('one\n\u001b[1A\u001b[0Jkept\none\n');
    live.clear();
    expect(text().endsWith('\u001b[1A\u001b[0J')).toBe(true);
  });

  test('a line too long for the terminal is cut', () => {
    const { live, text } = draw(true, 10);
    live.show(['0123456789abc']);
    expect(text()).toBe('01234567…\n');
  });

  test('in a pipe each line is printed once, without control characters', () => {
    const { live, text } = draw(false);
    live.show(['one', 'two']);
    live.show(['one', 'three']);
    live.clear();
    expect(text()).toBe('one\ntwo\nthree\n');
  });
});
