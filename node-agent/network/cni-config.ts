import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NetworkError } from './pod-network.ts';

/** A chain of CNI plugins. Each plugin's own fields are kept as they are. */
export interface CniConfigList {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly CniPluginConfig[];
}

/** One plugin of a chain: `type` is the program's name. */
export interface CniPluginConfig {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
  readonly [field: string]: unknown;
}

/** The user's own network: the first `.conflist`, `.conf` or `.json` of the folder by name; null when there is none. */
export function readUserCniConfig(folder: string): CniConfigList | null {
  let names: readonly string[];
  try {
    names = readdirSync(folder)
      .filter((name) => /\.(conflist|conf|json)$/.test(name))
      .sort();
  } catch {
    return null;
  }
  const [first] = names;
  return first === undefined ? null : parseCniConfig(readFileSync(join(folder, first), 'utf8'), join(folder, first));
}

/** Where a user's own network is looked for. */
export function userCniFolder(root: string): string {
  return join(root, 'etc/cni/net.d');
}

/** Whether the user brings a network, were it one that cannot be read. */
export function hasUserCniConfig(folder: string): boolean {
  try {
    return readUserCniConfig(folder) !== null;
  } catch {
    return true;
  }
}

/** A `.conflist`, or a `.conf` with a single plugin, as a chain. Throws `BadConfig` naming the file. */
export function parseCniConfig(text: string, file: string): CniConfigList {
  let parsed: Partial<CniConfigList> & Partial<CniPluginConfig>;
  try {
    parsed = JSON.parse(text);
  } catch (err) {
    throw new NetworkError('BadConfig', `Cannot read the CNI configuration ${file}: ${String(err)}`, { cause: err });
  }
  const { name, cniVersion, plugins, type } = parsed;
  const chain = plugins ?? (type === undefined ? undefined : [{ ...parsed, type }]);
  if (typeof name !== 'string' || name === '') {
    throw new NetworkError('BadConfig', `Cannot use the CNI configuration ${file}: it has no name`);
  }
  if (!Array.isArray(chain) || chain.length === 0 || chain.some((plugin) => typeof plugin?.type !== 'string')) {
    throw new NetworkError('BadConfig', `Cannot use the CNI configuration ${file}: it names no plugins`);
  }
  return { cniVersion: typeof cniVersion === 'string' ? cniVersion : '0.4.0', name, plugins: chain };
}

/** The chain used when the user has none: a bridge with the node's pod range, addresses by host-local. */
export function defaultCniConfig(options: {
  readonly bridge: string;
  readonly podCidr: string;
  readonly dataDir: string;
  readonly mtu?: number;
}): CniConfigList {
  return {
    cniVersion: '0.4.0',
    name: 'skiff',
    plugins: [
      {
        type: 'bridge',
        bridge: options.bridge,
        isGateway: true,
        hairpinMode: true,
        ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: options.podCidr }]],
          routes: [{ dst: '0.0.0.0/0' }],
          dataDir: options.dataDir,
        },
      },
    ],
  };
}
