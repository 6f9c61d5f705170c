import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { errorMessage } from '../../lib/errors.ts';
import { type ExecError, type RunResult, run } from '../../lib/exec.ts';
import type { RuleTable } from '../rules/rule-table.ts';
import type { Attacher } from './attacher.ts';
import { HostRules } from './host-rules.ts';
import { gatewayOf, isInside } from './pod-cidr.ts';
import { writePodMtu } from './pod-mtu.ts';
import { NetworkError, type PodAttachment, type PodNetwork, type PodNetworkRequest } from './pod-network.ts';
import { rangeConflicts } from './range-conflicts.ts';
import { documents, type LocalLink, linksOf, routesOf, underlayOf } from './routes/links.ts';
import { serviceRouteCommand } from './routes/node-routes.ts';
import { tunnelName } from './routes/plan.ts';

/** How to make a {@link NodeNetwork}. */
export interface NodeNetworkOptions {
  /** Files go under `<root>/run/skiff/network`. */
  readonly root: string;
  readonly attacher: Attacher;
  /** The pod range of this node, e.g. `10.42.0.0/24`: its first address is the node's own on the bridge. */
  readonly podCidr: string;
  /** The pod range of the cluster, e.g. `10.42.0.0/16`. */
  readonly clusterCidr: string;
  /** At most 15 characters. */
  readonly bridge: string;
  /** Where host ports and masquerading go; deleted by {@link NodeNetwork.stop}. */
  readonly table: RuleTable;
  /** Addresses of services, e.g. `10.43.0.0/16`, routed to the bridge; absent: not routed. */
  readonly serviceCidr?: string;
  /** Addresses of this node. */
  readonly nodeIps?: readonly string[];
  /** True while a user's own CNI chain wires pods: it brings its own link, routes and addresses. Default: never. */
  readonly isUsers?: () => boolean;
}

interface NetworkRecord {
  readonly version: number;
  readonly request: PodNetworkRequest;
  /** Which namespace it was: the same path may later be another one. */
  readonly netnsInode: number;
  /** Null while the attach has not ended: undo it, then begin anew. */
  readonly ips: readonly string[] | null;
  readonly state: unknown;
  readonly publishesHostPorts: boolean;
}

const RECORD_VERSION = 1;
/** Worse than any route a person would set, so that it only catches what nothing else does. */
const UNREACHABLE_METRIC = 4_000_000;
/** A pod's start waits no longer than this for its host ports. */
const RULES_TIMEOUT_MS = 30_000;

/**
 * The pods' network on this node: what is the same whoever does the wiring. Keeps a file per pod, the unreachable route,
 * forwarding, the bridge and the table of host ports and masquerading; everything happens in the network namespace this
 * process is in, whichever that is.
 */
export class NodeNetwork implements PodNetwork {
  readonly #options: NodeNetworkOptions;
  readonly #folder: string;
  readonly #rules: HostRules;

  constructor(options: NodeNetworkOptions) {
    if (options.bridge.length > 15) {
      throw new NetworkError(
        'BadConfig',
        `Cannot use ${options.bridge} as a link name: it is longer than 15 characters`,
      );
    }
    this.#options = options;
    this.#rules = new HostRules(options.table);
    this.#folder = `${options.root === '/' ? '' : options.root.replace(/\/$/, '')}/run/skiff/network`;
  }

  async start(): Promise<void> {
    const { bridge, clusterCidr, podCidr } = this.#options;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    await this.#options.attacher.killLeftovers();
    const isUsers = this.#options.isUsers?.() === true;
    const links = await this.#lookAround(isUsers);
    await this.#tool('ip', ['route', 'replace', 'unreachable', clusterCidr, 'metric', String(UNREACHABLE_METRIC)]);
    const { gateway, prefix } = gatewayOf(podCidr);
    if (!existsSync(`/proc/sys/net/ipv4/conf/${bridge}`)) {
      // A fixed address: otherwise the bridge takes its lowest port's, and changes it under open connections.
      await this.#tool('ip', ['link', 'add', 'name', bridge, 'address', bridgeMac(gateway), 'type', 'bridge']);
    }
    if (isUsers) await this.#leaveRangeToUser();
    // From a range that the node had before: by now it may be another node's.
    const stale = links
      .filter((link) => link.name === bridge)
      .flatMap(({ addresses }) => addresses)
      .filter(({ address }) => address !== gateway && isInside(address, clusterCidr))
      .map((old) => `addr del ${old.address}/${old.prefix} dev ${bridge}\n`);
    const own = isUsers ? '' : `${stale.join('')}addr replace ${gateway}/${prefix} dev ${bridge}\n`;
    await this.#tool('ip', ['-batch', '-'], `${own}link set ${bridge} up\n${isUsers ? '' : this.#serviceRoute()}`);
    writeFileSync(`/proc/sys/net/ipv4/conf/${bridge}/route_localnet`, '1');
    // What goes to a service and back to the bridge is no detour, and the kernel's advice uses up the rate of refusals that matter.
    for (const link of [bridge, 'all']) writeFileSync(`/proc/sys/net/ipv4/conf/${link}/send_redirects`, '0');
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    const bridgeFiltered = await filterBridges();
    this.#rules.declare({ bridge, podCidr, clusterCidr, bridgeFiltered }, this.#publishing());
    await this.#commitRules();
  }

