import { describe, expect, test } from 'vitest';
import { type apiextensionsv1, fromJson, type Json, type JsonObject, KINDS } from '../../../proto/index.ts';
import { customResourceDefinition } from '../custom-resource-definition.ts';
import { definitionOf } from '../registry.ts';
import { validateObject } from '../validate-object.ts';
import { acceptNames, isOlder, takenNames } from './accepted-names.ts';
import { customDefinitions } from './custom-definition.ts';
import { applyDefaults } from './defaults.ts';
import { pruneUnknown, unknownFields } from './known-fields.ts';
import { compileSchema, type SchemaNode } from './schema-node.ts';
import { validateCustomObject } from './validate-value.ts';
import { compareVersions } from './version-order.ts';

type Definition = apiextensionsv1.CustomResourceDefinition;
const { messageName } = KINDS.CustomResourceDefinition;
const crdKind = definitionOf(KINDS.CustomResourceDefinition) as unknown as Parameters<typeof validateObject>[0];

/** A definition whose root schema has these members besides its type. */
function definition(root: JsonObject, change: (spec: JsonObject) => void = () => undefined): Definition {
  const spec: JsonObject = {
    group: 'x.example.com',
    scope: 'Namespaced',
    names: { plural: 'things', kind: 'Thing' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', ...root } } }],
  };
  change(spec);
  const { value, issues } = fromJson<Definition>(messageName, { metadata: { name: 'things.x.example.com' }, spec });
  expect(issues).toEqual([]);
  customResourceDefinition.setDefaults?.(value);
  return value;
}

function problems(object: Definition): string[] {
  return validateObject(crdKind, object).map(({ field, message }) => `${field}: ${message}`);
}

/** The schema of the field `x`. */
function nodeOf(x: JsonObject): SchemaNode {
  const object = definition({ properties: { x } });
  expect(problems(object)).toEqual([]);
  return compileSchema(object.spec?.versions?.[0]?.schema?.openAPIV3Schema ?? {});
}

const AT = 'spec.versions[0].schema.openAPIV3Schema';

describe('a definition', () => {
  test('of a usual kind is accepted', () => {
    expect(problems(definition({ properties: { spec: { type: 'object' } } }))).toEqual([]);
  });

  test.each<[string, (spec: JsonObject) => void, string]>([
    [
      'another name',
      (s) => Object.assign(s.names as JsonObject, { plural: 'others' }),
      'metadata.name: Invalid value: "things.x.example.com": must be spec.names.plural+"."+spec.group',
    ],
    [
      'a group without a dot',
      (s) => void Object.assign(s, { group: 'example' }),
      'spec.group: Invalid value: "example": should be a domain with at least one dot',
    ],
    [
      'a scope nobody knows',
      (s) => void Object.assign(s, { scope: 'Global' }),
      'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"',
    ],
    [
      'no stored version',
      (s) =>
        void Object.assign(s, {
          versions: [{ name: 'v1', served: true, schema: { openAPIV3Schema: { type: 'object' } } }],
        }),
      'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version',
    ],
    [
      'a list kind like the kind',
      (s) => Object.assign(s.names as JsonObject, { listKind: 'Thing' }),
      'spec.names.listKind: Invalid value: "Thing": kind and listKind may not be the same',
    ],
    [
      'a short name in capitals',
      (s) => Object.assign(s.names as JsonObject, { shortNames: ['TH'] }),
      'spec.names.shortNames[0]: Invalid value: "TH": a DNS-1035 label must consist of',
    ],
    [
      'preserveUnknownFields',
      (s) => void Object.assign(s, { preserveUnknownFields: true }),
      'spec.preserveUnknownFields: Invalid value: true: cannot set to true',
    ],
    [
      'no schema',
      (s) => void Object.assign(s, { versions: [{ name: 'v1', served: true, storage: true }] }),
      `${AT}: Required value: schemas are required`,
    ],
    [
      'a group of Kubernetes',
      (s) => void Object.assign(s, { group: 'x.k8s.io' }),
      'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation',
    ],
    [
      'a webhook that is not described',
      (s) => void Object.assign(s, { conversion: { strategy: 'Webhook' } }),
      'spec.conversion.webhook.clientConfig: Required value: required when strategy is set to Webhook',
    ],
    ['no versions', (s) => void Object.assign(s, { versions: [] }), 'spec.versions: Required value'],
  ])('is refused with %s', (_name, change, problem) => {
    expect(problems(definition({}, change))).toEqual(expect.arrayContaining([expect.stringContaining(problem)]));
  });

  const columns = (column: JsonObject) => (spec: JsonObject) => {
    const [version] = spec.versions as JsonObject[];
    Object.assign(version ?? {}, { additionalPrinterColumns: [{ name: 'A', type: 'string', ...column }] });
  };
  test.each<[string, JsonObject, string]>([
    [
      'of a type there is not',
      { type: 'text', jsonPath: '.a' },
      'type: Invalid value: "text": must be one of integer,number,string,boolean,date',
    ],
    ['without a path', {}, 'jsonPath: Required value'],
    [
      'with a path from nowhere',
      { jsonPath: 'a' },
      'jsonPath: Invalid value: "a": must be a simple json path starting with .',
    ],
    [
      'with a path that cannot be read',
      { jsonPath: '.a[?(@' },
      'jsonPath: Invalid value: ".a[?(@": is an invalid path:',
    ],
    [
      'with a path of more work than the object has parts',
      { jsonPath: '.a..b..c..d' },
      'is an invalid path: at most one ".." is allowed',
    ],
  ])('is refused with a column %s', (_name, column, problem) => {
    expect(problems(definition({}, columns(column)))).toEqual([
      expect.stringContaining(
        `spec.versions[0].additionalPrinterColumns[0].${problem.startsWith('is') ? 'jsonPath' : ''}`,
      ),
    ]);
    expect(problems(definition({}, columns(column)))[0]).toContain(problem);
  });
});

describe('a schema', () => {
  test.each<[string, JsonObject, string]>([
    [
      'a field without a type',
      { properties: { x: {} } },
      `${AT}.properties[x].type: Required value: must not be empty for specified object fields`,
    ],
    [
      'items without a type',
      { properties: { x: { type: 'array', items: {} } } },
      `${AT}.properties[x].items.type: Required value: must not be empty for specified array items`,
    ],
    [
      'a list without items',
      { properties: { x: { type: 'array' } } },
      `${AT}.properties[x].items: Required value: must be specified`,
    ],
    [
      'a type nobody knows',
      { properties: { x: { type: 'text' } } },
      `${AT}.properties[x].type: Unsupported value: "text"`,
    ],
    ['another type at the root', { type: 'string' }, `${AT}.type: Invalid value: "string": must be object at the root`],
    [
      'several schemas of items',
      { properties: { x: { type: 'array', items: [{ type: 'string' }] } } },
      `${AT}.properties[x].items: Forbidden: items must be a schema object and not an array`,
    ],
    [
      'distinct items',
      { properties: { x: { type: 'array', items: { type: 'string' }, uniqueItems: true } } },
      `${AT}.properties[x].uniqueItems: Forbidden: uniqueItems cannot be set to true`,
    ],
    [
      'a reference',
      { properties: { x: { type: 'object', $ref: '#/y' } } },
      `${AT}.properties[x].$ref: Forbidden: $ref is not supported`,
    ],
    [
      'fields and a map at once',
      {
        properties: {
          x: { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'string' } },
        },
      },
      `${AT}.properties[x].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
    ],
    [
      'no further fields',
      { properties: { x: { type: 'object', additionalProperties: false } } },
      `${AT}.properties[x].additionalProperties: Forbidden: additionalProperties cannot be set to false`,
    ],
    [
      'a type inside a combination',
      { properties: { x: { type: 'object', anyOf: [{ type: 'object' }] } } },
      `${AT}.properties[x].anyOf[0].type: Forbidden: must be empty to be structural`,
    ],
    [
      'a field that only a combination names',
      { properties: { x: { type: 'object', oneOf: [{ properties: { a: {} } }] } } },
      `${AT}.properties[x].properties[a]: Required value: because it is defined in ${AT}.properties[x].oneOf[0].properties[a]`,
    ],
    [
      'a rule about metadata',
      { properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } } },
      `${AT}.properties[metadata]: Forbidden: must not specify anything other than name and generateName`,
    ],
    [
      'a pattern that backtracks',
      { properties: { x: { type: 'string', pattern: '^(?=a)' } } },
      `${AT}.properties[x].pattern: Invalid value: "^(?=a)": must be a valid regular expression, but isn't: error parsing regexp`,
    ],
    [
      'a pattern that explodes',
      { properties: { x: { type: 'string', pattern: '((a{1,999}){1,999}){1,999}' } } },
      'must be a valid regular expression',
    ],
    [
      'a default of another type',
      { properties: { x: { type: 'integer', default: 'a' } } },
      `${AT}.properties[x].default: Invalid value: "string": ${AT}.properties[x].default in body must be of type integer: "string"`,
    ],
    [
      'a default with a field there is not',
      { properties: { x: { type: 'object', default: { a: 1 } } } },
      'unknown field "a"',
    ],
    [
      'keys of a list that are no fields',
      {
        properties: {
          x: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['name'],
            items: { type: 'object' },
          },
        },
      },
      `${AT}.properties[x].x-kubernetes-list-map-keys[0]: Invalid value: "name": entries must all be names of item properties`,
    ],
    [
      'an embedded object without fields',
      { properties: { x: { type: 'object', 'x-kubernetes-embedded-resource': true } } },
      `${AT}.properties[x].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true`,
    ],
  ])('is refused with %s', (_name, root, problem) => {
    expect(problems(definition(root))).toEqual(expect.arrayContaining([expect.stringContaining(problem)]));
  });

  test('may have fields of any name', () => {
    const names = ['constructor', 'toString', 'hasOwnProperty', 'length', '$ref', 'a b', ''];
    const properties = Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
    const oneOf = [{ properties: { constructor: { minLength: 1 } } }];
    expect(problems(definition({ properties: { x: { type: 'object', properties, oneOf } } }))).toEqual([]);
    expect(problems(definition({ properties: { x: { type: 'object', oneOf } } }))).toHaveLength(1);
    const node = nodeOf({ type: 'object', properties });
    expect(unknownFields([node], { x: { constructor: 'a', valueOf: 'b' } }).map(({ path }) => path)).toEqual([
      'x.valueOf',
    ]);
  });

  test('may restrict names, take integers or texts, and combine', () => {
    const root = {
      properties: {
        metadata: { type: 'object', properties: { name: { type: 'string', maxLength: 5 } } },
        port: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
        any: { 'x-kubernetes-preserve-unknown-fields': true },
        spec: {
          type: 'object',
          properties: { a: { type: 'string' }, b: { type: 'string' } },
          oneOf: [{ required: ['a'] }, { required: ['b'] }],
        },
      },
    };
    expect(problems(definition(root))).toEqual([]);
  });

  test('of too many fields is refused in time', () => {
    const many = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`f${i}`, { type: 'string' }]));
    const began = performance.now();
    expect(problems(definition({ properties: many }))).toEqual([
      expect.stringContaining('the schema is too large: at most 50000 fields are allowed'),
    ]);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test('nested too deep is refused when it is read', () => {
    let schema: Json = { type: 'string' };
    for (let i = 0; i < 70; i++) schema = { type: 'object', properties: { a: schema } };
    const spec = { versions: [{ schema: { openAPIV3Schema: schema } }] };
    expect(fromJson(messageName, { spec }).issues).toEqual([
      expect.objectContaining({ message: 'nested deeper than 64 levels' }),
    ]);
  });
});

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

