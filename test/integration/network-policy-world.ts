/** A node with pods in network namespaces of a test's own, for network policies: no containers, only their networks. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { forgetRun, newRun, type TestRun } from '../harness/run.ts';

const exec = promisify(execFile);

/** Why such a node cannot be had here; null when it can. */
export function whyNoPolicyWorld(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const tool of ['nft', 'ip', 'nsenter', 'unshare', 'socat']) {
    try {
      execFileSync('which', [tool], { stdio: 'ignore' });
    } catch {
      return `needs ${tool}`;
    }
  }
  return existsSync('/proc/sys/net/bridge') ? null : 'needs the kernel module br_netfilter';
}

/** See the top of the file. */
export class PolicyWorld {
  readonly run: TestRun = newRun();
  readonly bridge = `sk${this.run.id}0`;
  readonly #mounts: string[] = [];
  readonly #servers: ChildProcess[] = [];

  /** A node with a bridge, and `outside` beyond it: 192.0.2.2 and 192.0.2.130. Bridged packets pass no rules as yet. */
  constructor() {
    const { bridge } = this;
    this.#namespace('node');
    this.#namespace('outside');
    this.sh(
      'node',
      `echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables; echo 1 >/proc/sys/net/ipv4/ip_forward
      ip link add ${bridge} type bridge; ip addr add 10.231.7.1/24 dev ${bridge}; ip link set ${bridge} up
      ip link add uplink type veth peer name wire netns ${this.netns('outside')}
      ip addr add 192.0.2.1/24 dev uplink; ip link set uplink up`,
    );
    this.sh(
      'outside',
      `ip addr add 192.0.2.2/24 dev wire; ip addr add 192.0.2.130/24 dev wire; ip link set wire up
      ip route add default via 192.0.2.1`,
    );
  }

  /** A namespace with this address on the bridge. */
  addPod(name: string, ip: string): void {
    this.#namespace(name);
    this.sh(
      'node',
      `ip link add v${name} type veth peer name eth0 netns ${this.netns(name)}
      ip link set v${name} master ${this.bridge}; ip link set v${name} type bridge_slave hairpin on; ip link set v${name} up`,
    );
    this.sh(name, `ip link set eth0 up; ip addr add ${ip}/24 dev eth0; ip route add default via 10.231.7.1`);
  }

  /** Says its name on these TCP ports. */
  async serve(name: string, ...ports: readonly number[]): Promise<void> {
    for (const port of ports) await this.#listen(name, port, ['EXEC:"echo hello"']);
  }

  /** Says back what it hears, for as long as the connection lasts. */
  echo(name: string, port: number): Promise<void> {
    return this.#listen(name, port, ['PIPE']);
  }

  async #listen(name: string, port: number, to: readonly string[]): Promise<void> {
    this.#servers.push(this.#socat(name, [`TCP-LISTEN:${port},fork,reuseaddr`, ...to]));
    const isListening = (): boolean => this.sh(name, `ss -Hltn sport = :${port}`) !== '';
    for (let attempt = 0; !isListening(); attempt += 1) {
      if (attempt > 200) throw new Error(`nobody listens on port ${port} of ${name}`);
    }
  }

  /** Whether a new connection is answered. `from` may be `name%address`. */
  async reaches(from: string, ip: string, port: number): Promise<boolean> {
    const [name = '', bind] = from.split('%');
    const to = `TCP:${ip}:${port},connect-timeout=0.4${bind === undefined ? '' : `,bind=${bind}`}`;
    const { stdout } = await exec('nsenter', [`--net=${this.netns(name)}`, 'socat', '-u', to, '-'], {
      timeout: 3_000,
    }).catch(() => ({ stdout: '' }));
    return stdout === 'hello\n';
  }

  /** A connection that stays: `ask` sends a line and resolves with what comes back. */
  connect(from: string, ip: string, port: number): { ask: (line: string) => Promise<string>; end: () => void } {
    const child = this.#socat(from, ['-', `TCP:${ip}:${port}`]);
    this.#servers.push(child);
    return {
      ask: async (line) => {
        child.stdin?.write(`${line}\n`);
        const [answer] = (await once(child.stdout ?? child, 'data', { signal: AbortSignal.timeout(3_000) })) as [
          Buffer,
        ];
        return answer.toString().trim();
      },
      end: () => void child.kill(),
    };
  }

  /** Runs a script in a namespace. */
  sh(name: string, script: string): string {
    return execFileSync('nsenter', [`--net=${this.netns(name)}`, 'sh', '-ec', script], { encoding: 'utf8' });
  }

  /** What goes before a program to run it on the node. */
  get enterNode(): readonly string[] {
    return ['nsenter', `--net=${this.netns('node')}`];
  }

  /** The file of a namespace. */
  netns(name: string): string {
    return join(this.run.dir, `${name}.net`);
  }

  /** Ends and removes everything. */
  async close(): Promise<void> {
    const running = this.#servers.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ended = running.map((child) => once(child, 'exit'));
    for (const child of this.#servers) if (child.pid !== undefined) killGroup(child.pid);
    await Promise.all(ended);
    for (const path of this.#mounts) execFileSync('umount', ['--lazy', path]);
    forgetRun(this.run);
  }

  #socat(name: string, args: readonly string[]): ChildProcess {
    // Named after the run, by which it is found should this process be killed.
    const argv = ['socat', '-lp', join(this.run.dir, 'socat'), ...args];
    return spawn('nsenter', [`--net=${this.netns(name)}`, ...argv], {
      stdio: ['pipe', 'pipe', 'ignore'],
      // With the connections it forks into processes of their own.
      detached: true,
    });
  }

  #namespace(name: string): void {
    const path = this.netns(name);
    writeFileSync(path, '');
    execFileSync('unshare', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up']);
    this.#mounts.push(path);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
