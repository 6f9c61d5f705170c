import { describe, expect, test } from 'vitest';
import type { Json, JsonObject } from '../../../proto/index.ts';
import { applyDefaults } from './defaults.ts';
import { pruneUnknown, unknownFields } from './known-fields.ts';
import { nodeOf } from './test-definitions.ts';
import { validateCustomObject } from './validate-value.ts';

describe('a value', () => {
  const one = (schema: JsonObject, x: Json): string[] =>
    validateCustomObject(nodeOf(schema), { x }).map(({ field, message }) => `${field}: ${message}`);

  test.each<[JsonObject, Json, string[]]>([
    [{ type: 'integer' }, 1.5, ['x: Invalid value: "number": x in body must be of type integer: "number"']],
    [{ type: 'number' }, 1, []],
    [{ type: 'string', nullable: true }, null, []],
    [{ type: 'string' }, null, ['x: Invalid value: "null": x in body must be of type string: "null"']],
    [
      { type: 'integer', format: 'int32' },
      2 ** 31,
      ['x: Invalid value: 2147483648: x in body must be of type int32: 2147483648'],
    ],
    [
      { type: 'integer', minimum: 0, exclusiveMinimum: true },
      0,
      ['x: Invalid value: 0: x in body should be greater than 0'],
    ],
    [{ type: 'number', multipleOf: 0.1 }, 0.3, []],
    [{ type: 'integer', multipleOf: 5 }, 7, ['x: Invalid value: 7: x in body should be a multiple of 5']],
    [{ type: 'string', maxLength: 2 }, 'ä€😀', ['x: Too long: may not be more than 2 bytes']],
    [{ type: 'string', pattern: '^\\pL+$' }, 'größe', []],
    [{ type: 'string', pattern: '^(?i)abc$' }, 'ABC', []],
    [
      { type: 'string', format: 'ipv4' },
      '10.0.0.300',
      ['x: Invalid value: "10.0.0.300": x in body must be of type ipv4: "10.0.0.300"'],
    ],
    [
      { type: 'string', format: 'date-time' },
      '2026-02-30T00:00:00Z',
      ['x: Invalid value: "2026-02-30T00:00:00Z": x in body must be of type date-time: "2026-02-30T00:00:00Z"'],
    ],
    [{ type: 'string', format: 'duration' }, '1h30m', []],
    [{ type: 'string', format: 'of-my-own' }, 'anything', []],
    [
      { type: 'array', items: { type: 'string' }, maxItems: 1 },
      ['a', 'b'],
      ['x: Too many: 2: must have at most 1 items'],
    ],
    [
      { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
      ['a', 'a'],
      ['x[1]: Duplicate value: "a"'],
    ],
    [
      { type: 'object', additionalProperties: { type: 'integer' }, minProperties: 1 },
      {},
      ['x: Invalid value: {}: x in body should have at least 1 properties'],
    ],
    [{ type: 'object', required: ['a'], properties: { a: { type: 'string' } } }, {}, ['x.a: Required value']],
    [
      { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
      { kind: 'A' },
      ['x.apiVersion: Required value: must not be empty'],
    ],
    [{ type: 'integer', not: { minimum: 5 } }, 7, ['x: Invalid value: 7: "x" must not validate the schema (not)']],
    [
      { type: 'integer', oneOf: [{ minimum: 1 }, { minimum: 2 }] },
      3,
      ['x: Invalid value: 3: "x" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [{ type: 'string', enum: ['a', 'b'] }, 'c', ['x: Unsupported value: "c": supported values: "a", "b"']],
  ])('%j against %j: %j', (schema, value, expected) => {
    expect(one(schema, value)).toEqual(expected);
  });

  test('that comes near one of several alternatives is told what that lacks', () => {
    expect(one({ type: 'integer', anyOf: [{ minimum: 5 }, { maximum: 0 }] }, 3)).toEqual([
      'x: Invalid value: 3: "x" must validate at least one schema (anyOf)',
      'x: Invalid value: 3: x in body should be greater than or equal to 5',
    ]);
  });

  test.each<[string, JsonObject, Json]>([
    ['a pattern that would hang other expressions', { type: 'string', pattern: '^(a+)+$' }, `${'a'.repeat(200_000)}b`],
    [
      'alternatives times items',
      {
        type: 'array',
        items: { type: 'integer', anyOf: Array.from({ length: 500 }, (_, i) => ({ minimum: i + 10 })) },
      },
      Array.from({ length: 50_000 }, () => 1),
    ],
    ['wide patterns on long texts', { type: 'string', pattern: '(.{1000}){1}x' }, 'a'.repeat(1_000_000)],
  ])('is checked in bounded time: %s', (_name, schema, value) => {
    const node = nodeOf(schema);
    const began = performance.now();
    expect(validateCustomObject(node, { x: value }).length).toBeGreaterThan(0);
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

describe('fields', () => {
  const node = nodeOf({
    type: 'object',
    properties: {
      a: { type: 'object', properties: { name: { type: 'string' } } },
      free: {
        type: 'object',
        'x-kubernetes-preserve-unknown-fields': true,
        properties: { known: { type: 'object', properties: { b: { type: 'string' } } } },
      },
      map: { type: 'object', additionalProperties: { type: 'object', properties: { b: { type: 'string' } } } },
      list: { type: 'array', items: { type: 'object', properties: { b: { type: 'string' } } } },
    },
  });
  const object = (): JsonObject => ({
    kind: 'Thing',
    metadata: { anything: 1 },
    y: 1,
    x: {
      a: { nmae: 'n' },
      free: { z: { z: 1 }, known: { c: 1 } },
      map: { any: { b: 'b', c: 1 } },
      list: [{ b: 'b' }, { d: 1 }],
    },
  });

  test('that the schema does not know are found, with the nearest name', () => {
    expect(unknownFields([node], object()).map(({ path, suggestion }) => [path, suggestion])).toEqual([
      ['y', 'x'],
      ['x.a.nmae', 'name'],
      ['x.free.known.c', 'b'],
      ['x.map.any.c', 'b'],
      ['x.list[1].d', 'b'],
    ]);
  });

  test('known to another version are known', () => {
    const other = nodeOf({
      type: 'object',
      properties: { a: { type: 'object', properties: { nmae: { type: 'string' } } } },
    });
    expect(unknownFields([node, other], { x: { a: { nmae: 'n', name: 'm' } } })).toEqual([]);
  });

  test('that are no longer known are dropped from what was stored', () => {
    const stored = object();
    pruneUnknown([node], stored);
    expect(stored).toEqual({
      kind: 'Thing',
      metadata: { anything: 1 },
      x: { a: {}, free: { z: { z: 1 }, known: {} }, map: { any: { b: 'b' } }, list: [{ b: 'b' }, {}] },
    });
  });
});

test('defaults are filled in at every depth, once; nulls that are not allowed go', () => {
  const node = nodeOf({
    type: 'object',
    default: {},
    properties: {
      a: { type: 'integer', default: 1 },
      n: { type: 'string', nullable: true, default: 'n' },
      s: { type: 'string' },
      list: { type: 'array', items: { type: 'object', properties: { b: { type: 'boolean', default: true } } } },
      map: {
        type: 'object',
        additionalProperties: { type: 'object', properties: { c: { type: 'string', default: 'c' } } },
      },
    },
  });
  const empty: JsonObject = {};
  applyDefaults(node, empty);
  expect(empty).toEqual({ x: { a: 1, n: 'n' } });
  const object: JsonObject = { x: { a: null, n: null, s: null, list: [{}, { b: false }], map: { k: {} } } };
  for (let i = 0; i < 2; i++) {
    applyDefaults(node, object);
    expect(object).toEqual({ x: { a: 1, n: null, list: [{ b: true }, { b: false }], map: { k: { c: 'c' } } } });
  }
});
