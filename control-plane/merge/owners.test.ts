import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../proto/index.ts';
import { isEmptySet } from './field-set.ts';
import { fromFieldsV1, printPath, toFieldsV1 } from './fields-v1.ts';
import { mergeConfig } from './merge-config.ts';
import { applyOwned, capUpdates, isSameOwnership, type Owner, updateOwned } from './owners.ts';
import { messageNode, unknownNode } from './schema-node.ts';

const DEPLOYMENT = messageNode('skiff.apps.v1.Deployment');
const POD = messageNode('skiff.core.v1.Pod');
const NOW = '2026-01-02T03:04:05Z';
const EARLIER = '2026-01-01T00:00:00Z';

const owner = (manager: string, fields: JsonObject, more: Partial<Owner> = {}): Owner => ({
  manager,
  operation: 'Apply',
  apiVersion: 'apps/v1',
  subresource: '',
  time: EARLIER,
  fields: fromFieldsV1(fields) ?? expect.fail('no set'),
  ...more,
});
const updater = (manager: string, fields: JsonObject, more: Partial<Owner> = {}): Owner =>
  owner(manager, fields, { operation: 'Update', ...more });
const shown = (owners: readonly Owner[]): JsonObject =>
  Object.fromEntries(owners.map(({ manager, fields }) => [manager, toFieldsV1(fields)]));
const containers = (...list: Json[]): JsonObject => ({ spec: { containers: list } });
const spec = (fields: JsonObject): JsonObject => ({ 'f:spec': fields });

describe('the merge of server-side apply', () => {
  const named = (...names: string[]): Json[] => names.map((name) => ({ name }));
  it.each<[live: string, config: string, result: string]>([
    ['', 'a b', 'a b'],
    ['a b', '', 'a b'],
    ['a b c', 'x b', 'a x b c'],
    ['a b', 'x', 'a b x'],
    ['a b', 'b a', 'b a'],
    ['a x b', 'b a', 'x b a'],
    ['a b c d', 'd b', 'a c d b'],
    ['b x a', 'a b', 'x a b'],
    ['a b', 'a x b', 'a x b'],
    ['a a b', 'a', 'a b'],
    ['a a b', 'b', 'a a b'],
  ])('of the elements %j with %j is %j', (live, config, result) => {
    const words = (text: string): string[] => text.split(' ').filter(Boolean);
    const merged = mergeConfig(POD, containers(...named(...words(live))), containers(...named(...words(config))));
    expect(merged).toEqual(containers(...named(...words(result))));
    const sets = mergeConfig(
      POD,
      { metadata: { finalizers: words(live) } },
      { metadata: { finalizers: words(config) } },
    );
    expect(sets).toEqual({ metadata: { finalizers: words(result) } });
  });

  it.each<[title: string, live: JsonObject, config: JsonObject, result: JsonObject]>([
    ['replaces leaves', { spec: { hostname: 'a' } }, { spec: { hostname: 'b' } }, { spec: { hostname: 'b' } }],
    [
      'keeps what is not named',
      { spec: { hostname: 'a' } },
      { spec: { subdomain: 'b' } },
      { spec: { hostname: 'a', subdomain: 'b' } },
    ],
    ['unsets what is null', { spec: { hostname: 'a' } }, { spec: { hostname: null } }, { spec: {} }],
    [
      'replaces atomic lists',
      { spec: { tolerations: [{ key: 'a' }] } },
      { spec: { tolerations: [{ key: 'b' }] } },
      { spec: { tolerations: [{ key: 'b' }] } },
    ],
    [
      'merges inside elements',
      containers({ name: 'a', image: 'i' }),
      containers({ name: 'a', tty: true }),
      containers({ name: 'a', image: 'i', tty: true }),
    ],
    ['keeps no null in new elements', {}, containers({ name: 'a', image: null }), containers({ name: 'a' })],
    [
      'leaves a filled object where it is named empty',
      { spec: { securityContext: { runAsUser: 1 } } },
      { spec: { securityContext: {} } },
      { spec: { securityContext: { runAsUser: 1 } } },
    ],
    [
      'keeps the keys __proto__ and constructor apart',
      { data: {} },
      JSON.parse('{"data":{"constructor":"x"}}') as JsonObject,
      JSON.parse('{"data":{"constructor":"x"}}') as JsonObject,
    ],
  ])('%s', (_title, live, config, result) => {
    const before = structuredClone(live);
    expect(mergeConfig(POD, live, config)).toEqual(result);
    expect(live).toEqual(before);
  });
});

