import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { ShellPool } from '../runtime/shell-pool.ts';
import { AddressStore } from './address-store.ts';
import type { Attached, Attacher } from './attacher.ts';
import { gatewayOf } from './pod-cidr.ts';
import { NetworkError, type PodNetworkRequest } from './pod-network.ts';

/** How to make a {@link BridgeAttacher}. */
export interface BridgeAttacherOptions {
  /** Exists already, with the gateway's address. */
  readonly bridge: string;
  /** Begins the names of the pods' links. */
  readonly prefix: string;
  readonly podCidr: string;
  /** Folder of the address files. */
  readonly addresses: string;
  /** Folder for the pids of the shells that run iproute2. */
  readonly shells: string;
  /** Longest packet of a pod's link, in bytes, asked for each pod; the kernel's default without. */
  readonly mtu?: () => number | undefined;
}

interface BridgeState {
  readonly link: string;
}

const TIMEOUT_MS = 30_000;

/**
 * $1 namespace, $2 link, $3 bridge, $4 address with prefix, $5 gateway, $6 "mtu N" or nothing. A pair of links with one end
 * in the pod from the start, then the pod's own end: two programs in all.
 */
const ATTACH = `set -e
ip link add "$2" $6 type veth peer name eth0 $6 netns "$1"
ip -batch - <<END
link set $2 master $3
link set $2 type bridge_slave hairpin on
link set $2 up
END
nsenter --net="$1" ip -batch - <<END
link set lo up
link set eth0 up
addr add $4 brd + dev eth0
route add default via $5
END`;

/**
 * Attaches pods to the node's bridge by iproute2, addresses from files: what the CNI plugins bridge and host-local do, at a
 * third of the cost, since two programs of a few hundred kilobytes start faster than two Go runtimes.
 */
export class BridgeAttacher implements Attacher {
  readonly #options: BridgeAttacherOptions;
  readonly #addresses: AddressStore;
  readonly #shells: ShellPool;

  constructor(options: BridgeAttacherOptions) {
    this.#options = options;
    this.#shells = new ShellPool(options.shells);
    this.#addresses = new AddressStore(options.addresses, options.podCidr);
  }

  plan(request: PodNetworkRequest): Promise<BridgeState> {
    const hash = createHash('sha256').update(request.podUid).digest('hex').slice(0, 8);
    return Promise.resolve({ link: `${this.#options.prefix.slice(0, 7)}${hash}` });
  }

  async attach(request: PodNetworkRequest, plan: unknown): Promise<Attached> {
    const { bridge, podCidr } = this.#options;
    const mtu = this.#options.mtu?.();
    const { link } = asState(plan);
    const address = this.#addresses.reserve(request.podUid);
    const what = `Cannot attach pod ${request.podNamespace}/${request.podName}`;
    if (address === null) {
      throw new NetworkError('NoAddress', `${what}: every address of ${podCidr} is in use`);
    }
    const { gateway, prefix } = gatewayOf(podCidr);
    await this.#run(
      ATTACH,
      [request.netnsPath, link, bridge, `${address}/${prefix}`, gateway, mtu === undefined ? '' : `mtu ${mtu}`],
      what,
    );
    return { ips: [address], state: { link }, publishesHostPorts: false };
  }

  async detach(request: PodNetworkRequest, state: unknown): Promise<void> {
    const { link } = asState(state);
    // The link goes with its namespace, but a moment later; the address must not be given again before.
    if (existsSync(`/proc/sys/net/ipv4/conf/${link}`)) {
      await this.#run(
        'ip link del "$1" 2>&1 || [ ! -e "/proc/sys/net/ipv4/conf/$1" ]',
        [link],
        `Cannot detach pod ${request.podNamespace}/${request.podName}`,
      );
    }
    this.#addresses.release(request.podUid);
  }

  freeLeaked(livePodUids: ReadonlySet<string>): Promise<readonly string[]> {
    return Promise.resolve(this.#addresses.releaseOthers(livePodUids));
  }

  killLeftovers(): Promise<void> {
    return this.#shells.killLeftovers();
  }

  check(): Promise<string | null> {
    return Promise.resolve(null);
  }

  async #run(script: string, argv: readonly string[], what: string): Promise<void> {
    const { exitCode, output } = await this.#shells
      .run({ script, argv, timeoutMs: TIMEOUT_MS })
      .catch((err: unknown) => {
        throw new NetworkError('Failed', `${what}: ${String(err)}`, { cause: err });
      });
    if (exitCode === 127) {
      throw new NetworkError('MissingTool', `${what}: ${output} (on Debian: iproute2 and util-linux)`);
    }
    if (exitCode !== 0) {
      throw new NetworkError('Failed', `${what}: ${output || `exit code ${exitCode}`}`);
    }
  }
}

function asState(state: unknown): BridgeState {
  if (typeof state === 'object' && state !== null && 'link' in state && typeof state.link === 'string') {
    return { link: state.link };
  }
  throw new NetworkError(
    'Failed',
    'Cannot use the saved network state of a pod: it was not written by the built-in bridge',
  );
}
