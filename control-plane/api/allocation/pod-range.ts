/** The range of all pods' addresses, cut into equal parts: one for each node. */
import { isIPv4 } from 'node:net';

const BITS = 32;
/** Smallest part: the network, the node itself, one pod, and the broadcast address. */
const MAX_NODE_BITS = 30;
/** Parts that one node may hold; all of them are claimed in the transaction that stores the node. */
const MAX_PARTS_OF_NODE = 64;

/** First and last address of a range, as numbers. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** The pod range of the cluster. */
export interface PodRange extends Span {
  /** As text, beginning at the network's own address. */
  readonly cidr: string;
  /** Length of the prefix of a node's part. */
  readonly nodeBits: number;
  /** How many nodes there can be. */
  readonly parts: number;
  /** The part of that number, as text. */
  readonly partAt: (index: number) => string;
  /** Numbers of the parts that a range touches, or why it cannot be a node's. */
  readonly partsOf: (cidr: string) => readonly number[] | string;
}

/** Reads `10.42.0.0/16`, cut into parts of `/24`. Throws with the rule when that is no range of IPv4 addresses, or too small. */
export function podRange(cidr: string, nodeBits: number): PodRange {
  const span = spanOf(cidr);
  const bits = Number(cidr.split('/')[1]);
  if (span === undefined || bits > MAX_NODE_BITS) {
    throw new Error('must be a range of IPv4 addresses, such as 10.42.0.0/16, of at least four');
  }
  if (!Number.isInteger(nodeBits) || nodeBits < bits || nodeBits > MAX_NODE_BITS) {
    throw new Error(`must be from ${bits} (one node has all of ${cidr}) to ${MAX_NODE_BITS}`);
  }
  const size = 2 ** (BITS - nodeBits);
  const text = `${textOf(span.first)}/${bits}`;
  return {
    ...span,
    cidr: text,
    nodeBits,
    parts: 2 ** (nodeBits - bits),
    partAt: (index) => `${textOf(span.first + index * size)}/${nodeBits}`,
    partsOf: (asked) => {
      const wanted = spanOf(asked);
      if (wanted === undefined) return 'must be a range of IPv4 addresses';
      if (wanted.first < span.first || wanted.last > span.last) return `must lie inside ${text}, the range of all pods`;
      if (wanted.last - wanted.first < 3) return `must have at least four addresses`;
      const from = Math.floor((wanted.first - span.first) / size);
      const count = Math.floor((wanted.last - span.first) / size) - from + 1;
      if (count > MAX_PARTS_OF_NODE) return `must not be larger than ${MAX_PARTS_OF_NODE} ranges of /${nodeBits}`;
      return Array.from({ length: count }, (_, i) => from + i);
    },
  };
}

/** The range unless options say another. */
export const DEFAULT_POD_RANGE = podRange('10.42.0.0/16', 24);

/** First and last address of `a.b.c.d/n`; undefined for anything else. */
export function spanOf(cidr: string): Span | undefined {
  const [network = '', bits = ''] = cidr.split('/');
  if (!isIPv4(network) || !/^\d{1,2}$/.test(bits) || Number(bits) > BITS) return undefined;
  const size = 2 ** (BITS - Number(bits));
  const address = network.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const first = Math.floor(address / size) * size;
  return { first, last: first + size - 1 };
}

/** Whether two ranges share an address. */
export function overlap(a: Span, b: Span): boolean {
  return a.first <= b.last && b.first <= a.last;
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
