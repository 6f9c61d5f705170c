/** Whether ranges of the cluster are in use on this machine already. Pure. */
import { ipv4Range, overlap } from '../../lib/ipv4-range.ts';
import type { LocalLink, LocalRoute } from './routes/links.ts';

/** One range of the cluster. */
export interface ClusterRange {
  /** As in "the pod range". */
  readonly what: string;
  readonly cidr: string;
  /** Option of the server that sets it. */
  readonly option: string;
}

/**
 * What stands in the way of the ranges, one sentence each: a network that this machine is connected to, or an address that it has,
 * with which one of them overlaps. Traffic for one would go to the other. Links named in `ours` do not count.
 */
export function rangeConflicts(
  ranges: readonly ClusterRange[],
  machine: { readonly links: readonly LocalLink[]; readonly routes: readonly LocalRoute[] },
  ours: readonly string[],
): readonly string[] {
  const connected = machine.routes
    .filter(({ type, scope, dst }) => type === 'unicast' && scope === 'link' && dst !== 'default')
    .flatMap(({ dst, dev }) => (dev === undefined ? [] : [{ cidr: dst, link: dev }]));
  const addresses = machine.links.flatMap(({ name, addresses: all }) =>
    all.map(({ address }) => ({ cidr: address, link: name })),
  );
  return ranges.flatMap(({ what, cidr, option }) => {
    const range = ipv4Range(cidr);
    const found = [...connected, ...addresses].find((other) => {
      const span = ipv4Range(other.cidr);
      return !ours.includes(other.link) && range !== undefined && span !== undefined && overlap(range, span);
    });
    return found === undefined
      ? []
      : [`${what} ${cidr} overlaps ${found.cidr} of ${found.link} (another range: option ${option} of the server)`];
  });
}
