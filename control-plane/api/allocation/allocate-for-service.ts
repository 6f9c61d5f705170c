import { randomInt } from 'node:crypto';
import type { ErrorCause } from '../../../lib/errors.ts';
import { ApiError } from '../../../lib/errors.ts';
import type { corev1, KubeObject } from '../../../proto/index.ts';
import { NO_ADDRESS, needsClusterIP, needsHealthCheckPort, needsNodePorts } from '../../resources/service-kinds.ts';
import { NODE_PORTS } from '../../resources/service-ports.ts';
import { invalidObject } from '../../resources/validate-object.ts';
import { invalid, tooMany } from '../../resources/validation/field-errors.ts';
import type { StoreWrite } from '../../store/store.ts';
import type { ApiServices } from '../services.ts';
import { copyOf } from '../stored-object.ts';
import type { SideWriteContext, WithSideWrites } from '../write/side-writes.ts';
import { type AddressRange, DEFAULT_SERVICE_RANGE } from './address-range.ts';
import { CLUSTER_IPS, type Claim, claimsOf, NODE_PORTS_CLAIMED } from './service-claims.ts';

/** How often chance is asked for a free number before all of them are looked at. */
const RANDOM_TRIES = 16;

/** Belongs to the service `kubernetes`, which every cluster has. */
const API_ADDRESS_INDEX = 1;

/** The first node ports are left to who asks for one by number, as long as others are free. */
const NODE_PORTS_BY_NAME = 86;

/** More keys than these would not fit one transaction together with the service and its quotas. */
const MAX_CLAIMS = 100;

/**
 * Gives a service that is about to be stored the address and node ports it needs, and claims them: one key per address and
 * port, written and deleted with the service in one transaction. So each has one owner whatever number of servers gives them
 * out, and none is lost or left behind. `object` is undefined when it goes; it is not changed.
 * Throws `Invalid` when the service names what another one has, `InternalError` when nothing is free.
 */
export async function allocateForService<T extends KubeObject | undefined>(
  services: ApiServices,
  { target, entry, signal }: SideWriteContext,
  object: T,
): Promise<WithSideWrites<T>> {
  const before = entry === undefined ? undefined : (copyOf(target.definition, entry.value) as corev1.Service);
  const after = structuredClone(object) as corev1.Service | undefined;
  const name = after?.metadata?.name ?? before?.metadata?.name ?? '';
  const owner = `Service ${target.namespace}/${name}`;
  const allocation = new Allocation(services, owner, signal);
  const causes = await allocation.claim(claimsOf(after), new Set(claimsOf(before).map(({ key }) => key)));
  if (causes.length > 0) throw invalidObject(target.definition, name, causes);
  if (after?.spec !== undefined) await allocation.complete(after.spec);
  await allocation.release(claimsOf(before), new Set(claimsOf(after).map(({ key }) => key)));
  const changes = allocation.writes.length;
  // One of them is the address.
  if (changes > MAX_CLAIMS)
    throw invalidObject(target.definition, name, [tooMany('spec.ports', changes - 1, MAX_CLAIMS - 1)]);
  return { object: after as T, writes: allocation.writes };
}

/** The claims of one write of one service. */
class Allocation {
  readonly writes: StoreWrite[] = [];
  readonly #services: ApiServices;
  readonly #owner: string;
  readonly #signal: AbortSignal | undefined;
  readonly #range: AddressRange;

  constructor(services: ApiServices, owner: string, signal: AbortSignal | undefined) {
    this.#services = services;
    this.#owner = owner;
    this.#signal = signal;
    this.#range = services.serviceRange ?? DEFAULT_SERVICE_RANGE;
  }

  /** Claims what the service names and does not hold yet; gives what is wrong with that. */
  async claim(claims: readonly Claim[], held: ReadonlySet<string>): Promise<ErrorCause[]> {
    const causes: ErrorCause[] = [];
    for (const claim of claims.filter(({ key }) => !held.has(key))) {
      const problem = await this.#claimOne(claim);
      if (problem === undefined) continue;
      const isAddress = claim.key.startsWith(CLUSTER_IPS);
      const value = isAddress ? [claim.value] : claim.value;
      const why = isAddress ? `failed to allocate IP ${claim.value}: ${problem}` : problem;
      causes.push(invalid(claim.field, value, why));
    }
    return causes;
  }

