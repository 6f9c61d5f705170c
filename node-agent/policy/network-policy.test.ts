/** When policies are looked at, brought into force, and waited for. */
import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aborted } from '../../lib/aborted.ts';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { FakeClock, systemClock } from '../../lib/clock.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { type ClusterView, clusterView } from '../features/cluster-view.ts';
import type { NodeFeature } from '../features/node-feature.ts';
import { TrackedElements } from '../rules/elements.ts';
import type { Elements, ElementsType, RuleTable } from '../rules/rule-table.ts';
import { createNetworkPolicy } from './network-policy.ts';

/** Records what is wanted; a commit waits until it is let through. */
class FakeTable implements RuleTable {
  readonly name = 'fake';
  readonly chains = new Map<string, readonly string[]>();
  readonly collections = new Map<string, Elements>();
  commits = 0;
  hold: Promise<void> | undefined;
  failure: Error | undefined;

  map(name: string, type: ElementsType): Elements {
    return this.#declare('map', name, type);
  }
  set(name: string, type: ElementsType): Elements {
    return this.#declare('set', name, type);
  }
  chain(name: string, rules: readonly string[]): void {
    this.chains.set(name, rules);
  }
  remove(kind: 'chain' | 'map' | 'set', name: string): void {
    (kind === 'chain' ? this.chains : this.collections).delete(name);
  }
  async commit(signal?: AbortSignal): Promise<void> {
    const { hold } = this;
    if (hold !== undefined && signal !== undefined) await Promise.race([hold, aborted(signal)]);
    signal?.throwIfAborted();
    if (this.failure !== undefined) throw this.failure;
    this.commits += 1;
  }
  listDynamic(): Promise<readonly (readonly [string, string])[]> {
    return Promise.resolve([]);
  }
  deleteDynamic(): Promise<void> {
    return Promise.resolve();
  }
  settled(): void {
    throw new Error('not for features');
  }
  teardown(): Promise<void> {
    return Promise.resolve();
  }
  guarded(): string[] {
    return [...(this.collections.get('pol_in_pods')?.keys() ?? [])];
  }

  #declare(kind: 'map' | 'set', name: string, type: ElementsType): Elements {
    const elements = this.collections.get(name) ?? new TrackedElements(kind, type, () => undefined);
    this.collections.set(name, elements);
    return elements;
  }
}

let client: MemoryResourceClient;
let clock: FakeClock;
let table: FakeTable;
let view: ClusterView;
let feature: NodeFeature;
let stopping: AbortController;
let running: Promise<unknown>;
let errors: string[];
let changes: number;

function start(enter: readonly string[] = ['true']): void {
  view = clusterView({ client, clock: systemClock, log: { debug: () => undefined, warn: () => undefined } });
  const quiet = (): void => undefined;
  const log = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (_fields: object, text: string) => void errors.push(text),
  };
  feature = createNetworkPolicy({
    place: { name: 'n1', bridge: 'none0' },
    view,
    table,
    clock,
    log,
    enter,
    changed: () => {
      changes += 1;
    },
  });
  running = feature.run(stopping.signal);
}

beforeEach(() => {
  client = new MemoryResourceClient();
  clock = new FakeClock();
  table = new FakeTable();
  stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  errors = [];
  changes = 0;
});
afterEach(async () => {
  stopping.abort();
  await running;
  expect(clock.pendingTimers).toBe(0);
});

const follow = (): void => {
  running = Promise.all([running, view.run(stopping.signal)]);
};
const until = (what: () => boolean): Promise<void> => expect.poll(what, { interval: 2, timeout: 2_000 }).toBe(true);
const make = (name: string, spec: object = { nodeName: 'n1' }): Promise<corev1.Pod> =>
  client.create<corev1.Pod>(KINDS.Pod, { metadata: { namespace: 'shop', name, labels: { app: name } }, spec });
