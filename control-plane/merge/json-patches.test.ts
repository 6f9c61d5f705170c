import { describe, expect, it } from 'vitest';
import { hasReason } from '../../lib/errors.ts';
import type { Json } from '../../proto/index.ts';
import { jsonPatch } from './json-patch.ts';
import { mergePatch } from './merge-patch.ts';

describe('a merge patch', () => {
  it.each<[target: Json, patch: Json, result: Json]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j with %j is %j', (target, patch, result) => {
    const before = structuredClone(target);
    expect(mergePatch(target, patch)).toEqual(result);
    expect(target).toEqual(before);
  });
});

describe('a JSON patch', () => {
  it.each<[target: Json, patch: Json, result: Json]>([
    [{ a: 1 }, [{ op: 'replace', path: '/a', value: 2 }], { a: 2 }],
    [{ a: 1 }, [{ op: 'remove', path: '/a' }], {}],
    [{ a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    [{ a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
    [{ a: { 'x/y': 1 } }, [{ op: 'remove', path: '/a/x~1y' }], { a: {} }],
    [
      { a: 1 },
      [
        { op: 'test', path: '/a', value: 1 },
        { op: 'copy', from: '/a', path: '/b' },
      ],
      { a: 1, b: 1 },
    ],
    [{ a: 1 }, [{ op: 'move', from: '/a', path: '/b' }], { b: 1 }],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
  ])('%j with %j is %j', (target, patch, result) => {
    const before = structuredClone(target);
    expect(jsonPatch(target, patch)).toEqual(result);
    expect(target).toEqual(before);
  });

  it.each<[title: string, patch: Json, reason: 'Invalid' | 'BadRequest', problem: string]>([
    [
      'a failed test',
      [{ op: 'test', path: '/a', value: 2 }],
      'Invalid',
      'operation 0 (test) of the JSON patch: the test of /a failed',
    ],
    [
      'a missing path',
      [
        { op: 'test', path: '/a', value: 1 },
        { op: 'remove', path: '/b' },
      ],
      'Invalid',
      'operation 1 (remove) of the JSON patch: /b is missing',
    ],
    ['a missing parent', [{ op: 'add', path: '/b/c', value: 1 }], 'Invalid', '/b/c is missing'],
    ['a missing source', [{ op: 'move', from: '/b', path: '/c' }], 'Invalid', '/b or /c is missing'],
    [
      'a move into itself',
      [{ op: 'move', from: '/a', path: '/a/b' }],
      'BadRequest',
      'cannot be moved into a part of itself',
    ],
    [
      'a path into a text',
      [
        { op: 'replace', path: '/a', value: 'text' },
        { op: 'move', from: '/a/0', path: '/b' },
      ],
      'Invalid',
      '/a/0 or /b is missing or cannot hold it',
    ],
    ['an unknown operation', [{ op: 'merge', path: '/a' }], 'BadRequest', 'op "merge" must be one of add, replace'],
    ['no value', [{ op: 'add', path: '/a' }], 'BadRequest', 'add needs a value'],
    ['no source', [{ op: 'copy', path: '/a' }], 'BadRequest', 'copy needs from'],
    ['a bad pointer', [{ op: 'remove', path: 'a' }], 'BadRequest', 'path must be a JSON pointer'],
    ['an object', { op: 'remove', path: '/a' }, 'BadRequest', 'must be a list of operations'],
  ])('refuses %s', (_title, patch, reason, problem) => {
    const target: Json = { a: 1 };
    let thrown: unknown;
    try {
      jsonPatch(target, patch);
    } catch (err) {
      thrown = err;
    }
    expect(hasReason(thrown, reason)).toBe(true);
    expect((thrown as Error).message).toContain(problem);
    expect(target).toEqual({ a: 1 });
  });
});
