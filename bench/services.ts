/**
 * Services with 10 endpoints each, from 10 to 5,000: how long the rules take to load, how long one changed endpoint takes from the API's
 * event to the kernel, and how long a client's first packet takes (a TCP connection opened to the service that was made last). The same
 * with iptables, chains as kube-proxy makes them, where iptables is installed. Everything in network namespaces of its own. Needs root,
 * nft and iproute2. Run: `node build/run.mjs bench/services.ts [--json]`.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { MemoryResourceClient } from '../lib/client/memory-resource-client.ts';
import { systemClock } from '../lib/clock.ts';
import { clusterView } from '../node-agent/features/cluster-view.ts';
import { createServiceProxy } from '../node-agent/proxy/service-proxy.ts';
import { NftTable } from '../node-agent/rules/nft-table.ts';
import { type corev1, type discoveryv1, KINDS } from '../proto/index.ts';
import { atMost, type Figure, printResult } from './figures.ts';
import { quantile } from './measure.ts';

const SIZES = [10, 100, 1000, 5000];
const ENDPOINTS = 10;
const CONNECTIONS = 2000;
const CHANGES = 15;
const id = process.pid.toString(36);
const [NODE, CLIENT, POD] = [`bs${id}n`, `bs${id}c`, `bs${id}p`];
const enter = (netns: string): string[] => ['nsenter', `--net=/run/netns/${netns}`];
const ipOf = (service: number): string => `10.43.${service >> 8}.${service & 255}`;
const QUIET = { debug: () => undefined, info: () => undefined, warn: complain };

function complain(fields: object, message: string): void {
  const { err } = fields as { readonly err?: unknown };
  process.stderr.write(`${message}: ${err instanceof Error ? err.message : ''}\n`);
}

/** What one way of balancing took. */
interface Row {
  readonly what: string;
  readonly services: number;
  readonly loadMs: number;
  readonly changeMs: readonly number[];
  readonly connectUs: readonly number[];
  readonly memoryMib?: number;
}

const rows: Row[] = [];
let skipped = '';
let server = (): void => undefined;
try {
  wire();
  server = await startServer();
  for (const services of SIZES) rows.push(await ours(services));
  const restore = ['iptables-legacy-restore', 'iptables-restore'].find(
    (tool) => spawnSync('which', [tool]).status === 0,
  );
  if (restore === undefined) skipped = 'iptables is not installed';
  else for (const services of SIZES) rows.push(iptables(restore, services));
} finally {
  server();
  for (const netns of [NODE, CLIENT, POD]) spawnSync('ip', ['netns', 'del', netns], { stdio: 'ignore' });
}
report();

/** client 192.0.2.2 ── node ── pod 10.42.1.2 to .11; all other endpoints are addresses nobody has. */
function wire(): void {
  for (const netns of [NODE, CLIENT, POD]) {
    execFileSync('ip', ['netns', 'add', netns]);
    inside(netns, 'ip link set lo up');
  }
  for (const [peer, net] of [
    [CLIENT, '192.0.2'],
    [POD, '10.42.1'],
  ] as const) {
    inside(NODE, `ip link add to-${peer} type veth peer name eth0 netns ${peer}`);
    inside(NODE, `ip addr add ${net}.1/24 dev to-${peer}; ip link set to-${peer} up`);
    inside(peer, `ip addr add ${net}.2/24 dev eth0; ip link set eth0 up; ip route add default via ${net}.1`);
  }
  for (let host = 3; host < 2 + ENDPOINTS; host += 1) inside(POD, `ip addr add 10.42.1.${host}/24 dev eth0`);
  inside(NODE, 'echo 1 > /proc/sys/net/ipv4/ip_forward');
}

function inside(netns: string, line: string, input?: string): string {
  const [program = '', ...argv] = enter(netns);
  const options = { encoding: 'utf8', maxBuffer: 2 ** 28, ...(input === undefined ? {} : { input }) } as const;
  return execFileSync(program, [...argv, 'sh', '-c', line], options);
}

