import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  apiextensionsv1,
  CUSTOM_OBJECT_MESSAGE,
  type CustomResource,
  customResourceType,
  fromJson,
  type Json,
  KINDS,
  toJson,
} from './index.ts';

const type = customResourceType({
  group: 'stable.example.com',
  version: 'v1',
  kind: 'CronTab',
  plural: 'crontabs',
  singular: 'crontab',
  shortNames: ['ct'],
  namespaced: true,
});

const cronTab = {
  apiVersion: 'stable.example.com/v1',
  kind: 'CronTab',
  metadata: { name: 'a', labels: { b: '1', a: '2' } },
  body: 'a field like any other',
  spec: { replicas: 0, off: false, nothing: null, list: [1, { x: 1.5 }], 'x.y/z': { '': [] } },
  status: {},
} as const;

describe('a custom object', () => {
  test('is kept whole through JSON and protobuf', () => {
    const { value, issues } = fromJson<CustomResource>(CUSTOM_OBJECT_MESSAGE, cronTab as unknown as Json);
    expect(issues).toEqual([]);
    expect(value.spec).toEqual(cronTab.spec);
    const back = type.message.decode(type.message.encode(value).finish());
    expect(toJson(CUSTOM_OBJECT_MESSAGE, back)).toEqual(cronTab);
  });

  test('has equal bytes however its keys are ordered', () => {
    const bytes = (json: Json): Uint8Array =>
      type.message.encode(fromJson<CustomResource>(CUSTOM_OBJECT_MESSAGE, json).value).finish();
    expect(bytes({ spec: { b: 1, a: { d: 1, c: 2 } }, kind: 'K' })).toEqual(
      bytes({ kind: 'K', spec: { a: { c: 2, d: 1 }, b: 1 } }),
    );
  });

  test('is decoded in the version asked for, whatever version it was stored in', () => {
    const stored = type.message.encode({ apiVersion: 'stable.example.com/v1alpha1', kind: 'CronTab' }).finish();
    expect(type.message.decode(stored).apiVersion).toBe('stable.example.com/v1');
  });

  const deep = (levels: number): Json => (levels === 0 ? 1 : { a: deep(levels - 1) });
  test.each<[string, Json, string, RegExp]>([
    ['an integer no double holds', { spec: { size: 2 ** 53 } }, 'spec.size', /integer between/],
    [
      'a key that JavaScript takes for itself',
      JSON.parse('{"spec":{"__proto__":1}}') as Json,
      'spec.__proto__',
      /not allowed/,
    ],
    ['the same at the top', JSON.parse('{"__proto__":{}}') as Json, '__proto__', /not allowed/],
    ['a name the typed object uses itself', { _unknownFields: {} }, '_unknownFields', /not allowed/],
    ['deep nesting', { spec: deep(120) }, `spec${'.a'.repeat(100)}`, /deeper than 100/],
    ['metadata that is not typed', { metadata: { name: 1 } }, 'metadata.name', /expected a string/],
    ['unknown metadata', { metadata: { label: {} } }, 'metadata.label', /unknown field/],
  ])('refuses %s', (_name, json, path, message) => {
    const { issues } = fromJson(CUSTOM_OBJECT_MESSAGE, json);
    expect(issues).toEqual([expect.objectContaining({ path, message: expect.stringMatching(message) })]);
  });

  test('of any form comes back as it was', () => {
    const body = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 5, noNullPrototype: true });
    fc.assert(
      fc.property(body, (json) => {
        const whole = { ...(JSON.parse(JSON.stringify(json)) as { [key: string]: Json }), kind: 'K' };
        const { value, issues } = fromJson<CustomResource>(CUSTOM_OBJECT_MESSAGE, whole);
        fc.pre(issues.length === 0);
        const bytes = type.message.encode(value).finish();
        const back = type.message.decode(bytes);
        expect(toJson(CUSTOM_OBJECT_MESSAGE, back)).toEqual(whole);
        expect(type.message.encode(back).finish()).toEqual(bytes);
      }),
    );
  });

  test('keeps numbers that every program holds as floating point', () => {
    const { value, issues } = fromJson<CustomResource>(CUSTOM_OBJECT_MESSAGE, { spec: { big: 1e300 } });
    expect(issues).toEqual([]);
    expect(value.spec).toEqual({ big: 1e300 });
  });
});

describe('alternatives in a schema', () => {
  const { messageName } = KINDS.CustomResourceDefinition;
  const schema = (props: Json): Json => ({
    spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema: { type: 'object', properties: { spec: props } } } }] },
  });
  const propsOf = (json: Json): Json => {
    const { value, issues } = fromJson<apiextensionsv1.CustomResourceDefinition>(messageName, schema(json));
    expect(issues).toEqual([]);
    const bytes = apiextensionsv1.CustomResourceDefinition.encode(value).finish();
    const back = toJson(messageName, apiextensionsv1.CustomResourceDefinition.decode(bytes)) as {
      spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: Json } } } }[] };
    };
    return back.spec.versions[0]?.schema.openAPIV3Schema.properties.spec ?? null;
  };

  test.each<[Json]>([
    [{ additionalProperties: true }],
    [{ additionalProperties: false }],
    [{ additionalProperties: { type: 'string' } }],
    [{ items: { type: 'integer', minimum: 0, default: 3 } }],
    [{ items: [{ type: 'string' }, { type: 'integer' }] }],
    [{ dependencies: { a: ['b'], c: { type: 'object' } } }],
    [{ default: { b: [1, null], a: false }, enum: ['a', 1, null, {}], example: null }],
    [{ $ref: '#/x', $schema: 'y', 'x-kubernetes-int-or-string': true, 'x-kubernetes-list-map-keys': ['name'] }],
    [{ 'x-kubernetes-preserve-unknown-fields': false, 'x-kubernetes-validations': [{ rule: 'self.a' }] }],
  ])('%j comes back as it was', (json) => {
    const { example: _null, ...expected } = json as { [key: string]: Json };
    expect(propsOf(json)).toEqual(expected);
  });

  test('refuse what is none of them, with its path', () => {
    const { issues } = fromJson(messageName, schema({ additionalProperties: 'yes', items: { typ: 'string' } }));
    expect(issues.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'spec.versions[0].schema.openAPIV3Schema.properties.spec.additionalProperties: expected a boolean or an object, got the string "yes"',
      expect.stringContaining('unknown field "spec.versions[0].schema.openAPIV3Schema.properties.spec.items.typ"'),
    ]);
  });

  test('nested as deep as is accepted, can be read back', () => {
    let json: Json = { type: 'string' };
    for (let i = 0; i < 28; i++) json = { type: 'array', items: { type: 'object', properties: { a: json } } };
    const { value, issues } = fromJson<apiextensionsv1.CustomResourceDefinition>(messageName, schema(json));
    if (issues.length === 0) {
      expect(() =>
        apiextensionsv1.CustomResourceDefinition.decode(
          apiextensionsv1.CustomResourceDefinition.encode(value).finish(),
        ),
      ).not.toThrow();
    }
    expect(issues.every(({ message }) => message.includes('deeper than'))).toBe(true);
  });
});
