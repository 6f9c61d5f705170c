import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../../proto/index.ts';
import { duplicateKeys } from './duplicate-keys.ts';

const find = (text: string): string[] => duplicateKeys(text, JSON.parse(text) as Json);

describe('keys that are there twice', () => {
  test.each<[string, string[]]>([
    ['{}', []],
    ['{"a":1,"b":{"a":2}}', []],
    ['{"a":1,"a":2}', ['a']],
    ['{"spec":{"replicas":1,"paused":true,"replicas":2}}', ['spec.replicas']],
    ['{"l":[{"x":1},{"x":1,"y":[],"x":2}]}', ['l[1].x']],
    ['{"labels":{"a.b/c":"x","a.b/c":"y"}}', ['labels[a.b/c]']],
    ['{"a":"\\":,{\\"a\\":1}","b":"{\\"b\\":"}', []],
    ['{"\\u0061":1,"a":2}', ['a']],
    ['[[{"a":1}],[{"a":1,"a":{"b":1,"b":1}}]]', ['[1][0].a', '[1][0].a.b']],
  ])('%s', (text, expected) => {
    expect(find(text)).toEqual(expected);
  });

  test('are never found in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const parsed = JSON.parse(text) as Json;
        expect(duplicateKeys(JSON.stringify(parsed), parsed)).toEqual([]);
      }),
    );
  });
});