interface ApplyCase {
  readonly title: string;
  readonly live: JsonObject;
  readonly config: JsonObject;
  readonly owners: readonly Owner[];
  readonly force?: boolean;
  readonly object?: JsonObject;
  readonly after?: JsonObject;
  readonly conflicts?: readonly string[];
}

describe('an apply', () => {
  const cases: readonly ApplyCase[] = [
    {
      title: 'by the first manager owns what it names',
      live: {},
      config: { spec: { replicas: 1 } },
      owners: [],
      object: { spec: { replicas: 1 } },
      after: { me: spec({ 'f:replicas': {} }) },
    },
    {
      title: 'that names no field owns nothing',
      live: {},
      config: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x', namespace: 'y' } },
      owners: [],
      object: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x', namespace: 'y' } },
      after: {},
    },
    {
      title: 'removes what it owned and names no longer',
      live: { spec: { replicas: 1, paused: true } },
      config: { spec: { replicas: 1 } },
      owners: [owner('me', spec({ 'f:replicas': {}, 'f:paused': {} }))],
      object: { spec: { replicas: 1 } },
      after: { me: spec({ 'f:replicas': {} }) },
    },
    {
      title: 'keeps what somebody else owns too',
      live: { spec: { replicas: 1 } },
      config: {},
      owners: [owner('me', spec({ 'f:replicas': {} })), updater('hpa', spec({ 'f:replicas': {} }))],
      object: { spec: { replicas: 1 } },
      after: { hpa: spec({ 'f:replicas': {} }) },
    },
    {
      title: 'keeps what nobody owns',
      live: { spec: { replicas: 1, paused: true } },
      config: { spec: { minReadySeconds: 1 } },
      owners: [owner('me', spec({ 'f:replicas': {} }))],
      object: { spec: { minReadySeconds: 1, paused: true } },
      after: { me: spec({ 'f:minReadySeconds': {} }) },
    },
    {
      title: 'never takes along the identity of the object',
      live: { metadata: { name: 'x', uid: 'u', labels: { a: '1' } } },
      config: { metadata: { name: 'x' } },
      owners: [owner('me', { 'f:metadata': { 'f:labels': { 'f:a': {} } } })],
      object: { metadata: { name: 'x', uid: 'u' } },
      after: {},
    },
    {
      title: 'takes along what nobody owns inside an object that goes',
      live: { spec: { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } }, replicas: 1 } },
      config: { spec: { replicas: 1 } },
      owners: [owner('me', spec({ 'f:replicas': {}, 'f:strategy': { 'f:type': {} } }))],
      object: { spec: { replicas: 1 } },
      after: { me: spec({ 'f:replicas': {} }) },
    },
    {
      title: 'leaves an object in which somebody else owns a field',
      live: { spec: { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } } },
      config: {},
      owners: [
        owner('me', spec({ 'f:strategy': { 'f:type': {} } })),
        owner('you', spec({ 'f:strategy': { 'f:rollingUpdate': { 'f:maxSurge': {} } } })),
      ],
      object: { spec: { strategy: { rollingUpdate: { maxSurge: 1 } } } },
      after: { you: spec({ 'f:strategy': { 'f:rollingUpdate': { 'f:maxSurge': {} } } }) },
    },
    {
      title: 'conflicts with another value of another owner',
      live: { spec: { replicas: 1 } },
      config: { spec: { replicas: 2 } },
      owners: [owner('you', spec({ 'f:replicas': {} })), updater('hpa', spec({ 'f:replicas': {} }))],
      conflicts: ['you .spec.replicas', 'hpa .spec.replicas'],
    },
    {
      title: 'with force takes over',
      live: { spec: { replicas: 1 } },
      config: { spec: { replicas: 2 } },
      owners: [owner('you', spec({ 'f:replicas': {}, 'f:paused': {} }))],
      force: true,
      object: { spec: { replicas: 2 } },
      after: { you: spec({ 'f:paused': {} }), me: spec({ 'f:replicas': {} }) },
    },
    {
      title: 'of the value there is shares it',
      live: { spec: { replicas: 1 } },
      config: { spec: { replicas: 1 } },
      owners: [owner('you', spec({ 'f:replicas': {} }))],
      object: { spec: { replicas: 1 } },
      after: { you: spec({ 'f:replicas': {} }), me: spec({ 'f:replicas': {} }) },
    },
    {
      title: 'conflicts over an atomic object as a whole',
      live: { spec: { selector: { matchLabels: { a: '1' } } } },
      config: { spec: { selector: { matchLabels: { b: '1' } } } },
      owners: [owner('you', spec({ 'f:selector': {} }))],
      conflicts: ['you .spec.selector'],
    },
    {
      title: 'that unsets what another owns conflicts',
      live: { spec: { strategy: { rollingUpdate: { maxSurge: 1 } } } },
      config: { spec: { strategy: { type: 'Recreate', rollingUpdate: null } } },
      owners: [owner('you', spec({ 'f:strategy': { 'f:rollingUpdate': { 'f:maxSurge': {} } } }))],
      conflicts: ['you .spec.strategy.rollingUpdate.maxSurge'],
    },
    {
      title: 'that unsets what nobody owns keeps it unset for others',
      live: { spec: { strategy: { rollingUpdate: { maxSurge: 1 } } } },
      config: { spec: { strategy: { rollingUpdate: null } } },
      owners: [],
      object: { spec: { strategy: {} } },
      after: { me: spec({ 'f:strategy': { 'f:rollingUpdate': {} } }) },
    },
    {
      title: 'sets what another keeps unset only by force',
      live: { spec: {} },
      config: { spec: { minReadySeconds: 3 } },
      owners: [owner('you', spec({ 'f:minReadySeconds': {} }))],
      conflicts: ['you .spec.minReadySeconds'],
    },
    {
      title: 'has no conflict with its own last apply in another version',
      live: { spec: { replicas: 1 } },
      config: { spec: { replicas: 2 } },
      owners: [owner('me', spec({ 'f:replicas': {} }), { apiVersion: 'apps/v1beta1' })],
      object: { spec: { replicas: 2 } },
      after: { me: spec({ 'f:replicas': {} }) },
    },
    {
      title: 'conflicts with an update under its own name',
      live: { spec: { replicas: 1 } },
      config: { spec: { replicas: 2 } },
      owners: [updater('me', spec({ 'f:replicas': {} }))],
      conflicts: ['me .spec.replicas'],
    },
  ];
  it.each(cases)('$title', ({ live, config, owners, force = false, object, after, conflicts = [] }) => {
    const applier = { manager: 'me', operation: 'Apply', apiVersion: 'apps/v1', subresource: '' } as const;
    const outcome = applyOwned({ node: DEPLOYMENT, live, config, owners, applier, force });
    expect(outcome.conflicts.map((one) => `${one.owner.manager} ${printPath(one.path)}`)).toEqual(conflicts);
    if (conflicts.length > 0) return;
    expect(outcome.object).toEqual(object);
    expect(shown(outcome.owners)).toEqual(after);
  });

  const element = (fields: JsonObject): JsonObject => spec({ 'f:containers': { 'k:{"name":"a"}': fields } });
  it.each<ApplyCase>([
    {
      title: 'removes its element with what an update changed inside',
      live: containers({ name: 'a', image: 'x', tty: true }, { name: 'b' }),
      config: {},
      owners: [
        owner('me', element({ '.': {}, 'f:name': {} })),
        updater('you', element({ 'f:image': {} })),
        updater('other', spec({ 'f:containers': { 'k:{"name":"b"}': { '.': {}, 'f:name': {} } } })),
      ],
      object: containers({ name: 'b' }),
      after: { other: spec({ 'f:containers': { 'k:{"name":"b"}': { '.': {}, 'f:name': {} } } }) },
    },
    {
      title: 'keeps an element that another applies, without its own fields in it',
      live: containers({ name: 'a', image: 'x', tty: true }),
      config: {},
      owners: [
        owner('me', element({ '.': {}, 'f:name': {}, 'f:tty': {} })),
        owner('you', element({ '.': {}, 'f:name': {}, 'f:image': {} })),
      ],
      object: containers({ name: 'a', image: 'x' }),
      after: { you: element({ '.': {}, 'f:name': {}, 'f:image': {} }) },
    },
    {
      title: 'removes its members of sets only',
      live: { metadata: { finalizers: ['a', 'b', 'c'] } },
      config: { metadata: { finalizers: ['c'] } },
      owners: [
        owner('me', { 'f:metadata': { 'f:finalizers': { 'v:"a"': {}, 'v:"b"': {} } } }),
        owner('you', { 'f:metadata': { 'f:finalizers': { 'v:"b"': {} } } }),
      ],
      object: { metadata: { finalizers: ['b', 'c'] } },
      after: {
        you: { 'f:metadata': { 'f:finalizers': { 'v:"b"': {} } } },
        me: { 'f:metadata': { 'f:finalizers': { 'v:"c"': {} } } },
      },
    },
    {
      title: 'removes the map with its last key from whoever made the map, too',
      live: { metadata: { name: 'x', labels: { a: '1' } } },
      config: { metadata: { name: 'x' } },
      owners: [
        owner('me', { 'f:metadata': { 'f:labels': { 'f:a': {} } } }),
        updater('you', { 'f:metadata': { 'f:labels': { '.': {} } } }),
      ],
      object: { metadata: { name: 'x' } },
      after: {},
    },
    {
      title: 'removes the map with its last key',
      live: { metadata: { labels: { a: '1' } } },
      config: {},
      owners: [owner('me', { 'f:metadata': { 'f:labels': { 'f:a': {} } } })],
      object: {},
      after: {},
    },
  ])('$title', ({ live, config, owners, object, after }) => {
    const applier = { manager: 'me', operation: 'Apply', apiVersion: 'apps/v1', subresource: '' } as const;
    const outcome = applyOwned({ node: POD, live, config, owners, applier, force: false });
    expect(outcome.conflicts).toEqual([]);
    expect(outcome.object).toEqual(object);
    expect(shown(outcome.owners)).toEqual(after);
  });

  it('works on what no schema describes', () => {
    const applier = { manager: 'me', operation: 'Apply', apiVersion: 'a/v1', subresource: '' } as const;
    const config = { spec: { a: { x: 1 }, list: [1, 2] } };
    const owners = [owner('me', { 'f:spec': { '.': {}, 'f:gone': {} } }, { apiVersion: 'a/v1' })];
    const live = { spec: { a: { y: 2 }, gone: true, list: [3] } };
    const { object } = applyOwned({ node: unknownNode, live, config, owners, applier, force: false });
    expect(object).toEqual({ spec: { a: { x: 1, y: 2 }, list: [1, 2] } });
  });
});

