import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../proto/index.ts';
import { messageJson } from './schema-arbitrary.ts';
import { strategicMergePatch } from './strategic-merge.ts';
import { applyThreeWay } from './three-way-apply.ts';

const DEPLOYMENT = 'skiff.apps.v1.Deployment';
const POD = 'skiff.core.v1.Pod';

const c = (name: string, more: JsonObject = {}): JsonObject => ({ name, ...more });
const podWith = (containers: Json[]): Json => ({ spec: { containers } });
const deployment = (spec: JsonObject): Json => ({ spec });

interface Case {
  readonly title: string;
  readonly messageName?: string;
  readonly lastApplied: Json;
  readonly live: Json;
  readonly modified: Json;
  readonly result: Json;
}

const CASES: readonly Case[] = [
  {
    title: 'a field set by the file is set',
    lastApplied: { spec: { hostname: 'a' } },
    live: { spec: { hostname: 'a', dnsPolicy: 'ClusterFirst' } },
    modified: { spec: { hostname: 'b' } },
    result: { spec: { hostname: 'b', dnsPolicy: 'ClusterFirst' } },
  },
  {
    title: 'a field gone from the file is removed',
    lastApplied: { spec: { hostname: 'a', subdomain: 's' } },
    live: { spec: { hostname: 'a', subdomain: 's' } },
    modified: { spec: { hostname: 'a' } },
    result: { spec: { hostname: 'a' } },
  },
  {
    title: 'a field that was never in a file stays',
    lastApplied: { metadata: { labels: { a: '1' } } },
    live: { metadata: { labels: { a: '1', other: '2' }, uid: 'u' } },
    modified: { metadata: { labels: { a: '2' } } },
    result: { metadata: { labels: { a: '2', other: '2' }, uid: 'u' } },
  },
  {
    title: 'a map gone from the file goes whole',
    lastApplied: { metadata: { labels: { a: '1' } } },
    live: { metadata: { labels: { a: '1', other: '2' } } },
    modified: { metadata: {} },
    result: { metadata: {} },
  },
  {
    title: 'null in the file removes a live field',
    lastApplied: null,
    live: { spec: { hostname: 'a' }, metadata: { labels: { a: '1', b: '2' } } },
    modified: { spec: { hostname: null }, metadata: { labels: { a: null } } },
    result: { spec: {}, metadata: { labels: { b: '2' } } },
  },
  {
    title: 'null for what is not there is nothing',
    lastApplied: null,
    live: {},
    modified: { spec: { hostname: null, securityContext: { runAsUser: null, runAsGroup: 5 } } },
    result: { spec: { securityContext: { runAsGroup: 5 } } },
  },
  {
    title: 'containers merge by name',
    lastApplied: podWith([c('web', { image: 'a' })]),
    live: podWith([c('web', { image: 'a', imagePullPolicy: 'Always' })]),
    modified: podWith([c('web', { image: 'b' })]),
    result: podWith([c('web', { image: 'b', imagePullPolicy: 'Always' })]),
  },
  {
    title: 'a container gone from the file is removed, an injected one stays before the one it stood before',
    lastApplied: podWith([c('web'), c('old')]),
    live: podWith([c('injected'), c('web'), c('old')]),
    modified: podWith([c('new'), c('web')]),
    result: podWith([c('new'), c('injected'), c('web')]),
  },
  {
    title: 'the order of the file wins',
    lastApplied: podWith([c('a'), c('b')]),
    live: podWith([c('a'), c('b')]),
    modified: podWith([c('b'), c('a')]),
    result: podWith([c('b'), c('a')]),
  },
  {
    title: 'two ports of one number differ by protocol, whose default the file may leave out',
    lastApplied: null,
    live: podWith([
      c('dns', {
        ports: [
          { containerPort: 53, protocol: 'TCP', name: 't' },
          { containerPort: 53, protocol: 'UDP' },
        ],
      }),
    ]),
    modified: podWith([
      c('dns', { ports: [{ containerPort: 53, protocol: 'UDP', name: 'u' }, { containerPort: 53 }] }),
    ]),
    result: podWith([
      c('dns', {
        ports: [
          { containerPort: 53, protocol: 'UDP', name: 'u' },
          { containerPort: 53, protocol: 'TCP', name: 't' },
        ],
      }),
    ]),
  },
  {
    title: 'two variables of one name both stay',
    lastApplied: podWith([
      c('a', {
        env: [
          { name: 'X', value: '1' },
          { name: 'X', value: '2' },
        ],
      }),
    ]),
    live: podWith([
      c('a', {
        env: [
          { name: 'X', value: '1' },
          { name: 'X', value: '2' },
        ],
      }),
    ]),
    modified: podWith([
      c('a', {
        env: [
          { name: 'X', value: '1' },
          { name: 'X', value: '3' },
        ],
      }),
    ]),
    result: podWith([
      c('a', {
        env: [
          { name: 'X', value: '1' },
          { name: 'X', value: '3' },
        ],
      }),
    ]),
  },
  {
    title: 'a list without keys is replaced',
    lastApplied: podWith([c('a', { args: ['1', '2'] })]),
    live: podWith([c('a', { args: ['1', '2', '3'] })]),
    modified: podWith([c('a', { args: ['2'] })]),
    result: podWith([c('a', { args: ['2'] })]),
  },
  {
    title: 'a set keeps what others added',
    lastApplied: { metadata: { finalizers: ['x.io/a', 'x.io/b'] } },
    live: { metadata: { finalizers: ['x.io/other', 'x.io/a', 'x.io/b'] } },
    modified: { metadata: { finalizers: ['x.io/b', 'x.io/c'] } },
    result: { metadata: { finalizers: ['x.io/other', 'x.io/b', 'x.io/c'] } },
  },
  {
    title: 'another strategy drops the parameters of the first',
    messageName: DEPLOYMENT,
    lastApplied: deployment({ replicas: 1 }),
    live: deployment({
      replicas: 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    }),
    modified: deployment({ replicas: 1, strategy: { type: 'Recreate' } }),
    result: deployment({ replicas: 1, strategy: { type: 'Recreate' } }),
  },
  {
    title: 'naming the strategy there is changes nothing',
    messageName: DEPLOYMENT,
    lastApplied: null,
    live: deployment({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } } }),
    modified: deployment({ strategy: { type: 'RollingUpdate' } }),
    result: deployment({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } } }),
  },
  {
    title: 'another source replaces the one a volume had',
    lastApplied: { spec: { volumes: [{ name: 'v', emptyDir: {} }] } },
    live: { spec: { volumes: [{ name: 'v', emptyDir: {} }] } },
    modified: { spec: { volumes: [{ name: 'v', hostPath: { path: '/x' } }] } },
    result: { spec: { volumes: [{ name: 'v', hostPath: { path: '/x' } }] } },
  },
  {
    title: 'a count scaled by hand stays when the file never named one',
    messageName: DEPLOYMENT,
    lastApplied: deployment({ paused: true }),
    live: deployment({ paused: true, replicas: 7 }),
    modified: deployment({ paused: false }),
    result: deployment({ paused: false, replicas: 7 }),
  },
];

