/** Properties of every kind over generated objects: nothing is lost between JSON, typed object and bytes, and again. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromJson, type JsonObject, type KubeObject, toJson } from '../../proto/index.ts';
import { messageJson } from '../merge/schema-arbitrary.ts';
import { applyThreeWay } from '../merge/three-way-apply.ts';
import { type AnyDefinition, allDefinitions } from './registry.ts';

const RUNS = Number(process.env.SKIFF_PROPERTY_RUNS ?? 60);

const kinds = allDefinitions().map(
  (definition) => [`${definition.type.apiVersion} ${definition.type.kind}`, definition] as const,
);

function typed({ type }: AnyDefinition, json: JsonObject): KubeObject {
  const { value, issues } = fromJson<KubeObject>(type.messageName, json);
  expect(issues).toEqual([]);
  return value;
}

function bytesOf({ type }: AnyDefinition, object: KubeObject): string {
  return Buffer.from(type.message.encode(object).finish()).toString('base64');
}

/** Objects with type and name, other fields at random, many levels deep. */
function objects({ type }: AnyDefinition): fc.Arbitrary<JsonObject> {
  const { apiVersion, kind } = type;
  return messageJson(type.messageName, { depth: 6 }).map((json) => ({
    ...json,
    apiVersion,
    kind,
    metadata: { ...(json.metadata as JsonObject | undefined), name: 'generated' },
  }));
}

describe.each(kinds)('%s', (_name, definition) => {
  const { messageName, message } = definition.type;

  test('comes back the same through protobuf and through JSON', () => {
    fc.assert(
      fc.property(objects(definition), (json) => {
        const object = typed(definition, json);
        const printed = toJson(messageName, object);
        const decoded = message.decode(message.encode(object).finish());
        expect(toJson(messageName, decoded)).toEqual(printed);
        expect(bytesOf(definition, decoded)).toBe(bytesOf(definition, object));
        expect(bytesOf(definition, typed(definition, printed))).toBe(bytesOf(definition, object));
      }),
      { numRuns: RUNS },
    );
  });

  test('takes defaults once: a second time changes nothing, also after it was stored', () => {
    fc.assert(
      fc.property(objects(definition), (json) => {
        const object = typed(definition, json);
        definition.setDefaults?.(object);
        const stored = bytesOf(definition, object);
        const again = message.decode(Buffer.from(stored, 'base64'));
        definition.setDefaults?.(again);
        expect(toJson(messageName, again)).toEqual(toJson(messageName, object));
        expect(bytesOf(definition, again)).toBe(stored);
      }),
      { numRuns: RUNS },
    );
  });

  test('is unchanged when what was applied is applied again', () => {
    fc.assert(
      fc.property(objects(definition), (json) => {
        const object = typed(definition, json);
        definition.setDefaults?.(object);
        const live = toJson(messageName, object);
        const merged = typed(
          definition,
          applyThreeWay(messageName, { lastApplied: json, live, modified: json }) as JsonObject,
        );
        definition.setDefaults?.(merged);
        expect(toJson(messageName, merged)).toEqual(live);
      }),
      { numRuns: RUNS },
    );
  });
});