test('versions are preferred as Kubernetes prefers them', () => {
  const names = ['foo10', 'v11alpha2', 'v1', 'v3beta1', 'v10', 'foo1', 'v10beta3', 'v2', 'v12alpha1', 'v11beta2'];
  expect(names.sort(compareVersions)).toEqual([
    ...['v10', 'v2', 'v1', 'v11beta2', 'v10beta3', 'v3beta1', 'v12alpha1', 'v11alpha2', 'foo1', 'foo10'],
  ]);
});

describe('names', () => {
  const named = (plural: string, more: JsonObject = {}): Definition =>
    definition({}, (spec) => void Object.assign(spec, { names: { plural, kind: plural.toUpperCase(), ...more } }));
  const NOW = '2026-01-01T00:00:00Z';
  const first = acceptNames(
    { ...named('as', { shortNames: ['s'] }), metadata: { name: 'as' } },
    { taken: takenNames({}, [], []) },
    NOW,
  );

  test('that nobody has are given', () => {
    expect(first.status).toMatchObject({
      acceptedNames: { plural: 'as', shortNames: ['s'] },
      conditions: [
        { type: 'NamesAccepted', status: 'True' },
        { type: 'Established', status: 'True' },
      ],
      storedVersions: ['v1'],
    });
  });

  test.each<[string, JsonObject, string]>([
    ['a short name', { shortNames: ['s'] }, 'ShortNamesConflict'],
    ['a short name that is a plural there', { shortNames: ['as'] }, 'ShortNamesConflict'],
    ['a kind', { kind: 'AS', listKind: 'Others' }, 'KindConflict'],
    ['a singular', { singular: 'as' }, 'SingularConflict'],
  ])('that another of the group has are not: %s', (_name, more, reason) => {
    const second = { ...named('bs', more), metadata: { name: 'bs' } };
    const { status } = acceptNames(second, { taken: takenNames(second, [first], []) }, NOW);
    expect(status?.conditions).toMatchObject([
      { status: 'False', reason },
      { status: 'False', reason: 'NotAccepted' },
    ]);
  });

  test('once served, a kind stays so although a new name of it is taken', () => {
    const second = acceptNames({ ...named('bs'), metadata: { name: 'bs' } }, { taken: takenNames({}, [], []) }, NOW);
    const renamed = { ...named('bs', { shortNames: ['s'] }), metadata: { name: 'bs' }, status: second.status };
    const { status } = acceptNames(renamed, { taken: takenNames(renamed, [first], []) }, '2027-01-01T00:00:00Z');
    expect(status?.conditions).toMatchObject([
      { status: 'False', lastTransitionTime: '2027-01-01T00:00:00Z' },
      { status: 'True', lastTransitionTime: NOW },
    ]);
  });
});

