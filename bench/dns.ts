/**
 * The cluster's DNS: questions per second, how long an answer takes, and what the names cost in memory, with few and with many
 * services. The server is a process of its own on loopback. Run: `node build/run.mjs bench/dns.ts`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { setMaxListeners } from 'node:events';
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as dnsPacket from 'dns-packet';
import { systemClock } from '../lib/clock.ts';
import { Forwarder } from '../node-agent/dns/forwarder.ts';
import { listenTcp, listenUdp } from '../node-agent/dns/listeners.ts';
import { NameResolver } from '../node-agent/dns/name-resolver.ts';
import { SourceBudget } from '../node-agent/dns/source-budget.ts';
import { ZoneData } from '../node-agent/dns/zone-data.ts';
import type { corev1, discoveryv1 } from '../proto/index.ts';
import { atMost, type Figure, printResult } from './figures.ts';

const ENDPOINTS = 10;
const NAMESPACES = 20;
const RUN_MS = 4000;
const FLAT_OUT_WINDOW = 64;
const PACED_PER_SECOND = 2000;
const SIZES = [10, 5000] as const;

interface Started {
  readonly port: number;
  readonly objectsMb: number;
  readonly indexMb: number;
  readonly rssMb: number;
}

if (process.argv[2] === 'serve') await serve(Number(process.argv[3]));
else await main();

async function main(): Promise<void> {
  const figures: Figure[] = [];
  for (const services of SIZES) {
    const child = spawn(process.execPath, [process.argv[1] ?? '', 'serve', String(services)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const started = await firstLine(child);
      const packets = questions(services);
      await load(started.port, packets, { window: 16, runMs: 1000 });
      const flatOut = await load(started.port, packets, { window: FLAT_OUT_WINDOW, runMs: RUN_MS });
      const paced = await load(started.port, packets, { perSecond: PACED_PER_SECOND, runMs: RUN_MS });
      const what = `${services} services of ${ENDPOINTS} endpoints`;
      figures.push(
        {
          what: `${what}: questions, flat out`,
          value: flatOut.perSecond,
          unit: '/s',
          note: `${FLAT_OUT_WINDOW} under way`,
        },
        { what: `${what}: answer, flat out, p50`, value: percentile(flatOut.tookMs, 0.5), unit: 'ms' },
        { what: `${what}: answer, flat out, p99`, value: percentile(flatOut.tookMs, 0.99), unit: 'ms' },
        {
          what: `${what}: answer, p50`,
          value: percentile(paced.tookMs, 0.5),
          unit: 'ms',
          note: `at ${PACED_PER_SECOND}/s`,
        },
        {
          what: `${what}: answer, p99`,
          value: percentile(paced.tookMs, 0.99),
          unit: 'ms',
          bar: atMost(2),
          note: `at ${PACED_PER_SECOND}/s`,
        },
        { what: `${what}: lost`, value: flatOut.lost + paced.lost, unit: 'questions', bar: atMost(0) },
        {
          what: `${what}: index of names`,
          value: started.indexMb,
          unit: 'MB',
          note: `besides ${started.objectsMb.toFixed(1)} MB of objects, which the agent has anyway`,
        },
        {
          what: `${what}: process`,
          value: started.rssMb,
          unit: 'MB',
          note: 'resident, with its objects; a bare Node.js has 43',
        },
      );
    } finally {
      child.stdin?.end();
    }
  }
  printResult({ name: 'dns', figures });
}

async function firstLine(child: ChildProcess): Promise<Started> {
  if (child.stdout === null) throw new Error('the server has no output');
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as Started;
  throw new Error('the server ended');
}

/** What pods ask: services by name, misses of search lists, SRV, endpoints of headless services, addresses. */
function questions(services: number): Buffer[] {
  return Array.from({ length: 2000 }, (_, turn) => {
    const index = (turn * 7919) % services;
    const name = `service-${index}.ns-${index % NAMESPACES}.svc.cluster.local`;
    const asked: readonly (readonly [string, dnsPacket.RecordType])[] = [
      [name, 'A'],
      [name, 'AAAA'],
      [`www.example.com.ns-1.svc.cluster.local`, 'A'],
      [`_http._tcp.${name}`, 'SRV'],
      [`${index & 255}.${index >> 8}.43.10.in-addr.arpa`, 'PTR'],
    ];
    const [question, type] = asked[turn % asked.length] ?? [name, 'A'];
    return dnsPacket.encode({
      type: 'query',
      id: 0,
      flags: dnsPacket.RECURSION_DESIRED,
      questions: [{ name: question, type }],
    });
  });
}

