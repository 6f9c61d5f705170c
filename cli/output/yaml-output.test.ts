import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonValue } from '../manifest/json-value.ts';
import { parseYamlDocument } from '../manifest/parse-document.ts';
import { SourceText } from '../manifest/source-text.ts';
import { compareKeys, formatYaml } from './yaml-output.ts';

function read(yaml: string): JsonValue {
  return parseYamlDocument(new SourceText('out.yaml', yaml), { start: 0, end: yaml.length }).value;
}

describe('YAML is printed as kubectl prints it', () => {
  const texts: readonly [string, string][] = [
    ['plain text', 'plain text'],
    ['nginx:1.25', 'nginx:1.25'],
    ['100m', '100m'],
    ['1.2.3', '1.2.3'],
    ['http://x:80/', 'http://x:80/'],
    ['a#b', 'a#b'],
    ['-x', '-x'],
    ['inf', 'inf'],
    ['', '""'],
    ['true', '"true"'],
    ['y', '"y"'],
    ['123', '"123"'],
    ['1.5', '"1.5"'],
    ['0777', '"0777"'],
    ['1_000', '"1_000"'],
    ['0x1F', '"0x1F"'],
    ['22:22', '"22:22"'],
    ['2024-01-01T00:00:00Z', '"2024-01-01T00:00:00Z"'],
    ['~', '"~"'],
    ['a: b', "'a: b'"],
    ['a:', "'a:'"],
    ['a #b', "'a #b'"],
    ['*x', "'*x'"],
    ['- x', "'- x'"],
    ['{a: 1}', "'{a: 1}'"],
    ["'x'", "'''x'''"],
    ["it's", "it's"],
    ['a\tb', '"a\\tb"'],
    ['a\rb', '"a\\rb"'],
    ['\u001b[1m', '"\\e[1m"'],
    ['a\nb\n', '|\n    a\n    b\n'],
    ['a\nb', '|-\n    a\n    b'],
    ['a\n\n', '|+\n    a\n'],
    [' a\nb\n', '|2\n     a\n    b\n'],
    ['a \nb', '"a \\nb"'],
  ];
  test.each(texts)('%j', (text, printed) => {
    expect(formatYaml({ data: { k: text } })).toBe(
      `data:\n  k: ${printed}`.replace(/\n?$/, printed.startsWith('|+') ? '\n\n' : '\n'),
    );
  });

  test('keys are sorted, lists stand under their key, empty ones are in brackets', () => {
    const value = { kind: 'X', b: [{ z: 1, a: [1, [2, 3]] }, []], apiVersion: 'v1', c: {}, d: null, '1': true };
    expect(formatYaml(value)).toBe(
      '"1": true\napiVersion: v1\nb:\n- a:\n  - 1\n  - - 2\n    - 3\n  z: 1\n- []\nc: {}\nd: null\nkind: X\n',
    );
  });

  test('digits in keys compare as numbers, signs before letters', () => {
    const keys = ['a10', 'a2', 'ab', 'a-b', 'a.b', 'A', '01', '1'];
    expect(keys.sort(compareKeys)).toEqual(['1', '01', 'A', 'a-b', 'a.b', 'a2', 'a10', 'ab']);
  });
});

test('whatever is printed reads back as the same', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.stringMatching(/^[-+.0-9eExXob_:T]{1,8}$/),
    fc.stringMatching(/^[ \n\t#:'"|>a-c-]{1,12}$/),
    fc.constantFrom('yes', 'NO', '.nan', '-.inf', '<<', '=', '---', '...', '- ', '? ', ': '),
  );
  const json = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.integer(),
      // Whole numbers that a double cannot hold exactly are read as bigint, never as number.
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .filter((number) => !Number.isInteger(number) || Number.isSafeInteger(number))
        .map((number) => number + 0),
      fc.bigInt(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        text.filter((key) => key !== '__proto__'),
        tie('value'),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  })).value;
  fc.assert(
    fc.property(json, (value) => {
      const exact = typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
      expect(normal(read(formatYaml(exact)))).toEqual(normal(exact));
    }),
    { numRuns: 400 },
  );
});

/** Whole numbers without regard to whether a number or a big integer holds them. */
function normal(value: JsonValue): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value).toString();
  if (Array.isArray(value)) return value.map((item: JsonValue) => normal(item));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, normal(child as JsonValue)]));
  }
  return value;
}