  async setup(request: PodNetworkRequest): Promise<PodAttachment> {
    const inode = netnsInode(request.netnsPath);
    if (inode === null) {
      throw new NetworkError(
        'NotFound',
        `Cannot attach ${name(request)}: ${request.netnsPath} is not a network namespace`,
      );
    }
    const existing = this.#read(request.podUid);
    if (existing !== null && existing.ips !== null && existing.netnsInode === inode) {
      return attachment(existing, existing.ips);
    }
    if (existing !== null) {
      await this.teardown(request.podUid);
    }
    this.#refuseTakenPorts(request);
    const plan = await this.#options.attacher.plan(request);
    const intent: NetworkRecord = {
      version: RECORD_VERSION,
      request,
      netnsInode: inode,
      ips: null,
      state: plan,
      publishesHostPorts: false,
    };
    this.#write(intent);
    try {
      const { ips, state, publishesHostPorts } = await this.#options.attacher.attach(request, plan);
      this.#write({ ...intent, ips, state, publishesHostPorts });
      if ((request.hostPorts ?? []).length > 0) {
        await this.#applyRules();
      }
      return attachment(intent, ips);
    } catch (err) {
      // Best effort: when even this fails the file stays, and the next setup or the sweep undoes it.
      await this.teardown(request.podUid).catch(() => undefined);
      throw err;
    }
  }

  async teardown(podUid: string): Promise<void> {
    const record = this.#read(podUid);
    if (record === null) {
      return;
    }
    if ((record.request.hostPorts ?? []).length > 0) {
      // First the way in, then the address: nobody must be sent to the next pod that gets it.
      this.#write({ ...record, ips: null });
      await this.#applyRules();
    }
    await this.#options.attacher.detach(record.request, record.state);
    rmSync(this.#file(podUid), { force: true });
  }

  inspect(podUid: string): Promise<PodAttachment | null> {
    const record = this.#read(podUid);
    return Promise.resolve(record === null || record.ips === null ? null : attachment(record, record.ips));
  }

  list(): Promise<readonly PodAttachment[]> {
    return Promise.resolve(
      this.#records().flatMap((record) => (record.ips === null ? [] : [attachment(record, record.ips)])),
    );
  }

  async sweep(livePodUids: ReadonlySet<string>): Promise<readonly string[]> {
    const freed: string[] = [];
    for (const record of this.#records()) {
      if (!livePodUids.has(record.request.podUid)) {
        await this.teardown(record.request.podUid);
        freed.push(`attachment of ${name(record.request)}`);
      }
    }
    const kept = new Set(this.#records().map((record) => record.request.podUid));
    return [...freed, ...(await this.#options.attacher.freeLeaked(kept))];
  }

  async check(): Promise<string | null> {
    if (readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() !== '1') {
      return 'the kernel does not forward packets (net.ipv4.ip_forward is 0)';
    }
    const { bridge } = this.#options;
    if (!existsSync(`/proc/sys/net/ipv4/conf/${bridge}`)) {
      return `the bridge ${bridge} is gone`;
    }
    return this.#options.attacher.check();
  }

  async stop(): Promise<void> {
    const { bridge, clusterCidr, table } = this.#options;
    await table.teardown();
    await run('ip', ['route', 'del', 'unreachable', clusterCidr, 'metric', String(UNREACHABLE_METRIC)], {
      okExitCodes: 'any',
    });
    if (existsSync(`/proc/sys/net/ipv4/conf/${bridge}`) && !(await this.#hasPorts())) {
      await run('ip', ['link', 'del', bridge], { okExitCodes: 'any' });
    }
  }

  /** Refuses ranges that this machine uses for something else; sees how long packets may be. */
  async #lookAround(isUsers: boolean): Promise<readonly LocalLink[]> {
    const { bridge, clusterCidr, serviceCidr, nodeIps = [], table } = this.#options;
    const { stdout } = await this.#tool(
      'ip',
      ['-j', '-4', '-d', '-batch', '-'],
      'addr show up\nroute show table main\n',
    );
    const [addresses = [], routes = []] = documents(stdout);
    const links = linksOf(addresses);
    const ranges = [
      // A user's own chain may well use the pod range: it is what the Node says.
      ...(isUsers ? [] : [{ what: 'the pod range', cidr: clusterCidr, option: '--cluster-cidr' }]),
      ...(serviceCidr === undefined
        ? []
        : [{ what: 'the service range', cidr: serviceCidr, option: '--service-cidr' }]),
    ];
    const conflicts = rangeConflicts(ranges, { links, routes: routesOf(routes) }, [bridge, tunnelName(table.name)]);
    if (conflicts.length > 0) {
      throw new NetworkError('BadConfig', `Cannot ready the node's network: ${conflicts.join('; ')}`);
    }
    const underlay = underlayOf(links, nodeIps);
    if (underlay !== undefined) writePodMtu(this.#folder, underlay.mtu);
    return links;
  }

  #serviceRoute(): string {
    const { bridge, podCidr, serviceCidr } = this.#options;
    return serviceCidr === undefined ? '' : `${serviceRouteCommand({ bridge, podCidr, serviceCidr })}\n`;
  }

  /** Takes our own address off the bridge, once no pod of ours needs it: the user's link may have it. */
  async #leaveRangeToUser(): Promise<void> {
    const { bridge, podCidr } = this.#options;
    const { gateway, prefix } = gatewayOf(podCidr);
    if (await this.#hasPorts()) return;
    await run('ip', ['addr', 'del', `${gateway}/${prefix}`, 'dev', bridge], { okExitCodes: 'any' });
  }

  /** Not by /sys/class/net: that shows the namespace it was mounted from, not ours. */
  async #hasPorts(): Promise<boolean> {
    const { stdout } = await run('ip', ['-o', 'link', 'show', 'master', this.#options.bridge], { okExitCodes: 'any' });
    return stdout.trim() !== '';
  }

  #applyRules(): Promise<void> {
    this.#rules.setPods(this.#publishing());
    return this.#commitRules();
  }

  async #commitRules(): Promise<void> {
    try {
      await this.#options.table.commit(AbortSignal.timeout(RULES_TIMEOUT_MS));
    } catch (err) {
      throw cannotReady(err);
    }
  }

  /** Pods whose host ports are rules of ours. */
  #publishing(): readonly PodAttachment[] {
    return this.#records().flatMap((record) =>
      record.ips === null || record.publishesHostPorts ? [] : [attachment(record, record.ips)],
    );
  }

