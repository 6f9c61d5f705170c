import { describe, expect, test } from 'vitest';
import { fromJson, type Json, type JsonObject, KINDS } from '../../../proto/index.ts';
import { unknownFields } from './known-fields.ts';
import { definition, nodeOf, problems } from './test-definitions.ts';

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
    expect(fromJson(KINDS.CustomResourceDefinition.messageName, { spec }).issues).toEqual([
      expect.objectContaining({ message: 'nested deeper than 64 levels' }),
    ]);
  });
});