describe('apply', () => {
  it.each(CASES)('$title', ({ messageName = POD, lastApplied, live, modified, result }) => {
    expect(applyThreeWay(messageName, { lastApplied, live, modified })).toEqual(result);
  });

  it('changes none of its inputs', () => {
    for (const { messageName = POD, lastApplied, live, modified } of CASES) {
      const before = structuredClone({ lastApplied, live, modified });
      applyThreeWay(messageName, { lastApplied, live, modified });
      expect({ lastApplied, live, modified }).toEqual(before);
    }
  });
});

/** What the property tests draw: a whole object, and the parts of it that have every sort of list. */
const DRAWN = [
  DEPLOYMENT,
  'skiff.core.v1.PodSpec',
  'skiff.meta.v1.ObjectMeta',
  'skiff.apps.v1.DeploymentSpec',
] as const;
const RUNS = { numRuns: 300 };

describe('apply, of any file', () => {
  it.each(DRAWN)('changes nothing the second time: %s', (name) => {
    const file = messageJson(name, { depth: 5 });
    const foreign = messageJson(name, { depth: 5, prefix: 'foreign-' });
    fc.assert(
      fc.property(file, foreign, (modified, others) => {
        const live = applyThreeWay(name, { lastApplied: null, live: others, modified });
        expect(applyThreeWay(name, { lastApplied: modified, live, modified })).toEqual(live);
      }),
      RUNS,
    );
  });

  it.each(DRAWN)('leaves exactly the new file when nobody else wrote, without what it no longer names: %s', (name) => {
    const file = messageJson(name, { depth: 5 });
    fc.assert(
      fc.property(file, file, (lastApplied, modified) => {
        const live = applyThreeWay(name, { lastApplied: null, live: {}, modified: lastApplied });
        expect(applyThreeWay(name, { lastApplied, live, modified })).toEqual(modified);
      }),
      RUNS,
    );
  });

  it('keeps what others wrote beside it', () => {
    const spec = 'skiff.core.v1.PodSpec';
    const keyed = { depth: 4, skip: (f: { retainKeys: boolean }) => f.retainKeys };
    const named = messageJson(spec, keyed).map(
      (s): JsonObject => ({ ...s, containers: s.containers ?? [], nodeSelector: s.nodeSelector ?? {} }),
    );
    const others = messageJson(spec, { ...keyed, prefix: 'foreign-' });
    fc.assert(
      fc.property(named, named, others, (lastApplied, modified, foreignSpec) => {
        const live = applyThreeWay(spec, { lastApplied: null, live: foreignSpec, modified: lastApplied });
        const result = applyThreeWay(spec, { lastApplied, live, modified }) as JsonObject;
        expect(result.containers ?? []).toEqual(expect.arrayContaining((foreignSpec.containers ?? []) as Json[]));
        expect(result.nodeSelector ?? {}).toEqual(
          expect.objectContaining((foreignSpec.nodeSelector ?? {}) as JsonObject),
        );
        for (const [key, value] of Object.entries(foreignSpec)) {
          if (!Object.hasOwn(lastApplied, key) && !Object.hasOwn(modified, key)) expect(result[key]).toEqual(value);
        }
      }),
      RUNS,
    );
  });

  it('sets what a strategic patch of the same text sets', () => {
    const plain = messageJson(POD, { depth: 5, skip: (f) => f.retainKeys || f.list !== 'atomic' });
    fc.assert(
      fc.property(plain, plain, (live, modified) => {
        const applied = applyThreeWay(POD, { lastApplied: null, live, modified });
        expect(strategicMergePatch(POD, live, modified)).toEqual(applied);
      }),
      RUNS,
    );
  });
});