  #refuseTakenPorts(request: PodNetworkRequest): void {
    for (const port of request.hostPorts ?? []) {
      const any = (ip: string | undefined): boolean => ip === undefined || ip === '' || ip === '0.0.0.0';
      const holder = this.#records().find((record) =>
        (record.request.hostPorts ?? []).some(
          (other) =>
            other.hostPort === port.hostPort &&
            other.protocol === port.protocol &&
            (other.hostIP === port.hostIP || (any(other.hostIP) && any(port.hostIP))),
        ),
      );
      if (holder !== undefined && holder.request.podUid !== request.podUid) {
        throw new NetworkError(
          'Failed',
          `Cannot attach ${name(request)}: ${name(holder.request)} has host port ${port.hostPort}/${port.protocol}`,
        );
      }
    }
  }

  async #tool(program: string, args: readonly string[], input?: string): Promise<RunResult> {
    try {
      return await run(program, args, { timeoutMs: 30_000, ...(input === undefined ? {} : { input }) });
    } catch (err) {
      throw cannotReady(err);
    }
  }

  #file(podUid: string): string {
    return `${this.#folder}/${podUid}.json`;
  }

  #read(podUid: string): NetworkRecord | null {
    try {
      const record: NetworkRecord = JSON.parse(readFileSync(this.#file(podUid), 'utf8'));
      return record.version === RECORD_VERSION ? record : null;
    } catch {
      return null;
    }
  }

  #records(): readonly NetworkRecord[] {
    try {
      return readdirSync(this.#folder)
        .filter((file) => file.endsWith('.json'))
        .flatMap((file) => this.#read(file.slice(0, -'.json'.length)) ?? []);
    } catch {
      return [];
    }
  }

  #write(record: NetworkRecord): void {
    const file = this.#file(record.request.podUid);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.tmp`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${file}.tmp`, file);
  }
}

function cannotReady(err: unknown): NetworkError {
  const code = (err as Partial<ExecError>).code === 'MissingTool' ? 'MissingTool' : 'Failed';
  return new NetworkError(code, `Cannot ready the node's network: ${errorMessage(err)}`, { cause: err });
}

/**
 * Has packets between two ports of a bridge pass the kernel's filters and its translation, and says whether they do. Without the
 * module, which a machine may lack, they do not.
 */
async function filterBridges(): Promise<boolean> {
  const file = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  if (!existsSync(file)) await run('modprobe', ['-q', 'br_netfilter'], { okExitCodes: 'any' }).catch(() => undefined);
  try {
    writeFileSync(file, '1');
    return readFileSync(file, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

function attachment(record: NetworkRecord, ips: readonly string[]): PodAttachment {
  const { podUid, podName, podNamespace, netnsPath, hostPorts } = record.request;
  return { podUid, podName, podNamespace, netnsPath, ips, hostPorts: hostPorts ?? [] };
}

function name(request: PodNetworkRequest): string {
  return `pod ${request.podNamespace}/${request.podName}`;
}

function netnsInode(path: string): number | null {
  try {
    return statSync(path).ino;
  } catch {
    return null;
  }
}

/** A locally administered address made from the gateway's. */
function bridgeMac(gateway: string): string {
  return ['0a', '58', ...gateway.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))].join(':');
}
