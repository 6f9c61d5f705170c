/** The range of all pods' addresses, cut into equal parts: one for each node. */
import { contains, type Ipv4Range, ipv4Range, ipv4Text } from '../../../lib/ipv4-range.ts';

const BITS = 32;
/** Smallest part: the network, the node itself, one pod, and the broadcast address. */
const MAX_NODE_BITS = 30;
/** Parts that one node may hold; all of them are claimed in the transaction that stores the node. */
const MAX_PARTS_OF_NODE = 64;

/** The pod range of the cluster. */
export interface PodRange extends Ipv4Range {
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
  const span = ipv4Range(cidr);
  const bits = Number(cidr.split('/')[1]);
  if (span === undefined || !(bits <= MAX_NODE_BITS)) {
    throw new Error('must be a range of IPv4 addresses, such as 10.42.0.0/16, of at least four');
  }
  if (!Number.isInteger(nodeBits) || nodeBits < bits || nodeBits > MAX_NODE_BITS) {
    throw new Error(`must be from ${bits} (one node has all of ${cidr}) to ${MAX_NODE_BITS}`);
  }
  const size = 2 ** (BITS - nodeBits);
  const text = `${ipv4Text(span.first)}/${bits}`;
  return {
    ...span,
    cidr: text,
    nodeBits,
    parts: 2 ** (nodeBits - bits),
    partAt: (index) => `${ipv4Text(span.first + index * size)}/${nodeBits}`,
    partsOf: (asked) => {
      const wanted = ipv4Range(asked);
      if (wanted === undefined) return 'must be a range of IPv4 addresses';
      if (!contains(span, wanted)) return `must lie inside ${text}, the range of all pods`;
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
