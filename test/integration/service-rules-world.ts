/**
 * A node as a network namespace with pods on a bridge, a client outside the cluster, and a pod on another node; the service proxy runs
 * here and works on the node's kernel.
 *
 *   outside 192.0.2.2 ── 192.0.2.1 node 10.42.1.1 ─┬ a 10.42.1.2
 *   far 198.51.100.2 ── 198.51.100.1 ┘             ├ b 10.42.1.3
 *     └ 10.42.2.2, as if routed                    └ c 10.42.1.4
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { systemClock } from '../../lib/clock.ts';
import { clusterView } from '../../node-agent/features/cluster-view.ts';
import { HostRules } from '../../node-agent/network/host-rules.ts';
import { createServiceProxy, type ServiceProxy } from '../../node-agent/proxy/service-proxy.ts';
import { NftTable } from '../../node-agent/rules/nft-table.ts';
import { type corev1, type discoveryv1, KINDS } from '../../proto/index.ts';
import { forgetRun, newRun } from '../harness/run.ts';

/** Why namespaces with rules cannot be had here; null when they can. */
export function whyNoNamespaces(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const tool of ['nft', 'ip', 'nsenter', 'socat', 'conntrack']) {
    try {
      execFileSync('which', [tool], { stdio: 'ignore' });
    } catch {
      return `needs ${tool}`;
    }
  }
  return null;
}

/** Who there is besides the node, and where. */
export const ADDRESSES = { a: '10.42.1.2', b: '10.42.1.3', c: '10.42.1.4', far: '10.42.2.2', outside: '192.0.2.2' };
/** A namespace of the world. */
export type Place = keyof typeof ADDRESSES | 'node';
const PLACES: readonly Place[] = ['node', 'a', 'b', 'c', 'far', 'outside'];

/** An endpoint of a test's slice. */
export interface TestEndpoint {
  readonly at: 'a' | 'b' | 'c' | 'far';
  readonly ready?: boolean;
  readonly terminating?: boolean;
}

/** How to dial. */
export interface DialOptions {
  readonly udp?: boolean;
  readonly fromPort?: number;
  /** Then it is silence. */
  readonly patienceSeconds?: number;
}

/** Says its own name and the client's address, by TCP on 8080 and by UDP on 8053. */
const SERVER = `
  const line = (address) => process.argv[1] + ' ' + address + '\\n';
  require('net').createServer((socket) => {
    socket.on('error', () => {});
    socket.end(line(socket.remoteAddress));
  }).listen(8080, '0.0.0.0');
  const socket = require('dgram').createSocket('udp4');
  socket.on('message', (_data, { address, port }) => socket.send(line(address), port, address));
  socket.bind(8053);
`;

/** See the top of the file. */
export class ServiceWorld {
  readonly #run = newRun();
  readonly #servers: ChildProcess[] = [];
  readonly #stop = new AbortController();
  readonly client = new MemoryResourceClient();
  readonly view = clusterView({
    client: this.client,
    clock: systemClock,
    log: { debug: () => undefined, warn: () => undefined },
  });
  readonly said: string[] = [];
  readonly table: NftTable;
  readonly proxy: ServiceProxy;
  #running: Promise<unknown> = Promise.resolve();

  constructor() {
    const say = (fields: object, message: string): void => {
      const { err } = fields as { readonly err?: unknown };
      this.said.push(err instanceof Error ? `${message}: ${err.message}` : message);
    };
    const log = { debug: say, info: say, warn: say };
    const enter = this.enter('node');
    this.table = new NftTable({ name: `t${this.#run.id}`, clock: systemClock, log, enter });
    this.proxy = createServiceProxy({
      place: { name: 'n1', clusterCidr: '10.42.0.0/16', serviceCidr: '10.43.0.0/16', dnsAddress: '10.43.0.10' },
      view: this.view,
      table: this.table,
      clock: systemClock,
      log,
      enter,
    });
  }

