/** Three machines in small, as network namespaces on two segments with a router between: the pod network across nodes. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import type { FeatureCondition, NodePlace } from '../../node-agent/features/node-feature.ts';
import type { PodAttachment } from '../../node-agent/network/pod-network.ts';
import type { corev1 } from '../../proto/index.ts';
import { forgetRun, newRun, type TestRun } from '../harness/run.ts';

const exec = promisify(execFile);

/** Port of all agents. */
export const AGENT_PORT = 7450;

/** Why such machines cannot be had here; null when they can. */
export function whyNoPodNetwork(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const tool of ['nft', 'ip', 'bridge', 'nsenter', 'unshare', 'socat', 'setpriv']) {
    try {
      execFileSync('which', [tool], { stdio: 'ignore' });
    } catch {
      return `needs ${tool}`;
    }
  }
  return null;
}

/** A pod: only its network. */
export interface TestPod {
  readonly netns: string;
  readonly ip: string;
}

/** One machine and the program that keeps its pod network. */
export class TestNode {
  readonly name: string;
  podCidr: string;
  readonly root: string;
  ip: string;
  readonly #world: PodNetworkWorld;
  readonly #index: number;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (err: unknown) => void }>();
  #calls = 0;
  #pods = 0;

  constructor(world: PodNetworkWorld, index: number, ip: string) {
    this.#world = world;
    this.#index = index;
    this.name = `n${index}`;
    this.podCidr = `10.42.${index}.0/24`;
    this.root = join(world.run.dir, this.name);
    this.ip = ip;
  }

  /** Begins the names of its links. */
  get prefix(): string {
    return `p${this.#index}${this.#world.run.id}`.slice(0, 7);
  }

  get netns(): string {
    return this.#world.netns(this.name);
  }

  /** The object as the cluster has it. */
  object(): corev1.Node {
    return {
      metadata: { name: this.name },
      spec: { podCIDR: this.podCidr, podCIDRs: [this.podCidr] },
      status: {
        addresses: [
          { type: 'InternalIP', address: this.ip },
          { type: 'Hostname', address: this.name },
        ],
        conditions: [{ type: 'Ready', status: 'True' }],
        daemonEndpoints: { kubeletEndpoint: { Port: AGENT_PORT } },
      },
    };
  }

