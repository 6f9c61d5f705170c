/** Keeps the services' part of the table: of a changed service only, and within it only what differs. */
import type { corev1, discoveryv1 } from '../../proto/index.ts';
import type { Elements, RuleTable } from '../rules/rule-table.ts';
import { type Front, NO_PLAN, planService, type ServiceFacts, type ServicePlan } from './service-plan.ts';
import { type Entry, type FrontRules, frontRules, MAPS, type NamedChain, SETS, staticChains } from './service-rules.ts';

/** A front that lost endpoints, or got its first ones. */
export interface FrontChange {
  readonly front: Front;
  /** Endpoints it does not send to any more. */
  readonly gone: readonly string[];
  /** There was nothing to send to before. */
  readonly began: boolean;
}

/** Services by `namespace/name` in the table. Nothing is in force before the table's commit. */
export class ServiceLedger {
  readonly #table: RuleTable;
  readonly #facts: ServiceFacts;
  readonly #collections = new Map<string, Elements>();
  readonly #plans = new Map<string, ServicePlan>();
  /** Who wants a front, the oldest first: it has it. Two services may name one external address. */
  readonly #claims = new Map<string, string[]>();
  /** How many fronts or services need a chain, or a hairpin. */
  readonly #uses = new Map<string, number>();

  constructor(table: RuleTable, facts: ServiceFacts) {
    this.#table = table;
    this.#facts = facts;
  }

  /** Puts what is always there into the table. Once, before any {@link ServiceLedger.update}. */
  declare(): void {
    for (const [name, type] of Object.entries(MAPS)) this.#collections.set(name, this.#table.map(name, type));
    for (const [name, type] of Object.entries(SETS)) this.#collections.set(name, this.#table.set(name, type));
    for (const { name, rules, hook } of staticChains(this.#facts)) this.#table.chain(name, rules, hook);
  }

  /** The plan in force for a service. */
  plan(key: string): ServicePlan {
    return this.#plans.get(key) ?? NO_PLAN;
  }

  /** The front in force with that key. */
  front(key: string): Front | undefined {
    const owner = this.#claims.get(key)?.[0];
    return owner === undefined ? undefined : this.plan(owner).fronts.find((front) => front.key === key);
  }

  /** Whether any service has its clients stay with their endpoints. */
  get hasSticky(): boolean {
    return this.#hasFront(({ stickySeconds }) => stickySeconds !== undefined);
  }

  /** Whether any service is dialled by UDP. */
  get hasUdp(): boolean {
    return this.#hasFront(({ transport }) => transport === 'udp');
  }

  /** Takes in what a service is now, undefined when it is gone. Says how its fronts changed. */
  update(
    key: string,
    service: corev1.Service | undefined,
    slices: readonly discoveryv1.EndpointSlice[],
  ): readonly FrontChange[] {
    const before = this.plan(key);
    const after = service === undefined ? NO_PLAN : planService(service, slices, this.#facts, before);
    if (after === NO_PLAN) this.#plans.delete(key);
    else this.#plans.set(key, after);
    const had = new Map(before.fronts.map((front) => [front.key, front]));
    const has = new Map(after.fronts.map((front) => [front.key, front]));
    const changes: FrontChange[] = [];
    for (const [name, front] of had) {
      if (!has.has(name)) changes.push(...this.#release(key, front));
    }
    for (const [name, front] of has) changes.push(...this.#claim(key, had.get(name), front));
    const hairpin = (ip: string): Entry => ({ collection: 'svc_hairpin', key: `${ip} . ${ip}` });
    for (const ip of after.localAddresses) this.#use(`hairpin ${ip}`, () => this.#put(hairpin(ip)));
    for (const ip of before.localAddresses) this.#unuse(`hairpin ${ip}`, () => this.#delete(hairpin(ip)));
    return changes;
  }

  #hasFront(is: (front: Front) => boolean): boolean {
    for (const { fronts } of this.#plans.values()) if (fronts.some(is)) return true;
    return false;
  }

  #claim(key: string, old: Front | undefined, front: Front): FrontChange[] {
    const claims = this.#claims.get(front.key) ?? [];
    if (!claims.includes(key)) claims.push(key);
    this.#claims.set(front.key, claims);
    return claims[0] === key ? this.#replace(old, front) : [];
  }

  #release(key: string, front: Front): FrontChange[] {
    const claims = this.#claims.get(front.key) ?? [];
    const owned = claims[0] === key;
    const rest = claims.filter((claim) => claim !== key);
    if (rest.length === 0) this.#claims.delete(front.key);
    else this.#claims.set(front.key, rest);
    const heir = rest[0] === undefined ? undefined : this.plan(rest[0]).fronts.find((f) => f.key === front.key);
    return owned ? this.#replace(front, heir) : [];
  }

  #replace(old: Front | undefined, front: Front | undefined): FrontChange[] {
    const none: FrontRules = { entries: [], chains: [] };
    const before = old === undefined ? none : frontRules(old, this.#facts);
    const after = front === undefined ? none : frontRules(front, this.#facts);
    const idOf = (entry: Entry): string => `${entry.collection} ${entry.key}`;
    const kept = new Set(after.entries.map(idOf));
    for (const entry of before.entries) if (!kept.has(idOf(entry))) this.#delete(entry);
    for (const chain of after.chains) this.#use(chain.name, () => this.#addChain(chain));
    for (const entry of after.entries) this.#put(entry);
    for (const { name } of before.chains) this.#unuse(name, () => this.#table.remove('chain', name));
    const either = old ?? front;
    if (either === undefined) return [];
    const now = new Set([...(front?.endpoints ?? []), ...(front?.localEndpoints ?? [])]);
    const gone = [...new Set([...(old?.endpoints ?? []), ...(old?.localEndpoints ?? [])])].filter((e) => !now.has(e));
    const began = (old?.endpoints.length ?? 0) === 0 && now.size > 0;
    return gone.length > 0 || began ? [{ front: either, gone, began }] : [];
  }

  #addChain({ name, rules }: NamedChain): void {
    this.#table.chain(name, rules);
  }

  #put({ collection, key, data }: Entry): void {
    this.#collections.get(collection)?.put(key, data);
  }

  #delete({ collection, key }: Entry): void {
    this.#collections.get(collection)?.delete(key);
  }

  #use(name: string, first: () => void): void {
    const uses = this.#uses.get(name) ?? 0;
    this.#uses.set(name, uses + 1);
    if (uses === 0) first();
  }

  #unuse(name: string, last: () => void): void {
    const uses = (this.#uses.get(name) ?? 0) - 1;
    if (uses > 0) {
      this.#uses.set(name, uses);
      return;
    }
    this.#uses.delete(name);
    last();
  }
}
