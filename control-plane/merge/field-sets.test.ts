import { describe, expect, it } from 'vitest';
import { allKinds, type Json, type JsonObject, messageSchema } from '../../proto/index.ts';
import { canonicalConfig, configProblems } from './apply-config.ts';
import { ATOMIC_FIELDS, ATOMIC_MESSAGES } from './atomic-types.ts';
import { compareFields } from './compare-fields.ts';
import {
  difference,
  emptySet,
  equalSets,
  type FieldSet,
  intersection,
  isEmptySet,
  pathSet,
  pathsOf,
  union,
  within,
} from './field-set.ts';
import { fieldSetOf } from './field-set-of.ts';
import { fromFieldsV1, printPath, toFieldsV1 } from './fields-v1.ts';
import { leafNode, mapNode, messageNode, objectNode, type SchemaNode, unknownNode } from './schema-node.ts';

const DEPLOYMENT = messageNode('skiff.apps.v1.Deployment');
const POD = messageNode('skiff.core.v1.Pod');
const SERVICE = messageNode('skiff.core.v1.Service');
const CONFIG_MAP = messageNode('skiff.core.v1.ConfigMap');

const set = (fields: JsonObject): FieldSet => fromFieldsV1(fields) ?? expect.fail(`no set: ${JSON.stringify(fields)}`);

describe('the fields of a configuration', () => {
  it.each<[title: string, node: SchemaNode, config: JsonObject, fields: JsonObject]>([
    ['scalars, not the objects around them', DEPLOYMENT, { spec: { replicas: 2 } }, { 'f:spec': { 'f:replicas': {} } }],
    [
      'an object without a word inside',
      POD,
      { spec: { securityContext: {} } },
      { 'f:spec': { 'f:securityContext': {} } },
    ],
    [
      'keys of maps',
      CONFIG_MAP,
      { metadata: { labels: { 'a/b': 'c' } }, data: { x: '' } },
      { 'f:data': { 'f:x': {} }, 'f:metadata': { 'f:labels': { 'f:a/b': {} } } },
    ],
    [
      'elements of lists by their keys, defaults filled in',
      POD,
      { spec: { containers: [{ name: 'a', ports: [{ containerPort: 80, name: 'http' }] }] } },
      {
        'f:spec': {
          'f:containers': {
            'k:{"name":"a"}': {
              '.': {},
              'f:name': {},
              'f:ports': {
                'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {}, 'f:name': {} },
              },
            },
          },
        },
      },
    ],
    [
      'ports of services by port and protocol',
      SERVICE,
      { spec: { ports: [{ port: 53, protocol: 'UDP' }] } },
      { 'f:spec': { 'f:ports': { 'k:{"port":53,"protocol":"UDP"}': { '.': {}, 'f:port': {}, 'f:protocol': {} } } } },
    ],
    [
      'elements of sets',
      POD,
      { metadata: { finalizers: ['a', 'b'] } },
      { 'f:metadata': { 'f:finalizers': { 'v:"a"': {}, 'v:"b"': {} } } },
    ],
    [
      'elements that are owned whole',
      POD,
      { metadata: { ownerReferences: [{ uid: 'u', kind: 'Job', name: 'j', apiVersion: 'batch/v1' }] } },
      { 'f:metadata': { 'f:ownerReferences': { 'k:{"uid":"u"}': {} } } },
    ],
    ['atomic lists', POD, { spec: { tolerations: [{ key: 'a' }] } }, { 'f:spec': { 'f:tolerations': {} } }],
    ['empty atomic lists', POD, { spec: { tolerations: [] } }, { 'f:spec': { 'f:tolerations': {} } }],
    ['no fields of an empty list of elements', POD, { spec: { containers: [] } }, {}],
    [
      'atomic objects',
      DEPLOYMENT,
      { spec: { selector: { matchLabels: { a: 'b' } } } },
      { 'f:spec': { 'f:selector': {} } },
    ],
    ['atomic maps', SERVICE, { spec: { selector: { a: 'b' } } }, { 'f:spec': { 'f:selector': {} } }],
    [
      'references',
      POD,
      { spec: { imagePullSecrets: [{ name: 'x' }] } },
      { 'f:spec': { 'f:imagePullSecrets': { 'k:{"name":"x"}': {} } } },
    ],
    ['what is to be unset', DEPLOYMENT, { spec: { replicas: null } }, { 'f:spec': { 'f:replicas': {} } }],
    [
      'objects of no known schema, lists in them whole',
      unknownNode,
      { spec: { a: { b: 1 }, list: [{ name: 'x' }] } },
      { 'f:spec': { '.': {}, 'f:a': { '.': {}, 'f:b': {} }, 'f:list': {} } },
    ],
    [
      'objects of another source of schema',
      objectNode((name) => (name === 'whole' ? leafNode : name === 'map' ? mapNode(leafNode) : undefined)),
      { whole: { a: 1 }, map: { a: { b: 1 } } },
      { 'f:map': { 'f:a': {} }, 'f:whole': {} },
    ],
  ])('are %s', (_title, node, config, fields) => {
    expect(toFieldsV1(fieldSetOf(node, config))).toEqual(fields);
  });

  it('name every atomic type of the schema', () => {
    for (const name of ATOMIC_MESSAGES) expect(messageSchema(name).fields.length).toBeGreaterThan(0);
    for (const path of ATOMIC_FIELDS) {
      const dot = path.lastIndexOf('.');
      expect(messageSchema(path.slice(0, dot)).byName.get(path.slice(dot + 1))?.cardinality).toBe('map');
    }
  });
});

