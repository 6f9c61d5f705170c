/** Random definitions and random objects: whatever comes, the answer is a list of problems, soon. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type apiextensionsv1, fromJson, type JsonObject, toJson } from '../../../proto/index.ts';
import { messageJson } from '../../merge/schema-arbitrary.ts';
import { loadRules } from './cel-engine.ts';
import { applyDefaults } from './defaults.ts';
import { explainedKind } from './explained-schema.ts';
import { pruneUnknown, unknownFields } from './known-fields.ts';
import { customMergeNode } from './merge-nodes.ts';
import { compileSchema } from './schema-node.ts';
import { ruleProblems, ruleWarnings, validateRules } from './validate-rules.ts';
import { validateSchema } from './validate-schema.ts';
import { validateCustomObject } from './validate-value.ts';

const MESSAGE = 'skiff.apiextensions.v1.JSONSchemaProps';
const TYPES = ['object', 'array', 'string', 'integer', 'number', 'boolean'];

const rules = fc.array(
  fc.record({ rule: fc.constantFrom('has(self.a)', 'self.size() > 1', 'self == oldSelf', 'x(self)') }),
  {
    maxLength: 1,
  },
);

/** A schema with what fits its type, and now and then something that does not. */
function schemaOf(type: string, depth: number): fc.Arbitrary<JsonObject> {
  const inner = depth === 0 ? fc.constant<JsonObject>({ type: 'string' }) : anySchema(depth - 1);
  const fitting: Readonly<Record<string, Record<string, fc.Arbitrary<unknown>>>> = {
    object: {
      properties: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'constructor'), inner, {
        maxKeys: 3,
        noNullPrototype: true,
      }),
      required: fc.array(fc.constantFrom('a', 'b', 'constructor'), { maxLength: 2 }),
      'x-kubernetes-preserve-unknown-fields': fc.constant(true),
      anyOf: fc.array(fc.record({ required: fc.constant(['a']) }), { maxLength: 2 }),
      'x-kubernetes-validations': rules,
    },
    array: {
      items: inner,
      maxItems: fc.integer({ min: 0, max: 3 }),
      'x-kubernetes-list-type': fc.constantFrom('atomic', 'set', 'map'),
    },
    string: {
      pattern: fc.constantFrom('^a', '(a|b)+$', '('),
      maxLength: fc.integer({ min: 0, max: 5 }),
      default: fc.string(),
    },
    integer: { minimum: fc.integer({ min: -5, max: 5 }), default: fc.integer({ min: -9, max: 9 }) },
    number: {
      multipleOf: fc.double({ min: 0.1, max: 2, noNaN: true }),
      enum: fc.array(fc.integer(), { maxLength: 2 }),
    },
    boolean: { default: fc.boolean() },
  };
  const fields = { type: fc.constant(type), nullable: fc.boolean(), ...fitting[type] };
  const requiredKeys = type === 'array' ? ['type', 'items'] : ['type'];
  return fc.record(fields, { requiredKeys: requiredKeys as 'type'[] }) as unknown as fc.Arbitrary<JsonObject>;
}

function anySchema(depth: number): fc.Arbitrary<JsonObject> {
  return fc.constantFrom(...TYPES).chain((type) => schemaOf(type, depth));
}

const objects = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'constructor', 'spec'), fc.jsonValue({ maxDepth: 4 }), {
  maxKeys: 4,
  noNullPrototype: true,
}) as fc.Arbitrary<JsonObject>;

beforeAll(() => loadRules());

describe('whatever comes', () => {
  test('a schema of any fields is read and judged', () => {
    fc.assert(
      fc.property(messageJson(MESSAGE, { depth: 4 }), (json) => {
        const { value } = fromJson<apiextensionsv1.JSONSchemaProps>(MESSAGE, json);
        expect(validateSchema(value, 's').every(({ field }) => field.startsWith('s'))).toBe(true);
        expect(toJson(MESSAGE, value)).toBeTypeOf('object');
      }),
      { numRuns: 300 },
    );
  });

  test('objects are judged by every schema that was accepted', () => {
    let accepted = 0;
    fc.assert(
      fc.property(schemaOf('object', 3), objects, objects, (schemaJson, first, second) => {
        const { value: schema, issues } = fromJson<apiextensionsv1.JSONSchemaProps>(MESSAGE, {
          ...schemaJson,
          type: 'object',
        });
        fc.pre(issues.length === 0);
        const problems = [...validateSchema(schema, 's'), ...ruleProblems(schema, 's')];
        if (problems.length > 0) return;
        accepted += 1;
        ruleWarnings(schema, 's');
        const root = compileSchema(schema);
        explainedKind('K', root);
        customMergeNode(root);
        const object = structuredClone(first);
        unknownFields([root], object);
        pruneUnknown([root], object);
        expect(unknownFields([root], object)).toEqual([]);
        applyDefaults(root, object);
        const once = structuredClone(object);
        applyDefaults(root, object);
        expect(object).toEqual(once);
        validateCustomObject(root, object);
        validateRules(root, object);
        validateRules(root, object, second);
      }),
      { numRuns: 500 },
    );
    expect(accepted).toBeGreaterThan(50);
  });
});
