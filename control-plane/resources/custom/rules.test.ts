import { beforeAll, describe, expect, test } from 'vitest';
import { type apiextensionsv1, fromJson, type Json, type JsonObject } from '../../../proto/index.ts';
import { loadRules } from './cel-engine.ts';
import { compileSchema, type SchemaNode } from './schema-node.ts';
import { ruleProblems, ruleWarnings, validateRules } from './validate-rules.ts';

function schemaOf(json: JsonObject): apiextensionsv1.JSONSchemaProps {
  const { value, issues } = fromJson<apiextensionsv1.JSONSchemaProps>('skiff.apiextensions.v1.JSONSchemaProps', json);
  expect(issues).toEqual([]);
  return value;
}

/** An object whose `spec` has these fields and this rule. */
function withRule(rule: JsonObject | string, properties: JsonObject): SchemaNode {
  const rules = [typeof rule === 'string' ? { rule } : rule];
  const spec = { type: 'object', properties, 'x-kubernetes-validations': rules };
  return compileSchema(schemaOf({ type: 'object', properties: { spec } }));
}

const INTEGERS = { a: { type: 'integer' }, b: { type: 'integer' } };
const TEXTS = { s: { type: 'string' }, list: { type: 'array', items: { type: 'string' } } };
const found = (node: SchemaNode, spec: Json, old?: Json): string[] =>
  validateRules(node, { spec }, old === undefined ? undefined : { spec: old }).map(
    ({ field, message }) => `${field}: ${message}`,
  );

beforeAll(() => loadRules());