describe('lists with keys', () => {
  it('name fields of their elements, in every kind', () => {
    const seen = new Set<string>();
    const walk = (name: string): void => {
      if (seen.has(name)) return;
      seen.add(name);
      for (const field of messageSchema(name).fields) {
        if (!field.isMessage) continue;
        if (field.list === 'map') {
          const known = field.mergeKeys.filter((key) => messageSchema(field.type).byName.has(key));
          expect([`${name}.${field.name}`, known]).toEqual([`${name}.${field.name}`, field.mergeKeys]);
          expect(field.mergeKeys).not.toEqual([]);
        }
        walk(field.type);
      }
    };
    for (const { messageName } of allKinds()) walk(messageName);
    expect(seen.size).toBeGreaterThan(100);
  });
});

describe('FieldsV1', () => {
  it.each<[fields: JsonObject]>([
    [{}],
    [{ 'f:a': {} }],
    [{ 'f:a': { '.': {}, 'f:b': {} } }],
    [{ 'f:a': { 'k:{"a":1,"b":"x"}': { '.': {}, 'f:a': {} }, 'v:true': {}, 'i:3': {} } }],
  ])('of %j reads as it was written', (fields) => {
    expect(toFieldsV1(set(fields))).toEqual(fields);
  });

  it('has one form for equal sets', () => {
    expect(toFieldsV1(set({ 'f:b': {}, 'f:a': { 'k:{"b":1,"a":2}': {} } }))).toEqual({
      'f:a': { 'k:{"a":2,"b":1}': {} },
      'f:b': {},
    });
    expect(toFieldsV1(set({ 'f:a': { '.': {} } }))).toEqual({ 'f:a': {} });
  });

  it.each<[fields: Json]>([
    [null],
    [[]],
    ['x'],
    [{ a: {} }],
    [{ 'f:a': 1 }],
    [{ 'k:x': {} }],
    [{ 'v:': {} }],
    [{ 'i:x': {} }],
  ])('is not %j', (fields) => {
    expect(fromFieldsV1(fields)).toBeUndefined();
  });

  it.each<[fields: JsonObject, paths: string[]]>([
    [{ 'f:spec': { '.': {}, 'f:replicas': {} } }, ['.spec', '.spec.replicas']],
    [
      { 'f:a': { 'k:{"containerPort":80,"protocol":"TCP"}': { 'f:name': {} } } },
      ['.a[containerPort=80,protocol="TCP"].name'],
    ],
    [{ 'f:finalizers': { 'v:"x"': {}, 'i:0': {} } }, ['.finalizers[0]', '.finalizers[="x"]']],
    [{ 'f:labels': { 'f:app.kubernetes.io/name': {} } }, ['.labels.app.kubernetes.io/name']],
  ])('of %j prints as %j', (fields, paths) => {
    expect(pathsOf(set(fields)).map(printPath)).toEqual(paths);
  });
});

describe('sets of fields', () => {
  const a = set({ 'f:x': { '.': {}, 'f:y': {} }, 'f:z': {} });
  const b = set({ 'f:x': { 'f:y': {}, 'f:w': {} } });

  it('join, meet and subtract path by path', () => {
    expect(toFieldsV1(union(a, b))).toEqual({ 'f:x': { '.': {}, 'f:w': {}, 'f:y': {} }, 'f:z': {} });
    expect(toFieldsV1(intersection(a, b))).toEqual({ 'f:x': { 'f:y': {} } });
    expect(toFieldsV1(difference(a, b))).toEqual({ 'f:x': {}, 'f:z': {} });
    expect(toFieldsV1(within(b, set({ 'f:x': {} })))).toEqual({ 'f:x': { 'f:w': {}, 'f:y': {} } });
    expect(toFieldsV1(within(b, pathSet(['f:x', 'f:w'])))).toEqual({ 'f:x': { 'f:w': {} } });
  });

  it('know when they are equal or empty', () => {
    expect(equalSets(a, union(a, intersection(a, b)))).toBe(true);
    expect(equalSets(a, b)).toBe(false);
    expect(isEmptySet(difference(a, union(a, b)))).toBe(true);
    expect(equalSets(difference(a, a), emptySet)).toBe(true);
  });
});