  /** Starts the program, not yet the network. */
  async boot(): Promise<void> {
    const place: Partial<NodePlace> = {
      name: this.name,
      ips: [this.ip],
      podCidr: this.podCidr,
      clusterCidr: '10.42.0.0/16',
      serviceCidr: '10.43.0.0/16',
      bridge: `${this.prefix}0`,
      linkPrefix: this.prefix,
      runDir: join(this.root, 'run/skiff'),
      dataDir: join(this.root, 'var/lib/skiff'),
    };
    mkdirSync(this.root, { recursive: true });
    const config = JSON.stringify({ root: this.root, place, port: AGENT_PORT });
    const argv = [`--net=${this.netns}`, process.execPath, this.#world.driver, config];
    const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
    child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the program of ${this.name} ended`));
    });
    const ready = this.#answer(0);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: string };
      if (error === undefined) this.#waiting.get(id)?.resolve(result);
      else this.#waiting.get(id)?.reject(new Error(error));
      this.#waiting.delete(id);
    });
    await ready;
  }

  call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    this.#calls += 1;
    const answer = this.#answer(this.#calls);
    this.#child?.stdin?.write(`${JSON.stringify({ id: this.#calls, method, args })}\n`);
    return answer as Promise<T>;
  }

  /** The condition that its Node would have, as `True reason message`. */
  async condition(): Promise<string> {
    const [condition] = await this.call<readonly FeatureCondition[]>('conditions');
    return condition === undefined ? 'none' : `${condition.status} ${condition.reason} ${condition.message}`;
  }

  /** A pod of this node. */
  async pod(): Promise<TestPod> {
    this.#pods += 1;
    const name = `${this.name}p${this.#pods}`;
    this.#world.namespace(name);
    const netns = this.#world.netns(name);
    const request = { podUid: `uid-${name}`, podName: name, podNamespace: 'default', netnsPath: netns };
    const { ips } = await this.call<PodAttachment>('setup', request);
    return { netns, ip: ips[0] ?? '' };
  }

  /** Runs a script on the machine. */
  sh(script: string): string {
    return this.#world.sh(this.name, script);
  }

  /** The routes of ours, a line each, without our mark. */
  routes(): readonly string[] {
    return this.sh('ip route show proto 83')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  }

  async end(): Promise<void> {
    this.#child?.stdin?.end();
    await this.#ended;
  }

  #answer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }
}

/** See the top of the file. */
export class PodNetworkWorld {
  readonly run: TestRun = newRun();
  readonly driver = join(this.run.dir, 'driver.mjs');
  readonly nodes: TestNode[] = [];
  readonly #mounts: string[] = [];
  readonly #servers: ChildProcess[] = [];

  /** The two segments: `lan1` is 192.0.2.0/24, `lan2` 198.51.100.0/24; the fabric routes between them. */
  static async start(): Promise<PodNetworkWorld> {
    const world = new PodNetworkWorld();
    await build({
      entryPoints: [join(import.meta.dirname, 'pod-network-driver.ts')],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: world.driver,
      // grpc-js, which is required, requires others.
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      logLevel: 'silent',
    });
    world.namespace('fabric');
    world.sh(
      'fabric',
      `echo 1 >/proc/sys/net/ipv4/ip_forward
      ip link add lan1 type bridge; ip addr add 192.0.2.1/24 dev lan1; ip link set lan1 up
      ip link add lan2 type bridge; ip addr add 198.51.100.1/24 dev lan2; ip link set lan2 up`,
    );
    return world;
  }

  /** A machine on a segment, not booted yet. */
  addNode(lan: 'lan1' | 'lan2', host: number): TestNode {
    const index = this.nodes.length + 1;
    const node = new TestNode(this, index, `${lan === 'lan1' ? '192.0.2' : '198.51.100'}.${host}`);
    this.nodes.push(node);
    this.namespace(node.name);
    this.sh(
      'fabric',
      `ip link add to-${node.name} type veth peer name eth0 netns ${node.netns}
      ip link set to-${node.name} master ${lan} up`,
    );
    this.sh(node.name, `ip link set eth0 up; ${addressLines(node.ip)}`);
    return node;
  }

  /** Takes a machine to the other segment, with an address there. */
  move(node: TestNode, lan: 'lan1' | 'lan2', host: number): void {
    node.ip = `${lan === 'lan1' ? '192.0.2' : '198.51.100'}.${host}`;
    this.sh('fabric', `ip link set to-${node.name} master ${lan}`);
    this.sh(node.name, `ip -4 addr flush dev eth0; ${addressLines(node.ip)}`);
  }

  /** Tells every machine which nodes there are. */
  async tell(nodes: readonly TestNode[] = this.nodes): Promise<void> {
    await Promise.all(
      this.nodes.map((node) =>
        node.call(
          'nodes',
          nodes.map((other) => other.object()),
        ),
      ),
    );
  }

  /** Says on this port of a pod, or of a machine's namespace, from which address it is called. */
  async serve({ netns }: { readonly netns: string }, port: number): Promise<void> {
    await this.#listen(netns, port, [`TCP-LISTEN:${port},fork,reuseaddr`, 'SYSTEM:echo $SOCAT_PEERADDR']);
  }

  /** Counts what it is sent, in one connection, and says how much it was. */
  async count({ netns }: TestPod, port: number): Promise<void> {
    await this.#listen(netns, port, [`TCP-LISTEN:${port},fork,reuseaddr`, 'SYSTEM:wc -c']);
  }

  async #listen(netns: string, port: number, args: readonly string[]): Promise<void> {
    // By the file it logs to, the sweep after a killed run finds it.
    const named = ['socat', `-lf${this.run.dir}/socat.log`, ...args];
    this.#servers.push(
      spawn('nsenter', [`--net=${netns}`, ...named], { stdio: ['ignore', 'ignore', 'ignore'], detached: true }),
    );
    for (let attempt = 0; shIn(netns, `ss -Hltn sport = :${port}`) === ''; attempt += 1) {
      if (attempt > 200) throw new Error(`nobody listens on port ${port}`);
    }
  }

  /** What a connection is answered; empty when it is not. With `input`, that is sent first. */
  async ask(
    { netns }: { readonly netns: string },
    ip: string,
    port: number,
    input?: { readonly bytes: number },
  ): Promise<string> {
    const to = `TCP:${ip}:${port},connect-timeout=0.5`;
    const script = input === undefined ? `socat -u ${to} -` : `head -c ${input.bytes} /dev/zero | socat -t 3 - ${to}`;
    const { stdout } = await exec('nsenter', [`--net=${netns}`, 'sh', '-c', script], { timeout: 5_000 }).catch(() => ({
      stdout: '',
    }));
    return stdout.trim();
  }

  netns(name: string): string {
    return join(this.run.dir, `${name}.net`);
  }

  sh(name: string, script: string): string {
    return shIn(this.netns(name), script);
  }

  namespace(name: string): void {
    const path = this.netns(name);
    writeFileSync(path, '');
    execFileSync('unshare', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up']);
    this.#mounts.push(path);
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end()));
    for (const { pid } of this.#servers) {
      try {
        if (pid !== undefined) process.kill(-pid, 'SIGKILL');
      } catch {
        // It has ended already.
      }
    }
    for (const path of this.#mounts) execFileSync('umount', ['--lazy', path]);
    forgetRun(this.run);
  }
}

function addressLines(ip: string): string {
  return `ip addr add ${ip}/24 dev eth0; ip route replace default via ${ip.replace(/\.\d+$/, '.1')}`;
}

function shIn(netns: string, script: string): string {
  return execFileSync('nsenter', [`--net=${netns}`, 'sh', '-ec', script], { encoding: 'utf8', stdio: 'pipe' });
}