test('of two kinds that were given one name at the same moment, the older keeps it', () => {
  const made = (name: string): Definition =>
    acceptNames(
      {
        ...definition({}, (spec) => void Object.assign(spec, { names: { plural: name, kind: 'Same' } })),
        metadata: { name },
      },
      { taken: takenNames({}, [], []) },
      '2026-01-01T00:00:00Z',
    );
  const [first, second] = [made('as'), made('bs')];
  const again = (one: Definition, other: Definition): Definition => {
    const older = isOlder(other, one) ? { older: takenNames(one, [other], []) } : {};
    return acceptNames(one, { taken: takenNames(one, [other], []), ...older }, '2026-01-01T00:00:01Z');
  };
  expect(again(first, second).status).toEqual(first.status);
  expect(again(second, first).status).toMatchObject({
    acceptedNames: { plural: 'bs' },
    conditions: [
      { status: 'False', reason: 'ListKindConflict' },
      { status: 'False', reason: 'NotAccepted' },
    ],
  });
});

describe('the definitions made of it', () => {
  test('read any version that is stored as the one asked for', () => {
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const object = definition({}, (spec) => {
      spec.versions = [
        { name: 'v1beta1', served: true, storage: true, schema },
        { name: 'v1', served: true, schema },
        { name: 'v2alpha1', served: false, schema },
      ];
    });
    const made = customDefinitions(object);
    expect(made.map(({ type, storedAs }) => [type.version, storedAs?.type.version])).toEqual([
      ['v1', 'v1beta1'],
      ['v1beta1', undefined],
    ]);
    const bytes = made[1]?.type.message.encode({ apiVersion: 'x.example.com/v1beta1', kind: 'Thing', a: 1 }).finish();
    expect(made[0]?.type.message.decode(bytes ?? new Uint8Array())).toMatchObject({
      apiVersion: 'x.example.com/v1',
      a: 1,
    });
  });

  test('are none when no version is served, but for the deletion of what is there', () => {
    const object = definition({}, (spec) => {
      spec.versions = [{ name: 'v1', storage: true, schema: { openAPIV3Schema: { type: 'object' } } }];
    });
    expect(customDefinitions(object)).toEqual([]);
    object.metadata = { ...object.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
    expect(customDefinitions(object)).toMatchObject([{ custom: { terminating: true } }]);
  });
});