describe('changes of fields', () => {
  interface Case {
    readonly title: string;
    readonly before: JsonObject;
    readonly after: JsonObject;
    readonly added?: JsonObject;
    readonly modified?: JsonObject;
    readonly removed?: JsonObject;
  }
  const web = { name: 'web', image: 'a' };
  const pod = (...containers: JsonObject[]): JsonObject => ({ spec: { containers } });
  it.each<Case>([
    { title: 'none', before: pod(web), after: pod({ image: 'a', name: 'web' }) },
    {
      title: 'a value',
      before: pod(web),
      after: pod({ ...web, image: 'b' }),
      modified: { 'f:spec': { 'f:containers': { 'k:{"name":"web"}': { 'f:image': {} } } } },
    },
    {
      title: 'an element with all that is in it',
      before: pod(web),
      after: pod({ name: 'log' }, web),
      added: { 'f:spec': { 'f:containers': { 'k:{"name":"log"}': { '.': {}, 'f:name': {} } } } },
    },
    { title: 'no order of elements', before: pod(web, { name: 'b' }), after: pod({ name: 'b' }, web) },
    {
      title: 'an object that goes',
      before: { spec: { securityContext: { runAsUser: 1 } } },
      after: { spec: {} },
      removed: { 'f:spec': { 'f:securityContext': { '.': {}, 'f:runAsUser': {} } } },
    },
    {
      title: 'an atomic list as a whole',
      before: { spec: { tolerations: [{ key: 'a' }] } },
      after: { spec: { tolerations: [] } },
      modified: { 'f:spec': { 'f:tolerations': {} } },
    },
    {
      title: 'members of sets',
      before: { metadata: { finalizers: ['a', 'b'] } },
      after: { metadata: { finalizers: ['b', 'c'] } },
      added: { 'f:metadata': { 'f:finalizers': { 'v:"c"': {} } } },
      removed: { 'f:metadata': { 'f:finalizers': { 'v:"a"': {} } } },
    },
    { title: 'null as absence', before: { spec: { hostname: null } }, after: { spec: {} } },
  ])('$title', ({ before, after, added = {}, modified = {}, removed = {} }) => {
    const changes = compareFields(POD, before, after);
    expect(
      Object.fromEntries(Object.entries(changes).map(([key, value]) => [key, toFieldsV1(value as FieldSet)])),
    ).toEqual({
      added,
      modified,
      removed,
    });
  });

  it('in a value that becomes of another form', () => {
    const { added, modified, removed } = compareFields(unknownNode, { a: { b: 1 } }, { a: [1] });
    expect([added, modified, removed].map(toFieldsV1)).toEqual([{}, { 'f:a': {} }, { 'f:a': { 'f:b': {} } }]);
  });
});

describe('a configuration', () => {
  const canonical = {
    spec: { replicas: 0, minReadySeconds: 5, template: { spec: { containers: [{ name: 'a', resources: {} }] } } },
  };

  it.each<[title: string, named: JsonObject, result: JsonObject]>([
    ['keeps only what was named', { spec: { replicas: 0 } }, { spec: { replicas: 0 } }],
    ['takes the canonical values', { spec: { minReadySeconds: 5.0 } }, { spec: { minReadySeconds: 5 } }],
    [
      'unsets what is null or zero and stored as absent',
      { spec: { paused: false, strategy: null } },
      { spec: { paused: null, strategy: null } },
    ],
    ['says nothing with an empty map', { metadata: { labels: {} }, spec: {} }, { spec: {} }],
    [
      'pairs elements by place',
      { spec: { template: { spec: { containers: [{ name: 'a' }] } } } },
      { spec: { template: { spec: { containers: [{ name: 'a' }] } } } },
    ],
    [
      'unsets an empty atomic list',
      { spec: { template: { spec: { tolerations: [] } } } },
      { spec: { template: { spec: { tolerations: null } } } },
    ],
  ])('%s', (_title, named, result) => {
    expect(canonicalConfig(DEPLOYMENT, named, canonical)).toEqual(result);
  });

  it.each<[config: JsonObject, problems: string[]]>([
    [{ spec: { containers: [{ name: 'a' }, { name: 'b' }] } }, []],
    [
      { spec: { containers: [{ name: 'a' }, { name: 'a' }] } },
      ['.spec.containers: duplicate entries for key [name="a"]'],
    ],
    [
      { spec: { containers: [{ image: 'a' }] } },
      [
        '.spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn\'t have default value)',
      ],
    ],
    [
      { spec: { containers: [{ name: 'a', ports: [{ containerPort: 1 }, { containerPort: 1, protocol: 'TCP' }] }] } },
      ['.spec.containers[name="a"].ports: duplicate entries for key [containerPort=1,protocol="TCP"]'],
    ],
    [{ metadata: { finalizers: ['a', 'a'] } }, ['.metadata.finalizers: duplicate entries for key [="a"]']],
  ])('%j has the problems %j', (config, problems) => {
    expect(configProblems(POD, config)).toEqual(problems);
  });
});
