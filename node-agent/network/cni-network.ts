import { systemClock } from '../../lib/clock.ts';
import { NftTable } from '../rules/nft-table.ts';
import type { RuleTable } from '../rules/rule-table.ts';
import type { Attached, Attacher } from './attacher.ts';
import { BridgeAttacher } from './bridge-attacher.ts';
import { CniAttacher } from './cni-attacher.ts';
import {
  type CniConfigList,
  defaultCniConfig,
  hasUserCniConfig,
  readUserCniConfig,
  userCniFolder,
} from './cni-config.ts';
import { NodeNetwork } from './node-network.ts';
import { readPodMtu } from './pod-mtu.ts';
import type { PodNetworkRequest } from './pod-network.ts';

/** How to make the pod network of a node. */
export interface CniNetworkOptions {
  /** Files go under `<root>/run/skiff`; a user's chain is looked for in `cniConfigDir`. */
  readonly root: string;
  /** The pod range of this node, e.g. `10.42.0.0/24`. */
  readonly podCidr: string;
  /** The pod range of the cluster, e.g. `10.42.0.0/16`. */
  readonly clusterCidr: string;
  /** Addresses of services, routed to the bridge; absent: not routed. */
  readonly serviceCidr?: string;
  /** Addresses of this node: the link that has one of them says how long the packets of pods may be. */
  readonly nodeIps?: readonly string[];
  /** Begins the names of our links; at most 12 characters. Default `skiff`. */
  readonly prefix?: string;
  /** A `.conflist` or `.conf` here wins over the built-in network. Default `<root>/etc/cni/net.d`. */
  readonly cniConfigDir?: string;
  /** Where plugins are looked for, in this order. */
  readonly cniFolders?: readonly string[];
  /** Who wires a pod when the user brings no chain: our own bridge (default), or the CNI plugins bridge and host-local. */
  readonly wiring?: 'bridge' | 'cni';
  /** Instead of what the link below has. */
  readonly mtu?: number;
  /** The node's table of rules; one of its own, named after the prefix, unless said. */
  readonly table?: RuleTable;
}

/** The pod network: the user's own CNI chain when there is one, otherwise a bridge with the node's range. Starts nothing yet. */
export function createCniNetwork(options: CniNetworkOptions): NodeNetwork {
  const root = options.root === '/' ? '' : options.root.replace(/\/$/, '');
  const prefix = options.prefix ?? 'skiff';
  const bridge = `${prefix}0`;
  const dataDir = `${root}/run/skiff/addresses`;
  const configDir = options.cniConfigDir ?? userCniFolder(options.root);
  const mtu = (): number | undefined => options.mtu ?? readPodMtu(`${root}/run/skiff/network`);
  const plugins = (): CniConfigList => {
    const now = mtu();
    const { podCidr } = options;
    return defaultCniConfig({ bridge, podCidr, dataDir, ...(now === undefined ? {} : { mtu: now }) });
  };
  const chain = (): CniConfigList | null =>
    readUserCniConfig(configDir) ?? (options.wiring === 'cni' ? plugins() : null);
  return new NodeNetwork({
    root: options.root,
    attacher: new ChainOrBridge({
      chain,
      cni: new CniAttacher({
        config: () => chain() ?? plugins(),
        ...(options.cniFolders === undefined ? {} : { folders: options.cniFolders }),
      }),
      bridge: new BridgeAttacher({
        bridge,
        prefix,
        podCidr: options.podCidr,
        addresses: `${dataDir}/${plugins().name}`,
        shells: `${root}/run/skiff/shells/network`,
        mtu,
      }),
    }),
    podCidr: options.podCidr,
    clusterCidr: options.clusterCidr,
    ...(options.serviceCidr === undefined ? {} : { serviceCidr: options.serviceCidr }),
    nodeIps: options.nodeIps ?? [],
    bridge,
    table: options.table ?? new NftTable({ name: prefix, clock: systemClock }),
    isUsers: () => hasUserCniConfig(configDir),
  });
}

interface ChainOrBridgeParts {
  /** The chain in force, or null for the bridge. */
  readonly chain: () => CniConfigList | null;
  readonly cni: CniAttacher;
  readonly bridge: BridgeAttacher;
}

/** Wires new pods by the chain there is now, and undoes each pod with whichever wired it. */
class ChainOrBridge implements Attacher {
  readonly #parts: ChainOrBridgeParts;

  constructor(parts: ChainOrBridgeParts) {
    this.#parts = parts;
  }

  plan(request: PodNetworkRequest): Promise<unknown> {
    return this.#parts.chain() === null ? this.#parts.bridge.plan(request) : this.#parts.cni.plan();
  }

  attach(request: PodNetworkRequest, plan: unknown): Promise<Attached> {
    return this.#ownerOf(plan).attach(request, plan);
  }

  detach(request: PodNetworkRequest, state: unknown): Promise<void> {
    return this.#ownerOf(state).detach(request, state);
  }

  freeLeaked(livePodUids: ReadonlySet<string>): Promise<readonly string[]> {
    // One folder of one format, whoever wrote it.
    return this.#parts.bridge.freeLeaked(livePodUids);
  }

  killLeftovers(): Promise<void> {
    return this.#parts.bridge.killLeftovers();
  }

  async check(): Promise<string | null> {
    try {
      return this.#parts.chain() === null ? await this.#parts.bridge.check() : await this.#parts.cni.check();
    } catch (err) {
      return err instanceof Error ? err.message : String(err);
    }
  }

  #ownerOf(state: unknown): Attacher {
    return typeof state === 'object' && state !== null && 'link' in state ? this.#parts.bridge : this.#parts.cni;
  }
}