  /** What goes before a program to run it at a place. */
  enter(place: Place): string[] {
    return ['nsenter', `--net=/run/netns/${this.netns(place)}`];
  }

  netns(place: Place): string {
    return `sv${this.#run.id}${place}`;
  }

  /** Wires everything, starts the servers and the proxy. */
  async start(): Promise<void> {
    for (const place of PLACES) {
      execFileSync('ip', ['netns', 'add', this.netns(place)]);
      this.at(place, 'ip link set lo up');
    }
    this.at('node', 'ip link add br0 type bridge; ip addr add 10.42.1.1/24 dev br0; ip link set br0 up');
    // As the node's network does it.
    this.at('node', 'sysctl -qw net.ipv4.ip_forward=1');
    this.at('node', 'sysctl -qw net.ipv4.conf.br0.send_redirects=0 net.ipv4.conf.all.send_redirects=0');
    this.at('node', 'ip route add 10.43.0.0/16 dev br0 src 10.42.1.1');
    for (const pod of ['a', 'b', 'c'] as const) {
      this.#wire(pod, ADDRESSES[pod], '10.42.1.1');
      this.at('node', `ip link set to-${pod} master br0 up; ip link set to-${pod} type bridge_slave hairpin on`);
    }
    this.#wire('outside', ADDRESSES.outside, '192.0.2.1');
    this.at('node', 'ip addr add 192.0.2.1/24 dev to-outside; ip link set to-outside up');
    this.#wire('far', '198.51.100.2', '198.51.100.1');
    this.at('far', `ip addr add ${ADDRESSES.far}/32 dev lo`);
    this.at('node', 'ip addr add 198.51.100.1/24 dev to-far; ip link set to-far up');
    this.at('node', `ip route add ${ADDRESSES.far} via 198.51.100.2`);
    for (const pod of ['a', 'b', 'c', 'far'] as const) this.#serve(pod);
    const host = { bridge: 'br0', podCidr: '10.42.1.0/24', clusterCidr: '10.42.0.0/16', bridgeFiltered: true };
    new HostRules(this.table).declare(host, []);
    await this.table.commit();
    const { signal } = this.#stop;
    this.#running = Promise.all([
      this.view.services.run(signal),
      this.view.endpointSlices.run(signal),
      this.table.run(signal),
      this.proxy.run(signal),
    ]);
  }

  /** Ends everything; nothing of it is left. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    for (const server of this.#servers) server.kill('SIGKILL');
    for (const place of PLACES) execFileSync('ip', ['netns', 'del', this.netns(place)]);
    forgetRun(this.#run);
  }

  /** Runs a shell line at a place and gives what it printed. */
  at(place: Place, line: string): string {
    const [program = '', ...argv] = this.enter(place);
    return execFileSync(program, [...argv, 'sh', '-c', line], { encoding: 'utf8' });
  }

  /** Who answers, and which client it sees: `a 10.42.1.3`; else why not: `refused`, `silent`. */
  async dial(from: Place, to: string, options: DialOptions = {}): Promise<string> {
    const { udp = false, fromPort, patienceSeconds = 5 } = options;
    const port = fromPort === undefined ? '' : `,sourceport=${fromPort},reuseaddr`;
    const wait = [`-t${patienceSeconds}`, `-T${patienceSeconds}`];
    const tcp = ['-u', `TCP:${to},connect-timeout=${patienceSeconds}${port}`, '-'];
    const [program = '', ...argv] = [...this.enter(from), 'socat', ...wait, ...(udp ? ['-', `UDP:${to}${port}`] : tcp)];
    return await new Promise((resolve) => {
      const child = spawn(program, argv, { stdio: [udp ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
      let heard = '';
      let complaint = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        heard += chunk.toString();
        if (heard.includes('\n')) child.kill('SIGKILL');
      });
      child.stderr?.on('data', (chunk: Buffer) => {
        complaint += chunk.toString();
      });
      child.once('close', () => {
        resolve(heard !== '' ? heard.trim() : /refused/i.test(complaint) ? 'refused' : 'silent');
      });
      child.stdin?.on('error', () => undefined);
      child.stdin?.end('hello\n');
    });
  }

  /** Names of those that answer, over so many calls. */
  async answering(from: Place, to: string, calls = 12): Promise<readonly string[]> {
    const answers = await Promise.all(Array.from({ length: calls }, () => this.dial(from, to)));
    return [...new Set(answers.map((answer) => answer.split(' ')[0] ?? ''))].sort();
  }

  /** Makes or replaces a service with its endpoints, and waits until that is in force. */
  async service(
    name: string,
    spec: corev1.ServiceSpec,
    endpoints: readonly TestEndpoint[],
    status?: corev1.ServiceStatus,
  ): Promise<void> {
    const there = this.view.services.get(`default/${name}`);
    const metadata = there?.metadata ?? { namespace: 'default', name };
    const wanted = { ...there, metadata, spec } as corev1.Service;
    const made =
      there === undefined
        ? await this.client.create(KINDS.Service, wanted)
        : await this.client.update(KINDS.Service, wanted);
    if (status !== undefined) await this.client.update(KINDS.Service, { ...made, status }, { subresource: 'status' });
    await this.endpoints(name, endpoints, spec.ports ?? []);
  }

  /** Replaces the endpoints of a service, and waits until that is in force. */
  async endpoints(
    name: string,
    endpoints: readonly TestEndpoint[],
    ports: readonly corev1.ServicePort[],
  ): Promise<void> {
    const there = this.view.endpointSlices.get(`default/${name}-1`);
    const labels = { 'kubernetes.io/service-name': name };
    const slice = {
      metadata: there?.metadata ?? { namespace: 'default', name: `${name}-1`, labels },
      addressType: 'IPv4',
      ports: ports.map((port) => ({ name: port.name, protocol: port.protocol, port: Number(port.targetPort) })),
      endpoints: endpoints.map(({ at, ready = true, terminating = false }) => ({
        addresses: [ADDRESSES[at]],
        nodeName: at === 'far' ? 'n2' : 'n1',
        conditions: { ready: ready && !terminating, serving: ready, terminating },
        targetRef: { kind: 'Pod', namespace: 'default', name: at, uid: `uid-${at}` },
      })),
    } as discoveryv1.EndpointSlice;
    if (there === undefined) await this.client.create(KINDS.EndpointSlice, slice);
    else await this.client.update(KINDS.EndpointSlice, slice);
    await this.settled();
  }

  /** Resolves when all that was written is in the kernel. */
  async settled(): Promise<void> {
    const signal = AbortSignal.timeout(10_000);
    const services = await this.client.list(KINDS.Service);
    const slices = await this.client.list(KINDS.EndpointSlice);
    const versions = (items: readonly (corev1.Service | discoveryv1.EndpointSlice)[]): string =>
      items
        .map(({ metadata }) => `${metadata?.name} ${metadata?.resourceVersion}`)
        .sort()
        .join();
    await this.view.services.waitUntil((cache) => versions(cache.list()) === versions(services.items), signal);
    await this.view.endpointSlices.waitUntil((cache) => versions(cache.list()) === versions(slices.items), signal);
    if (!(await this.proxy.withdrawn({ namespace: '', name: '', uid: 'nobody' }, signal))) {
      throw new Error(`the rules are not in force: ${this.said.join('; ')}`);
    }
  }

  #wire(place: Place, address: string, gateway: string): void {
    const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', this.netns(place)];
    execFileSync('ip', ['-n', this.netns('node'), 'link', 'add', 'name', `to-${place}`, ...peer]);
    this.at(place, `ip addr add ${address}/24 dev eth0; ip link set eth0 up; ip route add default via ${gateway}`);
  }

  #serve(place: Place): void {
    const [program = '', ...argv] = this.enter(place);
    this.#servers.push(spawn(program, [...argv, process.execPath, '-e', SERVER, place], { stdio: 'ignore' }));
  }
}
