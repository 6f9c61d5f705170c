/** The feature of the node that makes Services work: README.md says how. */
import { type Clock, sleep } from '../../lib/clock.ts';
import { objectKey } from '../../lib/informer.ts';
import type { corev1, discoveryv1 } from '../../proto/index.ts';
import { BY_SERVICE, type ClusterView, SERVICE_NAME_LABEL } from '../features/cluster-view.ts';
import type { NodeFeature, NodePlace, ServiceWithdrawal } from '../features/node-feature.ts';
import type { RuleTable } from '../rules/rule-table.ts';
import { forgetArguments, forgetConnections, listConnections, staleArguments } from './conntrack.ts';
import { HealthServers } from './health-servers.ts';
import { ServedPods } from './served-pods.ts';
import { type FrontChange, ServiceLedger } from './service-ledger.ts';
import { affinityMap, TRANSPORTS } from './service-rules.ts';

/** The part of a logger the proxy needs. */
export interface ProxyLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What a {@link ServiceProxy} is made of; {@link FeatureParts} has all of it. */
export interface ServiceProxyParts {
  readonly place: Pick<NodePlace, 'name' | 'clusterCidr' | 'serviceCidr' | 'dnsAddress'>;
  readonly view: Pick<ClusterView, 'services' | 'endpointSlices'>;
  readonly table: RuleTable;
  readonly clock: Clock;
  readonly log: ProxyLog;
  /** Goes before `conntrack`, as in the table's options. */
  readonly enter?: readonly string[];
}

interface Waiter {
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly resolve: (withdrawn: boolean) => void;
}

/** Services, slices: at most this many are taken in before other work gets its turn. */
const SERVICES_AT_ONCE = 200;
const COMMIT_RETRY_MS = 10_000;

/** Makes the feature, without effect. */
export function createServiceProxy(parts: ServiceProxyParts): ServiceProxy {
  return new ServiceProxy(parts);
}

/** See the top of the file. */
export class ServiceProxy implements NodeFeature, ServiceWithdrawal {
  readonly name = 'services';
  readonly withdrawal: ServiceWithdrawal = this;
  readonly #parts: ServiceProxyParts;
  readonly #ledger: ServiceLedger;
  readonly #served = new ServedPods();
  readonly #health: HealthServers;
  readonly #dirty = new Set<string>();
  readonly #waiters = new Set<Waiter>();
  /** Everything known is in the kernel. */
  #inForce = false;
  #wake = (): void => undefined;

