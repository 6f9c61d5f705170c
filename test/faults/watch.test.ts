/**
 * Watches through two servers over one etcd, all three killed at random while objects are written at random: every watcher,
 * resuming as clients do, sees each change once and in order. WATCH_FAULT_SECONDS makes it longer, WATCH_FAULT_SEED repeats it.
 */
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_PREFIX } from '../../control-plane/store/etcd/etcd-store.ts';
import type { Store, StoreEvent } from '../../control-plane/store/store.ts';
import { seededRandom } from '../../control-plane/store/testing/random.ts';
import { etcdMissing, startTestEtcd, type TestEtcd } from '../../control-plane/store/testing/test-etcd.ts';
import { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { errorMessage, hasReason } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { ServerProcess, type SharedPki, serverUnavailable, sharedPki } from '../harness/server-process.ts';
import { waitFor } from '../harness/wait.ts';

const SEED = Number(process.env.WATCH_FAULT_SEED ?? Math.floor(Math.random() * 2 ** 31));
const RUN_MS = Number(process.env.WATCH_FAULT_SECONDS ?? 20) * 1_000;
const WRITERS = 6;
const WATCHERS = 24;
const NAMES = 40;
const NAMESPACES = ['w-one', 'w-two'] as const;
const GROUPS = ['a', 'b', 'c'] as const;
const PREFIX = 'core/configmaps/';
const missing = etcdMissing() ?? serverUnavailable();

/** What a watcher asks for, in the API's words and as a function. */
interface Selector {
  readonly options: { readonly namespace?: string; readonly labelSelector?: string; readonly fieldSelector?: string };
  readonly selects: (object: corev1.ConfigMap) => boolean;
}

const SELECTORS: readonly Selector[] = [
  { options: {}, selects: () => true },
  { options: { namespace: 'w-one' }, selects: (o) => o.metadata?.namespace === 'w-one' },
  { options: { labelSelector: 'group=a' }, selects: (o) => o.metadata?.labels?.group === 'a' },
  { options: { labelSelector: 'group notin (a)' }, selects: (o) => o.metadata?.labels?.group !== 'a' },
  {
    options: { namespace: 'w-two', labelSelector: 'group in (a,b)' },
    selects: (o) => o.metadata?.namespace === 'w-two' && ['a', 'b'].includes(o.metadata.labels?.group ?? ''),
  },
  { options: { fieldSelector: 'metadata.name=o-7' }, selects: (o) => o.metadata?.name === 'o-7' },
];

const idOf = (object: corev1.ConfigMap): string => `${object.metadata?.namespace}/${object.metadata?.name}`;
const away = (err: unknown): boolean => hasReason(err, 'ServiceUnavailable', 'Timeout');
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The line that stands for one change as `selector` sees it; undefined when it concerns nothing selected. */
function seenThrough({ selects }: Selector, event: StoreEvent): string | undefined {
  const read = (bytes: Uint8Array | undefined): corev1.ConfigMap | undefined =>
    bytes === undefined ? undefined : KINDS.ConfigMap.message.decode(bytes);
  const [object, previous] = [read(event.value), read(event.previous)];
  const before = previous !== undefined && selects(previous);
  const after = event.type === 'put' && object !== undefined && selects(object);
  if (!before && !after) return undefined;
  const type = after ? (before ? 'MODIFIED' : 'ADDED') : 'DELETED';
  return `${event.version} ${type} ${event.key.slice(PREFIX.length)}`;
}

/** One client that watches through everything that happens, from a version on. */
class Watcher {
  readonly seen: string[] = [];
  readonly selector: Selector;
  readonly from: number;
  resumes = 0;
  failure: unknown;
  /** Objects as list and watch say, for a watcher that began with a list: id → version. */
  readonly objects: Map<string, string> | undefined;
  readonly #client: GrpcResourceClient;

  constructor(
    client: GrpcResourceClient,
    selector: Selector,
    start: { from: number; listed?: Map<string, string> | undefined },
  ) {
    this.#client = client;
    this.selector = selector;
    this.from = start.from;
    this.objects = start.listed;
  }

  async run(signal: AbortSignal): Promise<void> {
    let version = String(this.from);
    while (!signal.aborted) {
      try {
        for await (const batch of this.#client.watch(KINDS.ConfigMap, version, { ...this.selector.options, signal })) {
          for (const event of batch) {
            version = event.resourceVersion;
            if (event.type === 'BOOKMARK') continue;
            this.seen.push(`${version} ${event.type} ${idOf(event.object)}`);
            if (event.type === 'DELETED') this.objects?.delete(idOf(event.object));
            else this.objects?.set(idOf(event.object), version);
          }
        }
      } catch (err) {
        if (signal.aborted) return;
        if (!away(err)) {
          this.failure = err;
          return;
        }
        this.resumes += 1;
        await pause(20);
      }
    }
  }
}

describe.skipIf(missing !== undefined)(
  `watches while servers and etcd are killed${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    let etcd: TestEtcd;
    let pki: SharedPki;
    let servers: readonly ServerProcess[] = [];
    const supervision = new AbortController();
    let supervising: Promise<unknown> = Promise.resolve();

    beforeAll(async () => {
      etcd = await startTestEtcd();
      supervising = etcd.server.run(supervision.signal);
      pki = await sharedPki();
      servers = [await ServerProcess.start(pki, etcd.endpoint), await ServerProcess.start(pki, etcd.endpoint)];
    }, 120_000);
    afterAll(async () => {
      for (const server of servers) await server.stop();
      supervision.abort();
      await supervising;
      await etcd?.stop();
      if (pki !== undefined) rmSync(pki.dir, { recursive: true, force: true });
    }, 60_000);

    /** The store's own account of every change of a ConfigMap from `from` on, until it has reached `end()`. */
    async function history(store: Store, from: number, end: () => number): Promise<StoreEvent[]> {
      const events: StoreEvent[] = [];
      for await (const batch of store.watch(PREFIX, from, AbortSignal.timeout(RUN_MS + 240_000))) {
        events.push(...batch.events);
        if (batch.version >= end()) return events;
      }
      throw new Error(`the store's watch did not reach the end; it gave ${events.length} events`);
    }

    // A second try would begin in what the first left behind.
    test(`each sees every change once and in order (seed ${SEED})`, {
      timeout: RUN_MS + 240_000,
      retry: 0,
    }, async () => {
      const random = seededRandom(SEED);
      const pick = (below: number): number => Math.floor(random() * below);
      const clientOf = (index: number): GrpcResourceClient => {
        const [a, b] = index % 2 === 0 ? servers : [...servers].reverse();
        if (a === undefined || b === undefined) throw new Error('no servers');
        return new GrpcResourceClient(a.connect(b));
      };
      const direct = etcd.makeStore({ prefix: DEFAULT_PREFIX });
      const admin = clientOf(0);
      for (const name of NAMESPACES) await admin.create(KINDS.Namespace, { metadata: { name } });
      const start = await direct.currentVersion();
      let end = Number.POSITIVE_INFINITY;
      const truth = history(direct, start, () => end);
      truth.catch(() => undefined);

      const stopWatching = new AbortController();
      const deadlineMs = performance.now() + RUN_MS;
      const over = (): boolean => performance.now() >= deadlineMs;
      /** Version → what the API said it did then. */
      const acknowledged = new Map<string, string>();
      const versions: number[] = [start];
      let unknown = 0;

      async function write(index: number): Promise<void> {
        const client = clientOf(index);
        for (let n = 0; !over(); n++) {
          const at = { namespace: NAMESPACES[pick(2)] ?? 'w-one', name: `o-${pick(NAMES)}` };
          const group = GROUPS[pick(3)] ?? 'a';
          const labels = random() < 0.8 ? { group } : {};
          const data = { by: `${index}-${n}` };
          try {
            const dice = random();
            const done =
              dice < 0.4
                ? await client.create(KINDS.ConfigMap, { metadata: { ...at, labels }, data })
                : dice < 0.75
                  ? await client.patch(KINDS.ConfigMap, at, {
                      type: 'merge',
                      body: { metadata: { labels: { group } }, data },
                    })
                  : await client.delete(KINDS.ConfigMap, at);
            const version = done.metadata?.resourceVersion ?? '';
            acknowledged.set(version, `${dice < 0.75 ? 'put' : 'delete'} ${idOf(done)}`);
            versions.push(Number(version));
          } catch (err) {
            if (away(err)) unknown += 1;
            else if (!hasReason(err, 'NotFound', 'AlreadyExists', 'Conflict')) throw err;
            await pause(away(err) ? 50 : 1);
          }
          // What happens while a server is away must fit into what it reads of the past.
          await pause(pick(10));
        }
      }

      const watchers: Watcher[] = [];
      const watching: Promise<void>[] = [];
      async function startWatchers(): Promise<void> {
        for (let i = 0; i < WATCHERS; i++) {
          const selector = SELECTORS[i % SELECTORS.length];
          if (selector === undefined) throw new Error('no selector');
          const client = clientOf(i);
          let from = versions[Math.max(0, versions.length - 1 - pick(1_500))] ?? start;
          let listed: Map<string, string> | undefined;
          if (i % 3 === 0) {
            const list = await waitFor('a list', () => client.list(KINDS.ConfigMap, selector.options));
            from = Number(list.resourceVersion);
            listed = new Map(list.items.map((object) => [idOf(object), object.metadata?.resourceVersion ?? '']));
          }
          const watcher = new Watcher(client, selector, { from, listed });
          watchers.push(watcher);
          watching.push(watcher.run(stopWatching.signal));
          await pause(Math.min(pick(3_000), Math.max(0, deadlineMs - performance.now())));
        }
      }

      const faults = { server: 0, pause: 0, etcd: 0 };
      async function breakThings(): Promise<void> {
        while (!over()) {
          await pause(500 + pick(2_500));
          const dice = random();
          const victim = servers[pick(2)];
          if (victim === undefined) throw new Error('no servers');
          if (dice < 0.5) {
            faults.server += 1;
            await victim.kill();
            await pause(pick(1_000));
            victim.launch();
          } else if (dice < 0.65) {
            faults.pause += 1;
            await victim.suspend(pick(3_000));
          } else {
            faults.etcd += 1;
            const identity = await etcd.server.process();
            if (identity !== undefined) process.kill(identity.pid, 'SIGKILL');
          }
        }
      }

      await Promise.all([...Array.from({ length: WRITERS }, (_, i) => write(i)), startWatchers(), breakThings()]);
      for (const server of servers) await server.serves();
      end = await waitFor('etcd to answer', () => direct.sync());
      // The first may have been seen before `end` was known.
      await direct.sync();
      const events = await truth;
      const expected = watchers.map((watcher) =>
        events
          .filter(({ version }) => version > watcher.from)
          .flatMap((event) => seenThrough(watcher.selector, event) ?? []),
      );
      const behind = (): string[] =>
        watchers.flatMap((watcher, i) => {
          const wanted = expected[i]?.length ?? 0;
          if (watcher.failure !== undefined || watcher.seen.length >= wanted) return [];
          return [`watcher ${i} has ${watcher.seen.length} of ${wanted}`];
        });
      await waitFor('every watcher to have seen all', () => behind().length === 0, { timeoutMs: 60_000 }).catch(
        () => undefined,
      );
      const resumes = watchers.reduce((sum, watcher) => sum + watcher.resumes, 0);
      const counted = expected.reduce((sum, lines) => sum + lines.length, 0);
      process.stdout.write(
        `watch faults, seed ${SEED}: ${events.length} changes by ${WRITERS} writers, ${acknowledged.size} acknowledged, ${unknown} unknown; ` +
          `${WATCHERS} watchers saw ${counted} events over ${resumes} resumptions; killed: servers ${faults.server}, etcd ${faults.etcd}; ` +
          `paused: ${faults.pause}\n`,
      );
      expect(watchers.map((watcher) => watcher.failure && errorMessage(watcher.failure)).filter(Boolean)).toEqual([]);
      for (const [i, watcher] of watchers.entries()) {
        expect(watcher.seen, `watcher ${i} from ${watcher.from} ${JSON.stringify(watcher.selector.options)}`).toEqual(
          expected[i],
        );
      }
      const happened = new Map(
        events.map(({ version, type, key }) => [`${version}`, `${type} ${key.slice(PREFIX.length)}`]),
      );
      for (const [version, what] of acknowledged)
        expect(happened.get(version), `acknowledged at ${version}`).toBe(what);
      for (const [i, watcher] of watchers.entries()) {
        if (watcher.objects === undefined) continue;
        const fresh = await waitFor('a list', () => admin.list(KINDS.ConfigMap, watcher.selector.options));
        const listed = fresh.items.map((object) => [idOf(object), object.metadata?.resourceVersion]);
        expect(Object.fromEntries(watcher.objects), `list and watch of watcher ${i}`).toEqual(
          Object.fromEntries(listed),
        );
      }
      expect(events.length).toBeGreaterThan(200);
      expect(faults.server + faults.etcd).toBeGreaterThan(3);
      stopWatching.abort();
      await Promise.all(watching);
    });
  },
);
