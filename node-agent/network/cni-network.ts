import { CniAttacher } from './cni-attacher.ts';
import { type CniConfigList, defaultCniConfig, readUserCniConfig } from './cni-config.ts';
import { NodeNetwork } from './node-network.ts';

/** How to make the pod network of a node. */
export interface CniNetworkOptions {
  /** Files go under `<root>/run/skiff`; a user's chain is looked for in `cniConfigDir`. */
  readonly root: string;
  /** The pod range of this node, e.g. `10.42.0.0/24`. */
  readonly podCidr: string;
  /** The pod range of the cluster, e.g. `10.42.0.0/16`. */
  readonly clusterCidr: string;
  /** Begins the names of our links and is the name of our nftables table; at most 12 characters. Default `skiff`. */
  readonly prefix?: string;
  /** A `.conflist` or `.conf` here wins over the built-in chain. Default `<root>/etc/cni/net.d`. */
  readonly cniConfigDir?: string;
  /** Where plugins are looked for, in this order. */
  readonly cniFolders?: readonly string[];
  readonly mtu?: number;
}

/** The pod network by CNI: the user's own chain when there is one, otherwise bridge and host-local. Starts nothing yet. */
export function createCniNetwork(options: CniNetworkOptions): NodeNetwork {
  const root = options.root === '/' ? '' : options.root.replace(/\/$/, '');
  const prefix = options.prefix ?? 'skiff';
  const bridge = `${prefix}0`;
  const dataDir = `${root}/run/skiff/addresses`;
  const configDir = options.cniConfigDir ?? `${root}/etc/cni/net.d`;
  const builtIn = defaultCniConfig({
    bridge,
    podCidr: options.podCidr,
    dataDir,
    ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
  });
  const config = (): CniConfigList => readUserCniConfig(configDir) ?? builtIn;
  let ownBridge = true;
  try {
    ownBridge = readUserCniConfig(configDir) === null;
  } catch {
    // A broken file of the user's: `check` reports it, and no pod is attached behind their back.
    ownBridge = false;
  }
  return new NodeNetwork({
    root: options.root,
    attacher: new CniAttacher({
      config,
      dataDir,
      ...(options.cniFolders === undefined ? {} : { folders: options.cniFolders }),
    }),
    podCidr: options.podCidr,
    clusterCidr: options.clusterCidr,
    bridge,
    table: prefix,
    ownBridge,
  });
}