  constructor(parts: ServiceProxyParts) {
    this.#parts = parts;
    const { name, clusterCidr, serviceCidr, dnsAddress } = parts.place;
    this.#ledger = new ServiceLedger(parts.table, { nodeName: name, clusterCidr, serviceCidr, dnsAddress });
    this.#health = new HealthServers(parts.log);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { view, log } = this.#parts;
    const unfollow = this.#follow();
    try {
      await Promise.all([view.services.synced(signal), view.endpointSlices.synced(signal)]);
      const services = this.#dirty.size;
      // Declared with all services in one go: what an earlier agent left is replaced by this and nothing less.
      this.#ledger.declare();
      await this.#takeIn(signal, true);
      log.info({ services }, 'service rules in force');
      while (!signal.aborted) {
        if (this.#dirty.size === 0) await this.#changed(signal);
        else await this.#takeIn(signal, false);
      }
    } catch (err) {
      if (!signal.aborted) throw err;
    } finally {
      unfollow();
      this.#health.closeAll();
      for (const waiter of this.#waiters) waiter.resolve(false);
      this.#waiters.clear();
    }
  }

  isServed(pod: corev1.Pod): boolean {
    const { namespace = '', name = '', uid = '' } = pod.metadata ?? {};
    return this.#served.mentions({ namespace, name, uid });
  }

  withdrawn(pod: Waiter['pod'], signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (signal.aborted || this.#isWithdrawn(pod)) {
        resolve(!signal.aborted);
        return;
      }
      const settle = (result: boolean): void => {
        signal.removeEventListener('abort', onAbort);
        this.#waiters.delete(waiter);
        resolve(result);
      };
      const onAbort = (): void => settle(false);
      const waiter: Waiter = { pod, resolve: settle };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #isWithdrawn(pod: Waiter['pod']): boolean {
    return this.#inForce && this.#dirty.size === 0 && !this.#served.has(pod);
  }

  #follow(): () => void {
    const { services, endpointSlices } = this.#parts.view;
    const service = (object: corev1.Service): void => this.#mark(objectKey(object));
    const slice = (object: discoveryv1.EndpointSlice): void => {
      this.#served.update(objectKey(object), object);
      this.#mark(serviceOf(object));
    };
    const removals = [
      services.addHandler({ onAdd: service, onUpdate: (_old, now) => service(now), onDelete: service }),
      endpointSlices.addHandler({
        onAdd: slice,
        onUpdate: (old, now) => {
          this.#mark(serviceOf(old));
          slice(now);
        },
        onDelete: (object) => {
          this.#served.update(objectKey(object), undefined);
          this.#mark(serviceOf(object));
        },
      }),
    ];
    return () => {
      for (const remove of removals) remove();
    };
  }

  #mark(key: string | undefined): void {
    if (key === undefined) return;
    this.#dirty.add(key);
    this.#wake();
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.#wake = () => undefined;
        resolve();
      };
      this.#wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** Everything that changed, into the kernel. The first time it is all there is, and nobody may commit in between. */
  async #takeIn(signal: AbortSignal, first: boolean): Promise<void> {
    this.#inForce = false;
    const keys = [...this.#dirty].slice(0, first ? undefined : SERVICES_AT_ONCE);
    const changes: FrontChange[] = [];
    for (const key of keys) {
      this.#dirty.delete(key);
      changes.push(...this.#update(key));
    }
    await this.#commit(signal);
    const left = changes.some(({ front, gone }) => front.stickySeconds !== undefined && gone.length > 0);
    if (left || (first && this.#ledger.hasSticky)) await this.#forgetClients(signal);
    await this.#forgetConnections(first ? undefined : changes, signal);
    this.#inForce = true;
    for (const waiter of this.#waiters) if (this.#isWithdrawn(waiter.pod)) waiter.resolve(true);
  }

  /** The table tries again by itself; only where there is no nft it gives up, and then that is what is waited for. */
  async #commit(signal: AbortSignal): Promise<void> {
    const { table, log, clock } = this.#parts;
    for (;;) {
      try {
        await table.commit(signal);
        return;
      } catch (err) {
        signal.throwIfAborted();
        log.warn({ err }, 'service rules not in force');
        await sleep(clock, COMMIT_RETRY_MS, signal);
      }
    }
  }

  #update(key: string): readonly FrontChange[] {
    const { view } = this.#parts;
    const service = view.services.get(key);
    const before = this.#ledger.plan(key).health;
    const changes = this.#ledger.update(key, service, view.endpointSlices.byIndex(BY_SERVICE, key));
    const after = this.#ledger.plan(key).health;
    if (before !== undefined && before.port !== after?.port) this.#health.close(before.port);
    if (after !== undefined) {
      const { namespace = '', name = '' } = service?.metadata ?? {};
      this.#health.set(after.port, { namespace, name, localEndpoints: after.localEndpoints });
    }
    return changes;
  }

  /** Clients that were to stay with an endpoint that is gone choose anew. */
  async #forgetClients(signal: AbortSignal): Promise<void> {
    const { table, log, clock } = this.#parts;
    for (let attempt = 0; attempt < 3 && !signal.aborted; attempt += 1) {
      try {
        for (const transport of TRANSPORTS) {
          const clients = await table.listDynamic(affinityMap(transport));
          const stale = clients.filter(([client, endpoint]) => !this.#staysWith(client, transport, endpoint));
          await table.deleteDynamic(
            affinityMap(transport),
            stale.map(([client]) => client),
          );
        }
        return;
      } catch (err) {
        log.warn({ err }, 'clients of gone endpoints not forgotten');
        await sleep(clock, 100, signal);
      }
    }
  }

  /** Whether a client, `its address . the dialled one . port`, has an endpoint that is still one. */
  #staysWith(client: string, transport: string, endpoint: string): boolean {
    const [, address = '', port = ''] = client.split(' . ');
    const at = `${transport} . ${port}`;
    const front = this.#ledger.front(`${address} . ${at}`) ?? this.#ledger.front(at);
    return front?.endpoints.includes(endpoint) === true || front?.localEndpoints?.includes(endpoint) === true;
  }

  /** Without changes: whatever went stale before we were there. */
  async #forgetConnections(changes: readonly FrontChange[] | undefined, signal: AbortSignal): Promise<void> {
    const { log, enter = [] } = this.#parts;
    const options = { enter, signal };
    try {
      const calls =
        changes === undefined
          ? this.#ledger.hasUdp
            ? staleArguments(await listConnections(options), (key) => this.#ledger.front(key))
            : []
          : changes.flatMap(forgetArguments);
      await forgetConnections(calls, options);
    } catch (err) {
      if (!signal.aborted) log.warn({ err }, 'connections of gone endpoints not forgotten');
    }
  }
}

function serviceOf({ metadata }: discoveryv1.EndpointSlice): string | undefined {
  const name = metadata?.labels?.[SERVICE_NAME_LABEL];
  return name === undefined ? undefined : `${metadata?.namespace}/${name}`;
}