async function startServer(): Promise<() => void> {
  const script = `require('net').createServer((s) => { s.on('error', () => {}); s.destroy(); }).listen(8080, '0.0.0.0', () => console.log('up'))`;
  const [program = '', ...argv] = enter(POD);
  const child = spawn(program, [...argv, process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return () => void child.kill('SIGKILL');
}

/** The last service has the endpoints that answer; the others those that nobody has. */
function endpointsOf(service: number, services: number): string[] {
  return Array.from({ length: ENDPOINTS }, (_, index) => {
    const number = service * ENDPOINTS + index;
    return service === services
      ? `10.42.1.${2 + index}`
      : `10.${44 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
  });
}

function sliceOf(service: number, ips: readonly string[]): discoveryv1.EndpointSlice {
  return {
    metadata: { namespace: 'bench', name: `s${service}-1`, labels: { 'kubernetes.io/service-name': `s${service}` } },
    addressType: 'IPv4',
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: ips.map((ip) => ({ addresses: [ip], nodeName: 'other', conditions: { ready: true } })),
  } as discoveryv1.EndpointSlice;
}

async function ours(services: number): Promise<Row> {
  const client = new MemoryResourceClient({ freeze: false });
  for (let service = 1; service <= services; service += 1) {
    const spec = { type: 'ClusterIP', clusterIP: ipOf(service), ports: [{ protocol: 'TCP', port: 80 }] };
    await client.create(KINDS.Service, {
      metadata: { namespace: 'bench', name: `s${service}` },
      spec,
    } as corev1.Service);
    await client.create(KINDS.EndpointSlice, sliceOf(service, endpointsOf(service, services)));
  }
  const view = clusterView({ client, clock: systemClock, log: QUIET });
  const table = new NftTable({ name: 'bench', clock: systemClock, log: QUIET, enter: enter(NODE) });
  const proxy = createServiceProxy({
    place: { name: 'n1', clusterCidr: '10.32.0.0/11', serviceCidr: '10.43.0.0/16', dnsAddress: '10.43.255.10' },
    view,
    table,
    clock: systemClock,
    log: QUIET,
    enter: enter(NODE),
  });
  const stop = new AbortController();
  const inForce = (): Promise<boolean> =>
    proxy.withdrawn({ namespace: '', name: '', uid: '' }, AbortSignal.timeout(60_000));
  const following = [view.services.run(stop.signal), view.endpointSlices.run(stop.signal)];
  await Promise.all([view.services.synced(), view.endpointSlices.synced()]);
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const begunMs = performance.now();
  const running = [proxy.run(stop.signal), table.run(stop.signal)];
  await inForce();
  const loadMs = performance.now() - begunMs;
  const memoryMib = (process.memoryUsage().rss - before) / 2 ** 20;
  const changeMs: number[] = [];
  for (let turn = 0; turn < CHANGES; turn += 1) {
    const service = 1 + ((turn * 37) % Math.max(1, services - 1));
    const name = { namespace: 'bench', name: `s${service}-1` };
    const slice = await client.get<discoveryv1.EndpointSlice>(KINDS.EndpointSlice, name);
    const ips = endpointsOf(service, services).with(turn % ENDPOINTS, `10.42.200.${turn + 1}`);
    const changedMs = performance.now();
    const updated = await client.update(KINDS.EndpointSlice, { ...sliceOf(service, ips), metadata: slice.metadata });
    await view.endpointSlices.waitUntil(
      (cache) => cache.get(`bench/s${service}-1`)?.metadata?.resourceVersion === updated.metadata?.resourceVersion,
    );
    await inForce();
    changeMs.push(performance.now() - changedMs);
  }
  const connectUs = connectTimes(ipOf(services));
  stop.abort();
  await Promise.all([...following, ...running]);
  await table.teardown();
  return { what: 'skiff (nftables maps)', services, loadMs, changeMs, connectUs, memoryMib };
}

/** Chains as kube-proxy makes them: one rule per service in a row, one per endpoint with a probability, one chain per endpoint. */
function iptables(restore: string, services: number): Row {
  const chainOf = (service: number, ips: readonly string[]): { readonly names: string[]; readonly rules: string[] } => {
    const names = [`SVC-${service}`, ...ips.map((_, index) => `SEP-${service}-${index}`)];
    const rules = ips.flatMap((ip, index) => [
      index === ips.length - 1
        ? `-A SVC-${service} -j SEP-${service}-${index}`
        : `-A SVC-${service} -m statistic --mode random --probability ${(1 / (ips.length - index)).toFixed(8)} -j SEP-${service}-${index}`,
      `-A SEP-${service}-${index} -p tcp -m tcp -j DNAT --to-destination ${ip}:8080`,
    ]);
    return { names, rules };
  };
  const all = Array.from({ length: services }, (_, index) => chainOf(index + 1, endpointsOf(index + 1, services)));
  const text = [
    '*nat',
    ':SERVICES - [0:0]',
    ...all.flatMap(({ names }) => names.map((name) => `:${name} - [0:0]`)),
    '-A PREROUTING -j SERVICES',
    '-A OUTPUT -j SERVICES',
    ...all.map((_, index) => `-A SERVICES -d ${ipOf(index + 1)}/32 -p tcp -m tcp --dport 80 -j SVC-${index + 1}`),
    ...all.flatMap(({ rules }) => rules),
    'COMMIT\n',
  ].join('\n');
  const timed = (line: string, input: string): number => {
    const begunMs = performance.now();
    inside(NODE, line, input);
    return performance.now() - begunMs;
  };
  const loadMs = timed(restore, text);
  const changeMs = Array.from({ length: 3 }, (_, turn) => {
    const { names, rules } = chainOf(1, endpointsOf(1, services + 1).with(turn, `10.42.200.${turn + 1}`));
    const change = ['*nat', ...names.map((name) => `:${name} - [0:0]`), ...rules, 'COMMIT\n'].join('\n');
    return timed(`${restore} --noflush`, services === 1 ? text : change);
  });
  const connectUs = connectTimes(ipOf(services));
  inside(NODE, restore, '*nat\nCOMMIT\n');
  return { what: restore.replace('-restore', ''), services, loadMs, changeMs, connectUs };
}

/** Opens connections one after the other from the client and gives the microseconds each took until it was open. */
function connectTimes(address: string): readonly number[] {
  const script = `
    const { connect } = require('net');
    const taken = [];
    const next = () => {
      if (taken.length === ${CONNECTIONS + 200}) { console.log(JSON.stringify(taken.slice(200))); process.exit(0); }
      const begun = process.hrtime.bigint();
      const socket = connect(80, '${address}', () => {
        taken.push(Number(process.hrtime.bigint() - begun) / 1000);
        socket.resetAndDestroy();
      });
      socket.on('error', (err) => { if (err.code !== 'ECONNRESET') throw err; });
      socket.on('close', next);
    };
    next();`;
  const [program = '', ...argv] = enter(CLIENT);
  return JSON.parse(execFileSync(program, [...argv, process.execPath, '-e', script], { encoding: 'utf8' })) as number[];
}

function report(): void {
  const header = ['rules', 'services', 'load s', 'one change ms p50 / max', 'connect µs p50 / p99', 'memory MiB'];
  const cells = rows.map((row) => [
    row.what,
    String(row.services),
    (row.loadMs / 1000).toFixed(2),
    `${quantile(row.changeMs, 0.5).toFixed(0)} / ${Math.max(...row.changeMs).toFixed(0)}`,
    `${quantile(row.connectUs, 0.5).toFixed(0)} / ${quantile(row.connectUs, 0.99).toFixed(0)}`,
    row.memoryMib === undefined ? '' : row.memoryMib.toFixed(0),
  ]);
  const at = (services: number): Row | undefined => rows.find((row) => row.services === services);
  const [few, many] = [at(10), at(5000)];
  const note = 'in namespaces; the API is in memory';
  const figures: Figure[] = [
    { what: '5,000 services × 10 endpoints into the kernel', value: (many?.loadMs ?? 0) / 1000, unit: 's', note },
    {
      what: 'one changed endpoint among 5,000 services, to the kernel (p50)',
      value: quantile(many?.changeMs ?? [], 0.5),
      unit: 'ms',
      bar: atMost(100),
      note,
    },
    {
      what: 'opening a connection with 5,000 services, compared with 10 (p50)',
      value: quantile(many?.connectUs ?? [], 0.5) / quantile(few?.connectUs ?? [], 0.5),
      unit: '×',
      note,
    },
  ];
  const title = `Services with ${ENDPOINTS} endpoints each${skipped === '' ? '' : ` (iptables left out: ${skipped})`}`;
  printResult({ name: 'services', figures, tables: [{ title, header, rows: cells }] });
}
