/**
 * The API through gRPC and mTLS, etcd's fsync on: creates, updates and gets by 32 clients beside raw etcd3 in the same run, a list of
 * 10,000 pods to the last byte, and 1,000 watchers; and the CPU time each operation costs server, etcd and this process. Run: `node build/run.mjs bench/api.ts`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import type { GrpcConnection } from '../lib/client/grpc-connection.ts';
import { GrpcResourceClient } from '../lib/client/grpc-resource-client.ts';
import { apiv1, type corev1, KINDS } from '../proto/index.ts';
import { type ClusterProcesses, clusterProcesses } from './cluster-processes.ts';
import { atLeast, atMost, type BenchResult, type Figure, printResult, progress } from './figures.ts';
import { cpuSeconds, ownCpuSeconds, quantile } from './measure.ts';
import { connect, insideWorld, type World, worldFromInside } from './world.ts';

const CLIENTS = 32;
const WRITES = 6000;
/** Calls before measuring, so that compilers are done with what they will do. */
const WARM_UP = 2000;
const PODS = 10_000;
const WATCHERS = 1000;
const EVENTS = 200;
const EVENT_BYTES = 2048;
const NAMESPACE = 'default';

const world = worldFromInside();
if (world === undefined) {
  printResult(JSON.parse(await insideWorld({ image: false })) as BenchResult);
} else {
  process.stdout.write(JSON.stringify(await run(world)));
  world.connection.close();
  process.exit(0);
}

async function run(inside: World): Promise<BenchResult> {
  const connections = Array.from({ length: CLIENTS }, () => connect(inside.dir));
  const figures = [
    ...(await writes(inside, connections)),
    ...(await listing(inside, connections)),
    ...(await fanOut(inside)),
  ];
  for (const connection of connections) connection.close();
  return { name: 'api', figures };
}

interface Rate {
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly cpu: CpuPerCall;
}

/** CPU time of one operation in microseconds, by who spends it. */
interface CpuPerCall {
  readonly server: number;
  readonly etcd: number;
  readonly client: number;
}

/** Runs `work` and says what its `count` operations cost. */
async function costOf(processes: ClusterProcesses, count: number, work: () => Promise<unknown>): Promise<CpuPerCall> {
  const sum = (pids: readonly number[]): number => pids.reduce((seconds, pid) => seconds + cpuSeconds(pid), 0);
  const now = (): CpuPerCall => ({
    server: sum(processes.server),
    etcd: sum(processes.etcd),
    client: ownCpuSeconds(process.pid),
  });
  const before = now();
  await work();
  const after = now();
  const each = (part: keyof CpuPerCall): number => ((after[part] - before[part]) * 1e6) / count;
  return { server: each('server'), etcd: each('etcd'), client: each('client') };
}

function inWords({ server, etcd, client }: CpuPerCall): string {
  const us = (value: number): string => `${Math.round(value)} µs`;
  return `CPU each: server ${us(server)}, etcd ${us(etcd)}, clients ${us(client)}`;
}

/** `count` calls by all workers at once. */
async function drive(
  processes: ClusterProcesses,
  count: number,
  work: (index: number, worker: number) => Promise<unknown>,
): Promise<Rate> {
  const latencies: number[] = [];
  let next = 0;
  const started = performance.now();
  let seconds = 0;
  const cpu = await costOf(processes, count, async () => {
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, worker) => {
        for (let index = next++; index < count; index = next++) {
          const begun = performance.now();
          await work(index, worker);
          latencies.push(performance.now() - begun);
        }
      }),
    );
    seconds = (performance.now() - started) / 1000;
  });
  return { perSecond: count / seconds, p99Ms: quantile(latencies, 0.99), cpu };
}

