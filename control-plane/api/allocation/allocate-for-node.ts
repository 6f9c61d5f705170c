import { ApiError } from '../../../lib/errors.ts';
import { type Ipv4Range, ipv4Range, overlap } from '../../../lib/ipv4-range.ts';
import { type corev1, KINDS, type KubeObject } from '../../../proto/index.ts';
import { invalidObject } from '../../resources/validate-object.ts';
import { invalid } from '../../resources/validation/field-errors.ts';
import type { StoreWrite } from '../../store/store.ts';
import { collectionPrefix } from '../keys.ts';
import type { ApiServices } from '../services.ts';
import { copyOf } from '../stored-object.ts';
import type { SideWriteContext, WithSideWrites } from '../write/side-writes.ts';
import { DEFAULT_POD_RANGE, type PodRange } from './pod-range.ts';

/** Keys of claimed parts of the pod range, as `allocations/podcidrs/10.42.3.0-24`. */
export const POD_CIDRS = 'allocations/podcidrs/';

/** Which part a server offered last to whom, so that it offers another to the next one before the first is stored. */
interface Offers {
  readonly byOwner: Map<string, number>;
  next: number;
}

/** Nodes whose offer is remembered. */
const MAX_OFFERS = 1024;

const offersByStore = new WeakMap<ApiServices['store'], Offers>();

/**
 * Gives a node that is about to be stored its part of the pod range, and claims it: a key per part, written and deleted with
 * the node in one transaction. So no two nodes have the same addresses, through however many servers they were made. A node
 * that names a range gets that one. `object` is undefined when it goes; it is not changed.
 * Throws `Invalid` when the range it names is another node's or not inside the cluster's, `InternalError` when none is free.
 */
export async function allocateForNode<T extends KubeObject | undefined>(
  services: ApiServices,
  { target, entry, signal }: SideWriteContext,
  object: T,
): Promise<WithSideWrites<T>> {
  const before = entry === undefined ? undefined : (copyOf(target.definition, entry.value) as corev1.Node);
  const name = (object as corev1.Node | undefined)?.metadata?.name ?? before?.metadata?.name ?? '';
  const allocation = new Allocation(services, name, signal);
  const held = rangeOf(before);
  const wanted = rangeOf(object as corev1.Node | undefined);
  if (object === undefined) {
    if (held !== undefined) await allocation.release(held.cidr);
    return { object, writes: allocation.writes };
  }
  if (wanted === undefined) {
    const cidr = await allocation.offer();
    return { object: withRange(object as corev1.Node, cidr) as T, writes: allocation.writes };
  }
  if (held?.cidr === wanted.cidr) {
    await allocation.keep(wanted.cidr);
    return { object, writes: allocation.writes };
  }
  const problem = await allocation.claim(wanted.cidr);
  if (problem !== undefined) {
    throw invalidObject(target.definition, name, [invalid(wanted.field, wanted.cidr, problem)]);
  }
  return { object, writes: allocation.writes };
}

/** The claims of one write of one node. */
class Allocation {
  readonly writes: StoreWrite[] = [];
  readonly #services: ApiServices;
  readonly #name: string;
  readonly #owner: string;
  readonly #signal: AbortSignal | undefined;
  readonly #range: PodRange;

  constructor(services: ApiServices, name: string, signal: AbortSignal | undefined) {
    this.#services = services;
    this.#name = name;
    this.#owner = `Node ${name}`;
    this.#signal = signal;
    this.#range = services.podRange ?? DEFAULT_POD_RANGE;
  }