describe('a rule', () => {
  test.each<[string, JsonObject, Json]>([
    ['self.a <= self.b', INTEGERS, { a: 1, b: 2 }],
    ['isIP(self.s) && isCIDR(self.s + "/8") && !isURL(self.s)', TEXTS, { s: '10.0.0.1' }],
    ['isQuantity(self.s) && self.s.find("[0-9]+") == "12"', TEXTS, { s: '12Mi' }],
    ['self.s.findAll("[a-z]") == ["a", "b"] && self.s.findAll("[a-z]", 1).size() == 1', TEXTS, { s: 'a1b' }],
    ['!has(self.a) || self.a > 0', INTEGERS, {}],
    ['self.list.all(x, x.startsWith("a"))', TEXTS, { list: ['a', 'ab'] }],
    ['self.list.exists_one(x, x == self.s)', TEXTS, { s: 'b', list: ['a', 'b'] }],
    ['self.s.matches("^[a-z]+$")', TEXTS, { s: 'abc' }],
    ['self.s.lowerAscii() == "abc" && self.s.size() == 3', TEXTS, { s: 'ABC' }],
    ['self.list.isSorted() && self.list.max() == "c"', TEXTS, { list: ['a', 'b', 'c'] }],
    [
      'self.from < self.to',
      { from: { type: 'string', format: 'date-time' }, to: { type: 'string', format: 'date-time' } },
      { from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:00:01Z' },
    ],
    ['self.wait < duration("1h")', { wait: { type: 'string', format: 'duration' } }, { wait: '59m30s' }],
    ['self.port == 80 || self.port == "http"', { port: { 'x-kubernetes-int-or-string': true } }, { port: 80 }],
    ['type(self.port) == string', { port: { 'x-kubernetes-int-or-string': true } }, { port: 'http' }],
    [
      'self.x__dash__y.__namespace__ == 1',
      { 'x-y': { type: 'object', properties: { namespace: { type: 'integer' } } } },
      { 'x-y': { namespace: 1 } },
    ],
    [
      'self.labels["a-b"] == "c"',
      { labels: { type: 'object', additionalProperties: { type: 'string' } } },
      { labels: { 'a-b': 'c' } },
    ],
    ['(self.s + "-" + self.s + "-" + self.s + "-" + self.s).size() > 4000', TEXTS, { s: 'x'.repeat(1_000) }],
    ['self.list.filter(x, x != "").map(x, x + "!").all(x, x.endsWith("!"))', TEXTS, { list: ['a', '', 'b'] }],
    ['self.ratio > 0.5', { ratio: { type: 'number' } }, { ratio: 1 }],
  ])('%s holds', (rule, properties, spec) => {
    expect(found(withRule(rule, properties), spec)).toEqual([]);
  });

  test.each<[JsonObject | string, JsonObject, Json, string]>([
    ['self.a <= self.b', INTEGERS, { a: 3, b: 2 }, 'spec: Invalid value: "object": failed rule: self.a <= self.b'],
    [
      { rule: 'self.a > 0', message: 'a must be positive' },
      INTEGERS,
      { a: 0 },
      'spec: Invalid value: "object": a must be positive',
    ],
    [
      { rule: 'self.a > 0', messageExpression: '"a is " + string(self.a)' },
      INTEGERS,
      { a: -1 },
      'spec: Invalid value: "object": a is -1',
    ],
    [
      { rule: 'self.a > 0', messageExpression: 'self.nothing', message: 'plain' },
      INTEGERS,
      { a: 0 },
      'spec: Invalid value: "object": plain',
    ],
    [
      { rule: 'self.a > 0', fieldPath: '.a', reason: 'FieldValueForbidden', message: 'no' },
      INTEGERS,
      { a: 0 },
      'spec.a: Forbidden: no',
    ],
    ['self.a > 0', INTEGERS, {}, 'spec: Invalid value: "object": rule: self.a > 0: field not found: a'],
    ['self.a', INTEGERS, { a: 1 }, 'spec: Invalid value: "object": failed rule: self.a'],
  ])('%j is broken', (rule, properties, spec, problem) => {
    expect(found(withRule(rule, properties), spec)).toEqual([problem]);
  });

  test('about a change is asked only where there was a value before', () => {
    const node = withRule({ rule: 'self.a >= oldSelf.a', message: 'a may only grow' }, INTEGERS);
    expect(found(node, { a: 1 })).toEqual([]);
    expect(found(node, { a: 2 }, { a: 1 })).toEqual([]);
    expect(found(node, { a: 1 }, { a: 2 })).toEqual(['spec: Invalid value: "object": a may only grow']);
    expect(validateRules(node, { spec: { a: 1 } }, {})).toEqual([]);
  });

  test('about a change of an item finds the item by its keys', () => {
    const item = {
      type: 'object',
      properties: { name: { type: 'string' }, size: { type: 'integer' } },
      'x-kubernetes-validations': [{ rule: 'self.size == oldSelf.size' }],
    };
    const list = {
      type: 'array',
      items: item,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    };
    const node = compileSchema(schemaOf({ type: 'object', properties: { list } }));
    const before = {
      list: [
        { name: 'a', size: 1 },
        { name: 'b', size: 2 },
      ],
    };
    expect(
      validateRules(
        node,
        {
          list: [
            { name: 'b', size: 2 },
            { name: 'c', size: 3 },
          ],
        },
        before,
      ),
    ).toEqual([]);
    expect(validateRules(node, { list: [{ name: 'b', size: 1 }] }, before)).toMatchObject([{ field: 'list[0]' }]);
  });

  test('at the root sees the kind and the name, and nothing else of the metadata', () => {
    const rule = { rule: 'self.metadata.name.startsWith("x") && self.kind == "K" && !has(self.metadata.labels)' };
    const node = compileSchema(schemaOf({ type: 'object', 'x-kubernetes-validations': [rule] }));
    expect(validateRules(node, { kind: 'K', metadata: { name: 'x1', labels: { a: 'b' } } })).toEqual([]);
  });

  test.each<[string, JsonObject, Json]>([
    ['loops within loops', TEXTS, { list: Array.from({ length: 5_000 }, (_, i) => `${i}`) }],
    ['texts that double in a row of loops', TEXTS, { s: 'x' }],
    ['texts that multiply', TEXTS, { s: 'x'.repeat(100_000) }],
    ['a pattern over a long text', TEXTS, { s: 'a'.repeat(2_000_000) }],
  ])('that would take too long is refused at once: %s', (what, properties, spec) => {
    const rules: Readonly<Record<string, string>> = {
      'loops within loops': 'self.list.all(a, self.list.all(b, self.list.all(c, a != b || b != c || true)))',
      'texts that double in a row of loops': `[self.s]${'.map(x, x + x)'.repeat(60)} != []`,
      'texts that multiply': 'self.s.replace("x", self.s).replace("x", self.s).replace("x", self.s) != ""',
      'a pattern over a long text': 'self.s.matches("(.{900}){1}b")',
    };
    const began = performance.now();
    expect(found(withRule(rules[what] ?? '', properties), spec)).toEqual([expect.stringMatching(/too (large|long)/)]);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe('in a definition', () => {
  const schema = (rule: string): apiextensionsv1.JSONSchemaProps =>
    schemaOf({
      type: 'object',
      properties: { a: { type: 'array', items: { type: 'string', 'x-kubernetes-validations': [{ rule }] } } },
    });
  const AT = 's.properties[a].items.x-kubernetes-validations[0]';

  test('a rule that cannot be read is refused', () => {
    const [problem] = ruleProblems(schema('self =='), 's');
    expect(problem).toMatchObject({ field: `${AT}.rule` });
    expect(problem?.message).toMatch(/^Invalid value: "self ==": compilation failed: /);
  });

  test.each([
    ['parentheses', `${'('.repeat(9_000)}true${')'.repeat(9_000)}`],
    ['negations', `${'!'.repeat(19_000)}true`],
    ['members', `self${'.a'.repeat(9_000)} == 1`],
    ['sums', `1${' + 1'.repeat(4_000)} == 1`],
    ['length', `self == "${'a'.repeat(30_000)}"`],
  ])('a rule of endless %s is refused or harmless', (_name, rule) => {
    const began = performance.now();
    const problems = ruleProblems(schema(rule), 's');
    const check = (): unknown => validateRules(compileSchema(schema(rule)), { a: ['x'] });
    if (problems.length === 0) expect(check).not.toThrow();
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  test.each([
    ['quantity(self).isGreaterThan(quantity("1"))', 'the function'],
    ['self.?x.orValue("") == ""', 'optional values'],
  ])('%s is warned of, and not checked', (rule, what) => {
    expect(ruleProblems(schema(rule), 's')).toEqual([]);
    expect(ruleWarnings(schema(rule), 's')).toEqual([
      expect.stringContaining(`${AT} is stored but not checked: it uses ${what}`),
    ]);
    expect(validateRules(compileSchema(schema(rule)), { a: ['x'] })).toEqual([]);
  });
});