interface Load {
  /** Questions under way at any time. */
  readonly window?: number;
  /** Or: questions sent evenly, whatever is under way. */
  readonly perSecond?: number;
  readonly runMs: number;
}

/** Sends questions and measures each answer. */
async function load(
  port: number,
  packets: readonly Buffer[],
  { window = 0, perSecond = 0, runMs }: Load,
): Promise<{ perSecond: number; tookMs: number[]; lost: number }> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve));
  const tookMs: number[] = [];
  const sentMs = new Map<number, number>();
  const startMs = performance.now();
  let sent = 0;
  const send = (): void => {
    const packet = Buffer.from(packets[sent % packets.length] ?? Buffer.alloc(0));
    const id = sent & 0xffff;
    packet.writeUInt16BE(id, 0);
    sentMs.set(id, performance.now());
    sent += 1;
    socket.send(packet);
  };
  socket.on('message', (answer) => {
    const id = answer.readUInt16BE(0);
    const askedMs = sentMs.get(id);
    if (askedMs === undefined) return;
    sentMs.delete(id);
    tookMs.push(performance.now() - askedMs);
    if (window > 0 && performance.now() - startMs < runMs) send();
  });
  for (let first = 0; first < window; first += 1) send();
  while (performance.now() - startMs < runMs) {
    if (perSecond > 0) while (sent < ((performance.now() - startMs) / 1000) * perSecond) send();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const elapsedMs = performance.now() - startMs;
  await drained(sentMs);
  await closed(socket);
  return { perSecond: (tookMs.length / elapsedMs) * 1000, tookMs, lost: sentMs.size };
}

async function drained(waiting: ReadonlyMap<number, number>): Promise<void> {
  for (let turn = 0; waiting.size > 0 && turn < 100; turn += 1) await new Promise((resolve) => setTimeout(resolve, 10));
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The server's process: until its input ends. */
async function serve(count: number): Promise<void> {
  const emptyMb = heapMb();
  const services: corev1.Service[] = [];
  const slices: discoveryv1.EndpointSlice[] = [];
  for (let index = 0; index < count; index += 1) addService(index, services, slices);
  const objectsMb = heapMb() - emptyMb;
  const zone = new ZoneData();
  for (let index = 0; index < NAMESPACES; index += 1) zone.putNamespace(`ns-${index}`);
  for (const service of services) zone.putService(service);
  for (const slice of slices) zone.putSlice(slice);
  const indexMb = heapMb() - emptyMb - objectsMb;
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const log = { warn: () => undefined, info: () => undefined };
  const resolver = new NameResolver({
    facts: {
      domain: 'cluster.local',
      dnsAddress: '10.43.0.10',
      ownRanges: ['10.43.0.0/16', '10.42.0.0/16'],
      serial: 1,
      random: Math.random,
    },
    zone: () => zone,
    forwarder: new Forwarder({ clock: systemClock, log, signal: stop.signal, upstreamsFor: () => [] }),
  });
  const respond = resolver.respond.bind(resolver);
  const udp = await listenUdp('127.0.0.1', 0, respond, new SourceBudget(Number.POSITIVE_INFINITY));
  const tcp = await listenTcp('127.0.0.1', 0, respond);
  const started: Started = { port: udp.port, objectsMb, indexMb, rssMb: process.memoryUsage().rss / 1e6 };
  process.stdout.write(`${JSON.stringify(started)}\n`);
  for await (const _ of process.stdin);
  await Promise.all([udp.close(), tcp.close()]);
}

/** Every fifth service is headless. */
function addService(index: number, services: corev1.Service[], slices: discoveryv1.EndpointSlice[]): void {
  const metadata = { namespace: `ns-${index % NAMESPACES}`, name: `service-${index}` };
  const clusterIP = index % 5 === 4 ? 'None' : `10.43.${index >> 8}.${index & 255}`;
  services.push({
    metadata,
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  });
  slices.push({
    metadata: {
      ...metadata,
      name: `${metadata.name}-x`,
      labels: { 'kubernetes.io/service-name': metadata.name },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: ENDPOINTS }, (_, endpoint) => {
      const address = index * ENDPOINTS + endpoint;
      return {
        addresses: [`10.42.${(address >> 8) & 255}.${address & 255}`],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${endpoint % 3}`,
      };
    }),
  });
}

/** Memory in use after everything unused is gone. */
function heapMb(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed / 1e6;
}