  /** Claims the range that the node names; says why it cannot. */
  async claim(cidr: string): Promise<string | undefined> {
    const parts = this.#range.partsOf(cidr);
    if (typeof parts === 'string') return parts;
    const span = ipv4Range(cidr);
    const neighbour = this.#others().find((other) => span !== undefined && overlap(other.span, span));
    if (neighbour !== undefined) return takenBy(`Node ${neighbour.name}`, neighbour.cidr);
    for (const index of parts) {
      const holder = await this.#holder(index);
      if (holder === undefined) this.#put(index);
      else if (holder !== this.#owner) return takenBy(holder, this.#range.partAt(index));
    }
    return undefined;
  }

  /** Claims again what the node has had from before there were claims, or from a range of another size. */
  async keep(cidr: string): Promise<void> {
    const parts = this.#range.partsOf(cidr);
    if (typeof parts === 'string') return;
    for (const index of parts) {
      if (this.#services.cache.get(this.#key(index)) !== undefined) continue;
      if ((await this.#holder(index)) === undefined) this.#put(index);
    }
  }

  /** Claims a part that is free, the one offered before when it still is. */
  async offer(): Promise<string> {
    const offers = offersByStore.get(this.#services.store) ?? { byOwner: new Map<string, number>(), next: 0 };
    offersByStore.set(this.#services.store, offers);
    const others = this.#others();
    const { parts, partAt } = this.#range;
    const earlier = offers.byOwner.get(this.#name);
    for (const index of candidates(parts, offers.next, earlier)) {
      const part = partAt(index);
      if (this.#services.cache.get(this.#key(index)) !== undefined) continue;
      const span = ipv4Range(part);
      if (others.some((other) => span !== undefined && overlap(other.span, span))) continue;
      // Before the store is asked, so that whoever comes meanwhile is offered another.
      if (index !== earlier) offers.next = (index + 1) % parts;
      if ((await this.#holder(index)) !== undefined) continue;
      offers.byOwner.delete(this.#name);
      offers.byOwner.set(this.#name, index);
      const [oldest] = offers.byOwner.keys();
      if (offers.byOwner.size > MAX_OFFERS && oldest !== undefined) offers.byOwner.delete(oldest);
      this.#put(index);
      return part;
    }
    throw new ApiError(
      'InternalError',
      `Internal error occurred: failed to allocate a pod range for the node ${JSON.stringify(this.#name)}: all ${parts} ranges of /${this.#range.nodeBits} in ${this.#range.cidr} are taken (options --cluster-cidr and --node-cidr-mask-size of the server)`,
    );
  }

  /** Lets go of what the node has. */
  async release(cidr: string): Promise<void> {
    const parts = this.#range.partsOf(cidr);
    for (const index of typeof parts === 'string' ? [] : parts) {
      const key = this.#key(index);
      const holder = await this.#services.store.get(key, this.#signal);
      if (holder === undefined || Buffer.from(holder.value).toString() !== this.#owner) continue;
      this.writes.push({ type: 'delete', key, ifVersion: holder.version });
    }
  }

  /** Ranges of all other nodes, also of those that have none claimed. */
  #others(): NodeSpan[] {
    return this.#services.cache.list(collectionPrefix(KINDS.Node)).entries.flatMap(({ object }) => {
      const other = object === undefined ? undefined : spanOf(object);
      return other === undefined || other.name === this.#name ? [] : [other];
    });
  }

  async #holder(index: number): Promise<string | undefined> {
    const entry = await this.#services.store.get(this.#key(index), this.#signal);
    return entry === undefined ? undefined : Buffer.from(entry.value).toString();
  }

  #key(index: number): string {
    return `${POD_CIDRS}${this.#range.partAt(index).replace('/', '-')}`;
  }

  #put(index: number): void {
    this.writes.push({ type: 'put', key: this.#key(index), value: Buffer.from(this.#owner), ifVersion: 0 });
  }
}

/** Which parts to look at: what was offered earlier, then all from `next` on. */
function* candidates(parts: number, next: number, earlier: number | undefined): Generator<number> {
  if (earlier !== undefined && earlier < parts) yield earlier;
  for (let i = 0; i < parts; i++) yield (next + i) % parts;
}

/** The node's range of IPv4 addresses, and the field that names it. */
function rangeOf(node: corev1.Node | undefined): { readonly cidr: string; readonly field: string } | undefined {
  const ranges = node?.spec?.podCIDRs ?? [];
  const index = ranges.findIndex((range) => !range.includes(':'));
  const cidr = ranges[index];
  return cidr === undefined ? undefined : { cidr, field: index === 0 ? 'spec.podCIDR' : `spec.podCIDRs[${index}]` };
}

/** The same by object: objects of the cache do not change, and each new node looks at all of them. */
const spans = new WeakMap<KubeObject, NodeSpan | 'none'>();

interface NodeSpan {
  readonly name: string;
  readonly cidr: string;
  readonly span: Ipv4Range;
}

function spanOf(node: corev1.Node): NodeSpan | undefined {
  let known = spans.get(node);
  if (known === undefined) {
    const cidr = rangeOf(node)?.cidr ?? '';
    const span = ipv4Range(cidr);
    known = span === undefined ? 'none' : { name: node.metadata?.name ?? '', cidr, span };
    spans.set(node, known);
  }
  return known === 'none' ? undefined : known;
}

/** A range of IPv6 that the node brought stays, after ours. */
function withRange(node: corev1.Node, cidr: string): corev1.Node {
  return { ...node, spec: { ...node.spec, podCIDR: cidr, podCIDRs: [cidr, ...(node.spec?.podCIDRs ?? [])] } };
}

function takenBy(holder: string, cidr: string): string {
  return `${holder} has ${cidr}`;
}