async function writes(inside: World, connections: readonly GrpcConnection[]): Promise<Figure[]> {
  const clients = connections.map((connection) => new GrpcResourceClient(connection));
  const client = (worker: number): GrpcResourceClient =>
    clients[worker % clients.length] ?? (clients[0] as GrpcResourceClient);
  const object = (index: number, value: string): corev1.ConfigMap => ({
    metadata: { name: `item-${index}`, namespace: NAMESPACE },
    data: { value: value.padEnd(200, '.') },
  });
  progress(`${WRITES} creates and updates by ${CLIENTS} clients`);
  const processes = clusterProcesses(inside);
  const warm = await drive(processes, WARM_UP, (i, worker) =>
    client(worker).create(KINDS.ConfigMap, object(i + WRITES, 'warm')),
  );
  if (warm.perSecond <= 0) throw new Error('nothing was written');
  const create = await drive(processes, WRITES, (i, worker) =>
    client(worker).create(KINDS.ConfigMap, object(i, 'new')),
  );
  const update = await drive(processes, WRITES, (i, worker) =>
    client(worker).update(KINDS.ConfigMap, object(i, 'changed')),
  );
  const get = await drive(processes, WRITES, (i, worker) =>
    client(worker).get(KINDS.ConfigMap, { namespace: NAMESPACE, name: `item-${i}` }),
  );
  progress('the same through etcd3 alone');
  const tls = (file: string): Buffer => readFileSync(join(inside.dir, 'var/lib/skiff/pki/etcd', file));
  const etcd = new Etcd3({
    hosts: 'https://127.0.0.1:7379',
    credentials: { rootCertificate: tls('ca.crt'), privateKey: tls('client.key'), certChain: tls('client.crt') },
  });
  const put = (i: number): Promise<unknown> => etcd.put(`/bench/item-${i}`).value('new'.padEnd(300, '.')).exec();
  await drive(processes, WARM_UP, (i) => put(i + WRITES));
  const raw = await drive(processes, WRITES, put);
  etcd.close();
  const note = ({ cpu }: Rate): string => `${WRITES} ConfigMaps; ${inWords(cpu)}`;
  return [
    { what: 'API create, 32 clients', value: create.perSecond, unit: '/s', bar: atLeast(2000), note: note(create) },
    { what: 'API update, 32 clients', value: update.perSecond, unit: '/s', bar: atLeast(2000), note: note(update) },
    { what: 'API get, 32 clients', value: get.perSecond, unit: '/s', note: note(get) },
    { what: 'API get, p99', value: get.p99Ms, unit: 'ms' },
    { what: 'API create, p99', value: create.p99Ms, unit: 'ms', bar: atMost(50) },
    { what: 'API update, p99', value: update.p99Ms, unit: 'ms', bar: atMost(50) },
    { what: 'raw etcd3 put, 32 callers, same run', value: raw.perSecond, unit: '/s', note: inWords(raw.cpu) },
    {
      what: 'API create as a share of raw etcd3',
      value: create.perSecond / raw.perSecond,
      unit: '×',
      bar: atLeast(0.6),
    },
    {
      what: 'API update as a share of raw etcd3',
      value: update.perSecond / raw.perSecond,
      unit: '×',
      bar: atLeast(0.6),
    },
  ];
}

async function listing(inside: World, connections: readonly GrpcConnection[]): Promise<Figure[]> {
  const clients = connections.map((connection) => new GrpcResourceClient(connection));
  progress(`creating ${PODS} pods that nobody schedules`);
  const processes = clusterProcesses(inside);
  const create = await drive(processes, PODS, (i, worker) =>
    (clients[worker % clients.length] as GrpcResourceClient).create(KINDS.Pod, {
      metadata: { name: `pod-${i}`, namespace: NAMESPACE, labels: { app: 'bench' } },
      spec: { schedulerName: 'none', containers: [{ name: 'main', image: 'busybox', command: ['sleep', '1'] }] },
    }),
  );
  const samples: number[] = [];
  let bytes = 0;
  const rounds = 15;
  const round = async (): Promise<void> => {
    const started = performance.now();
    let token = '';
    let items = 0;
    bytes = 0;
    do {
      const reply = await (connections[0] as GrpcConnection).unary(apiv1.ResourcesService.list, {
        target: { apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE },
        continue: token,
      });
      for (const { object } of reply.items ?? []) bytes += object?.value?.length ?? 0;
      items += reply.items?.length ?? 0;
      token = reply.continue ?? '';
    } while (token !== '');
    if (items !== PODS) throw new Error(`listed ${items} of ${PODS} pods`);
    samples.push(performance.now() - started);
  };
  const cpu = await costOf(processes, rounds, async () => {
    for (let i = 0; i < rounds; i += 1) await round();
  });
  return [
    {
      what: 'API create of pods, 32 clients',
      value: create.perSecond,
      unit: '/s',
      note: `${PODS.toLocaleString('en')} pods; ${inWords(create.cpu)}`,
    },
    {
      what: `list ${PODS.toLocaleString('en')} pods, to the last byte, median`,
      value: quantile(samples, 0.5),
      unit: 'ms',
      bar: atMost(300),
      note: `${(bytes / 2 ** 20).toFixed(1)} MiB; the pods' messages not decoded by the client; ${inWords(cpu)}`,
    },
  ];
}

