/**
 * Addresses of load balancers that this node announces: each is put on the link of the node's own address, and the neighbours are
 * told by ARP. See README.md for what happens when nodes or their network fail.
 */
import { join } from 'node:path';
import { aborted } from '../../lib/aborted.ts';
import { Backoff } from '../../lib/backoff.ts';
import { sleep } from '../../lib/clock.ts';
import { ApiError, errorMessage } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import type { FeatureCondition, NodeFeature } from '../features/node-feature.ts';
import type { FeatureParts } from '../features/registry.ts';
import { HostAddresses, isMissingTool } from './host-addresses.ts';
import { ANNOUNCED_BY, planAddresses } from './plan.ts';

/** Condition of a Node that announces addresses. */
export const ADDRESSES_ANNOUNCED = 'LoadBalancerAddressesAnnounced';

/** Between two looks whether the addresses are still there, and still our own. */
const LOOK_EVERY_MS = 60_000;
/** When an address that somebody else has is asked for again. */
const CONFLICT_RETRY_MS = 20_000;
/** How long the question to a server may take that tells whether we are cut off. */
const ASK_MS = 5_000;

/** What the feature is made from. */
export type AnnouncerParts = Pick<
  FeatureParts,
  'place' | 'view' | 'client' | 'events' | 'clock' | 'log' | 'changed'
> & {
  /** Put before each command; for tests. */
  readonly prefix?: readonly string[];
  /** How often a node that holds addresses looks after them; a minute unless said. */
  readonly lookEveryMs?: number;
};

/** Makes the feature. */
export function createLoadBalancer(parts: AnnouncerParts): NodeFeature {
  return new LoadBalancerAnnouncer(parts);
}

/** Somebody else answers for an address. */
interface Conflict {
  readonly address: string;
  readonly hardware: string;
}

class LoadBalancerAnnouncer implements NodeFeature {
  readonly name = 'load-balancer';
  readonly #parts: AnnouncerParts;
  readonly #host: HostAddresses;
  /** Announcements under way, by address. */
  readonly #announcements = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();
  /** What is said of a machine without `arping`. */
  #missing: string | undefined;
  #wake = new AbortController();
  #condition: FeatureCondition | undefined;
  /** No server answered when last asked, and nothing was heard since. */
  #away = false;

  constructor(parts: AnnouncerParts) {
    this.#parts = parts;
    const file = join(parts.place.runDir, 'load-balancer.json');
    this.#host = new HostAddresses({ file, ...(parts.prefix === undefined ? {} : { prefix: parts.prefix }) });
  }

  conditions(): readonly FeatureCondition[] {
    return this.#condition === undefined ? [] : [this.#condition];
  }