  async #claimOne({ key, value }: Claim): Promise<string | undefined> {
    if (typeof value === 'string' && this.#range.indexOf(value) === undefined) {
      return `the provided IP (${value}) is not in the valid range. The range of valid IPs is ${this.#range.cidr}`;
    }
    const holder = await this.#services.store.get(key, this.#signal);
    if (holder === undefined) this.#put(key);
    else if (Buffer.from(holder.value).toString() !== this.#owner) {
      return typeof value === 'string' ? 'provided IP is already allocated' : 'provided port is already allocated';
    }
    return undefined;
  }

  /** Fills in what the service needs and does not name. */
  async complete(spec: corev1.ServiceSpec): Promise<void> {
    const wantsAddress = needsClusterIP(spec) && (spec.clusterIPs ?? []).length === 0 && spec.clusterIP !== NO_ADDRESS;
    // There are addresses of IPv4 only: who wants IPv6 first has been warned, and gets none.
    if (wantsAddress && spec.ipFamilies?.[0] !== 'IPv6') {
      spec.clusterIP = await this.#freeAddress();
      spec.clusterIPs = [spec.clusterIP];
    }
    if (needsNodePorts(spec)) await this.#completePorts(spec.ports ?? []);
    if (needsHealthCheckPort(spec) && (spec.healthCheckNodePort ?? 0) === 0) {
      spec.healthCheckNodePort = await this.#freePort();
    }
  }

  /** A number that is open for TCP and UDP has the same node port for both. */
  async #completePorts(ports: readonly corev1.ServicePort[]): Promise<void> {
    const shared = new Map(ports.filter(({ nodePort = 0 }) => nodePort !== 0).map((port) => [port.port, port]));
    for (const port of ports) {
      if ((port.nodePort ?? 0) !== 0) continue;
      const other = shared.get(port.port);
      port.nodePort =
        other !== undefined && other.protocol !== port.protocol ? (other.nodePort ?? 0) : await this.#freePort();
      shared.set(port.port, port);
    }
  }

  async #freeAddress(): Promise<string> {
    const { size, firstAutomatic, addressAt } = this.#range;
    const keyAt = (index: number): string => `${CLUSTER_IPS}${addressAt(index)}`;
    const index =
      (await this.#free(CLUSTER_IPS, keyAt, [firstAutomatic, size - 1])) ??
      (await this.#free(CLUSTER_IPS, keyAt, [API_ADDRESS_INDEX + 1, firstAutomatic]));
    if (index === undefined) throw exhausted('serviceIP');
    return addressAt(index);
  }

  async #freePort(): Promise<number> {
    const { first, last } = NODE_PORTS;
    const keyAt = (number: number): string => `${NODE_PORTS_CLAIMED}${number}`;
    const port =
      (await this.#free(NODE_PORTS_CLAIMED, keyAt, [first + NODE_PORTS_BY_NAME, last + 1])) ??
      (await this.#free(NODE_PORTS_CLAIMED, keyAt, [first, first + NODE_PORTS_BY_NAME]));
    if (port === undefined) throw exhausted('nodePort');
    return port;
  }

  /** Claims a free number from `from` up to but without `to`, at random; undefined when there is none. */
  async #free(
    prefix: string,
    keyAt: (index: number) => string,
    [from, to]: readonly [number, number],
  ): Promise<number | undefined> {
    const { cache } = this.#services;
    const taken = new Set(this.writes.map(({ key }) => key));
    const isFree = async (key: string): Promise<boolean> =>
      !taken.has(key) &&
      cache.get(key) === undefined &&
      (await this.#services.store.get(key, this.#signal)) === undefined;
    for (let i = 0; i < RANDOM_TRIES; i++) {
      const index = randomInt(from, to);
      if (await isFree(keyAt(index))) return this.#take(keyAt(index), index);
    }
    for (const { key } of cache.list(prefix).entries) taken.add(key);
    const start = randomInt(from, to);
    for (let i = 0; i < to - from; i++) {
      const index = from + ((start - from + i) % (to - from));
      if (!taken.has(keyAt(index)) && (await isFree(keyAt(index)))) return this.#take(keyAt(index), index);
    }
    return undefined;
  }

  #take(key: string, index: number): number {
    this.#put(key);
    return index;
  }

  #put(key: string): void {
    this.writes.push({ type: 'put', key, value: Buffer.from(this.#owner), ifVersion: 0 });
  }

  /** Lets go of what the service had and is not to have any longer. */
  async release(claims: readonly Claim[], kept: ReadonlySet<string>): Promise<void> {
    for (const { key } of claims.filter((claim) => !kept.has(claim.key))) {
      const holder = await this.#services.store.get(key, this.#signal);
      if (holder === undefined || Buffer.from(holder.value).toString() !== this.#owner) continue;
      this.writes.push({ type: 'delete', key, ifVersion: holder.version });
    }
  }
}

function exhausted(what: string): ApiError {
  return new ApiError('InternalError', `Internal error occurred: failed to allocate a ${what}: range is full`);
}