async function fanOut(inside: World): Promise<Figure[]> {
  const connections = Array.from({ length: 10 }, () => connect(inside.dir));
  const writer = new GrpcResourceClient(inside.connection);
  const last = 'the-last-of-all-events';
  const object = (worker: number, value: string): corev1.ConfigMap => ({
    metadata: { name: `told-${worker}`, namespace: NAMESPACE, labels: { bench: 'fan-out' } },
    data: { value: value.padEnd(EVENT_BYTES, '.') },
  });
  let resourceVersion = '';
  for (let worker = 0; worker < CLIENTS; worker += 1) {
    const made = await writer.create(KINDS.ConfigMap, object(worker, 'first'));
    resourceVersion = made.metadata?.resourceVersion ?? '';
  }
  progress(`${WATCHERS} watchers of ${EVENTS} events`);
  let finished = 0;
  let bytes = 0;
  const { watch } = apiv1.ResourcesService;
  const untouched = (message: Buffer): Buffer => message;
  const watching = Array.from({ length: WATCHERS }, async (_, index) => {
    const { client } = await (connections[index % connections.length] as GrpcConnection).client();
    const request: apiv1.WatchRequest = {
      target: { apiVersion: 'v1', kind: 'ConfigMap', namespace: NAMESPACE },
      labelSelector: 'bench=fan-out',
      resourceVersion,
    };
    const call = client.makeServerStreamRequest(watch.path, watch.requestSerialize, untouched, request);
    await new Promise<void>((resolve, reject) => {
      call.on('error', reject);
      call.on('data', (message: Buffer) => {
        bytes += message.length;
        if (message.includes(last)) resolve();
      });
    });
    call.removeAllListeners('error').on('error', () => undefined);
    call.cancel();
    finished += 1;
  });
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const started = performance.now();
  // Several at once: a writer that waits for each reply behind a thousand deliveries would measure itself.
  const processes = clusterProcesses(inside);
  const cpu = await costOf(processes, WATCHERS * EVENTS, async () => {
    await drive(processes, EVENTS - 1, (i, worker) => writer.update(KINDS.ConfigMap, object(worker, `event ${i}`)));
    await writer.update(KINDS.ConfigMap, object(0, last));
    await Promise.race([
      Promise.all(watching),
      new Promise((_, reject) =>
        setTimeout(reject, 60_000, new Error(`only ${finished} watchers heard the last event`)),
      ),
    ]);
  });
  const seconds = (performance.now() - started) / 1000;
  for (const connection of connections) connection.close();
  const delivered = bytes / EVENT_BYTES;
  if (delivered < WATCHERS * EVENTS) throw new Error(`only ${Math.round(delivered)} events' bytes came`);
  return [
    {
      what: `watch fan-out, ${WATCHERS.toLocaleString('en')} watchers, 2 KB events`,
      value: (WATCHERS * EVENTS) / seconds,
      unit: 'events/s',
      bar: atLeast(50_000),
      note: `TLS, 10 connections, clients not decoding; the writer and all watchers in one process beside the server; ${inWords(cpu)}`,
    },
  ];
}