  async run(signal: AbortSignal): Promise<void> {
    const { view, clock, log } = this.#parts;
    const heard = (...versions: readonly corev1.Service[]): void => {
      this.#away = false;
      const concerns = versions.some(
        ({ metadata, spec }) =>
          spec?.type === 'LoadBalancer' || metadata?.annotations?.[ANNOUNCED_BY] === this.#parts.place.name,
      );
      if (concerns) this.#wake.abort();
    };
    const remove = view.services.addHandler({ onAdd: (one) => heard(one), onUpdate: heard, onDelete: heard });
    try {
      await view.services.synced(signal);
    } catch {
      remove();
      return;
    }
    const backoff = new Backoff({ initialMs: 500, maxMs: 30_000, jitter: 0.2 });
    while (!signal.aborted) {
      this.#wake = new AbortController();
      let waitMs: number | undefined;
      try {
        waitMs = await this.#bringAbout(signal);
        backoff.reset();
      } catch (err) {
        if (signal.aborted) break;
        if (backoff.failures === 0) log.warn({ err: errorMessage(err) }, 'addresses of load balancers not announced');
        this.#setCondition({ status: 'False', reason: 'Failed', message: errorMessage(err) });
        waitMs = backoff.next();
      }
      const until = AbortSignal.any([signal, this.#wake.signal]);
      // Whoever announces nothing sleeps until there is something.
      if (waitMs === undefined) await aborted(until);
      else {
        await sleep(clock, waitMs, until);
        if (!until.aborted) await this.#askServer(signal);
      }
    }
    remove();
    await Promise.all([...this.#announcements.values()].map(({ done }) => done));
  }

  async teardown(): Promise<void> {
    for (const address of this.#host.held()) await this.#host.remove(address);
  }

  /** Gives when to look again; undefined: when something changes. */
  async #bringAbout(signal: AbortSignal): Promise<number | undefined> {
    const { place, view, log } = this.#parts;
    const host = this.#host;
    const plan = planAddresses(place.name, view.services.list(), host.held());
    for (const address of plan.drop) {
      await this.#silence(address);
      await host.remove(address, signal);
      log.info({ address }, 'address of a load balancer is announced no longer');
    }
    if (plan.wanted.size === 0) {
      this.#setCondition(undefined);
      return undefined;
    }
    const [own = ''] = place.ips;
    const link = await host.linkOf(own, signal);
    if (link === undefined) throw new Error(`no link of this machine has the node's address ${own}`);
    let conflict: Conflict | undefined;
    for (const [address, service] of plan.wanted) {
      conflict = (await this.#hold(address, service, link, signal)) ?? conflict;
    }
    if (conflict !== undefined) {
      const { address, hardware } = conflict;
      const message = `somebody else (${hardware}) answers for ${address} on ${link}`;
      this.#setCondition({ status: 'False', reason: 'AddressConflict', message });
      return CONFLICT_RETRY_MS;
    }
    if (this.#missing !== undefined) {
      this.#setCondition({ status: 'False', reason: 'NoArping', message: this.#missing });
    } else {
      const message = `on ${link}: ${[...plan.wanted.keys()].sort().join(', ')}`;
      this.#setCondition({ status: 'True', reason: 'Announced', message });
    }
    return this.#parts.lookEveryMs ?? LOOK_EVERY_MS;
  }

  /** Makes sure we have the address. Gives who else has it. */
  async #hold(
    address: string,
    service: corev1.Service,
    link: string,
    signal: AbortSignal,
  ): Promise<Conflict | undefined> {
    const { log, events } = this.#parts;
    const host = this.#host;
    const present = (await host.linkOf(address, signal)) !== undefined;
    const ours = host.held().includes(address);
    // An address of the machine's own that is in the pool by mistake: it serves, and stays when the service goes.
    if (present && !ours) return undefined;
    if (present && !this.#away) return undefined;
    this.#missing = undefined;
    try {
      const [hardware] = await this.#strangers(address, link, signal);
      if (hardware !== undefined) {
        await this.#silence(address);
        if (ours) await host.remove(address, signal);
        log.warn({ address, hardware, link }, 'somebody else has the address of a load balancer');
        const message = `Cannot announce ${address}: on ${link} ${hardware} answers for it`;
        events.record(service, 'Warning', 'AddressConflict', message);
        return { address, hardware };
      }
    } catch (err) {
      if (!isMissingTool(err)) throw err;
      this.#missing = `${errorMessage(err)}; without it neighbours learn late that an address moved`;
    }
    if (present) return undefined;
    await host.add(address, link, signal);
    log.info({ address, link, name: service.metadata?.name }, 'announcing the address of a load balancer');
    if (this.#missing === undefined) this.#announce(address, link, signal);
    return undefined;
  }

  /**
   * Who answers for the address and has no right to. The node that announced it before us, and does not know it yet, is no stranger, as
   * long as a server answers us; when none does, we are the one that may not know.
   */
  async #strangers(address: string, link: string, signal: AbortSignal): Promise<string[]> {
    const { view, place } = this.#parts;
    let others = await this.#host.whoHas(address, link, signal);
    if (this.#away) return others;
    const addresses = view.nodes
      .list()
      .filter(({ metadata }) => metadata?.name !== place.name)
      .flatMap(({ status }) => status?.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP');
    for (const { address: ip = '' } of addresses) {
      if (others.length === 0) break;
      const hardware = await this.#host.hardwareAddress(ip, link, signal);
      others = others.filter((one) => one !== hardware);
    }
    return others;
  }

  #announce(address: string, link: string, signal: AbortSignal): void {
    const stop = new AbortController();
    const until = AbortSignal.any([signal, stop.signal]);
    const done = this.#host
      .announce(address, link, until)
      .catch((err: unknown) => {
        if (!until.aborted) this.#parts.log.warn({ address, err: errorMessage(err) }, 'address not announced');
      })
      .finally(() => this.#announcements.delete(address));
    this.#announcements.set(address, { stop, done });
  }

  /** Says nothing more about an address that is about to go. */
  async #silence(address: string): Promise<void> {
    const announcement = this.#announcements.get(address);
    announcement?.stop.abort();
    await announcement?.done;
  }

  /** Finds out whether a server still hears us. */
  async #askServer(signal: AbortSignal): Promise<void> {
    const { client, place } = this.#parts;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
    try {
      await client.get(KINDS.Node, { name: place.name }, limit);
      this.#away = false;
    } catch (err) {
      this.#away = !(err instanceof ApiError) || err.retryable;
    }
  }

  #setCondition(condition: Omit<FeatureCondition, 'type'> | undefined): void {
    const before = this.#condition;
    if (before?.message === condition?.message && before?.reason === condition?.reason) return;
    this.#condition = condition === undefined ? undefined : { type: ADDRESSES_ANNOUNCED, ...condition };
    this.#parts.changed();
  }
}