const addressed = (pod: corev1.Pod, ip: string): Promise<corev1.Pod> =>
  client.update(
    KINDS.Pod,
    { ...pod, status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] } },
    { subresource: 'status' },
  );
const guard = (app: string): Promise<unknown> =>
  client.create(KINDS.NetworkPolicy, {
    metadata: { namespace: 'shop', name: app },
    spec: { podSelector: { matchLabels: { app } } },
  } as object);

it('touches no rule before everything has been heard once', async () => {
  await guard('api');
  client.intercept(({ type }) => {
    if (type.kind === 'Namespace') throw new Error('not yet');
  });
  start();
  follow();
  await until(() => view.networkPolicies.hasSynced && view.peers.hasSynced);
  await clock.advance(300_000);
  expect([table.chains.size, table.collections.size, table.commits]).toEqual([0, 0, 0]);
});

it('a pod that nobody guards, with nobody guarded here, waits for nothing', async () => {
  await guard('api');
  start();
  follow();
  await until(() => table.commits > 0);
  table.hold = new Promise(() => undefined);
  await feature.podAttached?.({ pod: await make('web'), ips: ['10.42.0.2'] }, stopping.signal);
  expect(table.guarded()).toEqual([]);
});

it('a guarded pod waits until its rules are in the kernel', async () => {
  await guard('api');
  start();
  follow();
  await until(() => table.commits > 0);
  let letThrough = (): void => undefined;
  table.hold = new Promise((resolve) => {
    letThrough = resolve;
  });
  const pod = await make('api');
  let ready = false;
  const attached = feature.podAttached?.({ pod, ips: ['10.42.0.2'] }, stopping.signal).then(() => {
    ready = true;
  });
  await until(() => table.guarded().length === 1);
  expect(ready).toBe(false);
  letThrough();
  await attached;
  // The cluster's word takes over; when the pod is gone so are its rules.
  await addressed(pod, '10.42.0.2');
  await client.delete(KINDS.Pod, { namespace: 'shop', name: 'api' }, { gracePeriodSeconds: 0 });
  await until(() => table.guarded().length === 0);
});

it('a pod waits no longer than it is told, also before anything has been heard', async () => {
  start();
  const enough = new AbortController();
  const attached = feature.podAttached?.({ pod: await make('api'), ips: ['10.42.0.2'] }, enough.signal);
  enough.abort();
  await attached;
  expect(table.commits).toBe(0);
});

it('tries again when the kernel refuses, and says so', async () => {
  await guard('api');
  await addressed(await make('api'), '10.42.0.2');
  table.failure = new Error('no');
  start();
  follow();
  await until(() => errors.length === 1);
  table.failure = undefined;
  await clock.advance(5_000);
  await until(() => table.commits > 0);
  expect(errors).toEqual(['network policies do not hold on this node']);
  expect(feature.conditions?.()).toEqual([]);
  expect(table.guarded()).toEqual(['10.42.0.2']);
});

it('says on the node when packets of its bridge cannot be filtered, until they can', async () => {
  start(['false']);
  follow();
  await until(() => changes === 1);
  expect(feature.conditions?.()).toMatchObject([{ type: 'NetworkPolicyIncomplete', reason: 'BridgeNotFiltered' }]);
  expect(errors).toEqual(['network policies do not hold on this node']);
});

it('says on the node when the kernel does not take the rules, until it does', async () => {
  await guard('api');
  await addressed(await make('api'), '10.42.0.2');
  let letThrough = (): void => undefined;
  table.hold = new Promise((resolve) => {
    letThrough = resolve;
  });
  start();
  follow();
  await until(() => table.guarded().length === 1);
  await clock.advance(9_000);
  expect(feature.conditions?.()).toEqual([]);
  await clock.advance(1_000);
  expect(feature.conditions?.()).toMatchObject([{ type: 'NetworkPolicyIncomplete', reason: 'RulesNotTaken' }]);
  letThrough();
  await until(() => feature.conditions?.().length === 0);
  expect(changes).toBe(2);
});