describe('an update', () => {
  const update = (before: JsonObject, after: JsonObject, owners: readonly Owner[], subresource = ''): Owner[] =>
    updateOwned({
      node: DEPLOYMENT,
      before,
      after,
      owners,
      updater: { manager: 'me', operation: 'Update', apiVersion: 'apps/v1', subresource },
      now: NOW,
    });

  it('moves what it changes, and drops entries that are empty', () => {
    const owners = [owner('you', spec({ 'f:replicas': {} }))];
    const after = update({ spec: { replicas: 1 } }, { spec: { replicas: 2 } }, owners);
    expect(shown(after)).toEqual({ me: spec({ 'f:replicas': {} }) });
    expect(after[0]?.time).toBe(NOW);
  });

  it('takes what it removes from everybody, itself included', () => {
    const owners = [
      owner('you', spec({ 'f:replicas': {}, 'f:paused': {} })),
      updater('me', spec({ 'f:paused': {}, 'f:minReadySeconds': {} })),
    ];
    const after = update(
      { spec: { replicas: 1, paused: true, minReadySeconds: 1 } },
      { spec: { replicas: 1, minReadySeconds: 1 } },
      owners,
    );
    expect(shown(after)).toEqual({ you: spec({ 'f:replicas': {} }), me: spec({ 'f:minReadySeconds': {} }) });
    expect(after.map(({ time }) => time)).toEqual([EARLIER, EARLIER]);
  });

  it('joins the entry of the same manager, subresource and version only', () => {
    const owners = [
      updater('me', spec({ 'f:paused': {} })),
      updater('me', { 'f:status': { 'f:replicas': {} } }, { subresource: 'status' }),
    ];
    const after = update({ spec: {} }, { spec: { replicas: 1 } }, owners);
    expect(after.map(({ subresource, fields }) => [subresource, toFieldsV1(fields)])).toEqual([
      ['status', { 'f:status': { 'f:replicas': {} } }],
      ['', spec({ 'f:paused': {}, 'f:replicas': {} })],
    ]);
  });

  it('that changes nothing changes no owner, nor does what only the server sets', () => {
    const owners = [owner('you', spec({ 'f:replicas': {} }))];
    const before = { metadata: { generation: 1, resourceVersion: '1' }, spec: { replicas: 1 } };
    const after = update(before, { ...before, metadata: { generation: 2, resourceVersion: '2' } }, owners);
    expect(isSameOwnership(after, owners)).toBe(true);
    expect(after[0]?.time).toBe(EARLIER);
  });

  it('keeps ten entries of updates apart, and merges older ones per version', () => {
    const many = Array.from({ length: 12 }, (_, i) =>
      updater(`m${i}`, spec({ [`f:x${i}`]: {} }), { time: `2026-01-01T00:00:${String(i).padStart(2, '0')}Z` }),
    );
    const capped = capUpdates([owner('applier', spec({ 'f:a': {} })), ...many]);
    expect(capped.filter(({ operation }) => operation === 'Update')).toHaveLength(10);
    const ancient = capped.find(({ manager }) => manager === 'ancient-changes');
    expect(toFieldsV1(ancient?.fields ?? expect.fail('none'))).toEqual(spec({ 'f:x0': {}, 'f:x1': {}, 'f:x2': {} }));
    expect(ancient?.time).toBe('2026-01-01T00:00:02Z');
    const more = capUpdates([...capped, updater('later', spec({ 'f:y': {} }), { time: NOW })]);
    expect(more.filter(({ operation }) => operation === 'Update')).toHaveLength(10);
    expect(more.filter(({ manager }) => manager === 'ancient-changes')).toHaveLength(1);
    const mixed = many.map((one, i) => ({ ...one, apiVersion: i === 0 ? 'old/v1' : 'apps/v1' }));
    expect(capUpdates(mixed).find(({ manager }) => manager === 'm0')).toBeDefined();
    expect(capUpdates(mixed.slice(0, 10))).toHaveLength(10);
    expect(capUpdates(mixed).some(({ fields }) => isEmptySet(fields))).toBe(false);
  });
});
