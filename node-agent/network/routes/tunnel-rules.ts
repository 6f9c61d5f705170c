/** What our nftables table does about the tunnel. */
import type { RuleTable } from '../../rules/rule-table.ts';
import { VXLAN_ID, VXLAN_PORT } from './changes.ts';
import type { WantedVxlan } from './plan.ts';

const PEERS = 'vx_peers';
const INPUT = 'vx_input';
const FORWARD = 'vx_forward';

/** Where VXLAN's segment number stands, in bits from the beginning of the UDP header, and how long it is. */
const SEGMENT = '@th,96,24';

/**
 * The rules of the tunnel:
 * - Only nodes of the cluster may send into it: VXLAN itself asks nobody who they are. Other users of the port have segments
 *   of other numbers, and are left alone.
 * - Connections through it agree on segments that fit: pods' own links carry as much as the link below, which is more than
 *   fits through the tunnel.
 */
export class TunnelRules {
  readonly #table: RuleTable;
  #chainsFor: string | undefined;

  constructor(table: RuleTable) {
    this.#table = table;
  }

  /** Says what is wanted; true when that is something new, to be committed. */
  want(vxlan: WantedVxlan | undefined): boolean {
    if (vxlan === undefined && this.#chainsFor === undefined) return false;
    const isChanged = this.#wantPeers(vxlan?.peers.map(({ address }) => address) ?? []);
    if (this.#chainsFor === vxlan?.name) return isChanged;
    this.#chainsFor = vxlan?.name;
    if (vxlan === undefined) {
      this.#table.remove('chain', INPUT);
      this.#table.remove('chain', FORWARD);
      return true;
    }
    const foreign = `udp dport ${VXLAN_PORT} ${SEGMENT} ${VXLAN_ID} ip saddr != @${PEERS} drop`;
    this.#table.chain(INPUT, [foreign], { type: 'filter', hook: 'input', priority: 'filter - 15' });
    const clamp = 'tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu';
    const both = [`oifname "${vxlan.name}" ${clamp}`, `iifname "${vxlan.name}" ${clamp}`];
    this.#table.chain(FORWARD, both, { type: 'filter', hook: 'forward', priority: 'mangle' });
    return true;
  }

  #wantPeers(addresses: readonly string[]): boolean {
    const peers = this.#table.set(PEERS, { type: 'type ipv4_addr' });
    const had = [...peers.keys()];
    for (const address of had) if (!addresses.includes(address)) peers.delete(address);
    for (const address of addresses) peers.put(address);
    return had.length !== addresses.length || had.some((address) => !addresses.includes(address));
  }
}
