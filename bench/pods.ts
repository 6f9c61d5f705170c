/**
 * A one-node cluster at work: apply → Ready one after the other, 1 → 100 replicas, delete 100; and at rest: memory and CPU, empty and
 * with 100 pods. Every Ready pod is checked from outside. Run: `node build/run.mjs bench/pods.ts [--pods N] [--rounds N]`.
 */
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { GrpcResourceClient } from '../lib/client/grpc-resource-client.ts';
import { apiv1, type appsv1, KINDS } from '../proto/index.ts';
import {
  type CpuUse,
  clusterProcesses,
  cpuUse,
  idleCpu,
  type MemoryUse,
  memoryUse,
  total,
} from './cluster-processes.ts';
import { atLeast, atMost, type BenchResult, type Figure, printResult, progress, type Table } from './figures.ts';
import { quantile } from './measure.ts';
import { checkRunning, podTraces } from './outside.ts';
import { deployment, type News, now, PodView } from './pod-view.ts';
import { shellFloor } from './shell-floor.ts';
import { stepTable } from './step-trace.ts';
import { IMAGE, insideWorld, type World, worldFromInside } from './world.ts';

const COMMAND = ['sleep', '987654'];
const MB = 1024 * 1024;
const PODS = option('--pods', 100);
const ROUNDS = option('--rounds', 40);
const IDLE_SECONDS = option('--idle', 30);

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

const world = worldFromInside();
if (world === undefined) {
  const trace = `/tmp/skiff-bench-trace-${process.pid}.jsonl`;
  process.env.SKIFF_BENCH_TRACE = trace;
  let printed: string;
  try {
    printed = await insideWorld({ upArgs: ['--agent-option', `--trace-file=${trace}`] });
  } finally {
    // The inner run removes it when all goes well.
    rmSync(trace, { force: true });
  }
  const found = JSON.parse(printed) as BenchResult;
  const floor = await shellFloor(progress);
  printResult({ ...found, figures: [...found.figures, ...withFloor(found, floor)] });
} else {
  process.stdout.write(JSON.stringify(await run(world)));
  world.connection.close();
}

async function run(inside: World): Promise<BenchResult> {
  const view = new PodView(inside);
  await view.start();
  const figures: Figure[] = [];
  const tables: Table[] = [];
  const bench = { world: inside, view, client: new GrpcResourceClient(inside.connection) };
  const atRest = IDLE_SECONDS > 0;
  progress('at rest, empty');
  await delay(atRest ? 10_000 : 1000);
  const empty = memoryUse(clusterProcesses(inside));
  figures.push(...memoryFigures(empty, 'no pods'));
  if (atRest) figures.push(...(await idleFigures(bench, 'empty', 1)));
  figures.push(...(await applyToReady(bench, tables)));
  figures.push(...(await scaleUp(bench, tables)));
  if (atRest) await delay(10_000);
  const full = memoryUse(clusterProcesses(inside));
  figures.push(...memoryFigures(full, `${PODS} pods`), ...overhead(empty, full));
  if (atRest) figures.push(...(await idleFigures(bench, `${PODS} pods`, 2)));
  figures.push(...(await deleteAll(bench)));
  tables.push(memoryTable(empty, full));
  await view.close();
  return { name: 'pods', figures, tables };
}

interface Bench {
  readonly world: World;
  readonly view: PodView;
  readonly client: GrpcResourceClient;
}

async function apply({ world: { connection } }: Bench, object: appsv1.Deployment): Promise<void> {
  await connection.unary(apiv1.ResourcesService.apply, {
    target: { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'default', name: object.metadata?.name ?? '' },
    json: Buffer.from(JSON.stringify(object)),
  });
}

async function applyToReady(bench: Bench, tables: Table[]): Promise<Figure[]> {
  const { view } = bench;
  const samples: number[] = [];
  let late = 0;
  const starts: { readonly uid: string; readonly appliedMs: number; readonly answeredMs: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round % 10 === 0) progress(`apply to Ready, ${round} of ${ROUNDS}`);
    const name = `one-${round}`;
    const appliedMs = now();
    const applied = apply(bench, deployment(name, 1, IMAGE, COMMAND));
    const answeredMs = applied.then(() => now());
    await view.until(`pod of ${name}`, () => view.ready().length === 1);
    samples.push(now() - appliedMs);
    const uid = view.ready()[0]?.metadata?.uid ?? '';
    late += await checkRunning(bench.world, [uid], COMMAND.join(' '));
    starts.push({ uid, appliedMs, answeredMs: await answeredMs });
    await bench.client.delete(KINDS.Deployment, { namespace: 'default', name }, { propagationPolicy: 'Background' });
    await gone(bench, 30_000);
    // Events and the like of this round shall not be part of the next.
    await delay(150);
  }
  const trace = stepTable(process.env.SKIFF_BENCH_TRACE ?? '', view.news, starts);
  if (trace !== undefined) tables.push(trace);
  return [
    {
      what: 'apply → Ready, p50',
      value: quantile(samples, 0.5),
      unit: 'ms',
      bar: atMost(150),
      note: `${ROUNDS} rounds; each pod's process looked for in its cgroup, ${late} not there at the first look`,
    },
    { what: 'apply → Ready, p99', value: quantile(samples, 0.99), unit: 'ms', bar: atMost(400) },
    { what: 'apply → Ready, fastest', value: Math.min(...samples), unit: 'ms' },
  ];
}

/** Waits until no pod is left in the API or on the machine; fails naming what stays. */
async function gone({ world: place, view }: Bench, timeoutMs: number): Promise<void> {
  await view.until('the end of the pods', () => view.pods.size === 0, timeoutMs);
  const deadline = performance.now() + timeoutMs;
  for (let left = podTraces(place); left.length > 0; left = podTraces(place)) {
    if (performance.now() > deadline) throw new Error(`left behind:\n${left.join('\n')}`);
    await delay(5);
  }
}

async function scaleUp(bench: Bench, tables: Table[]): Promise<Figure[]> {
  const { view } = bench;
  await apply(bench, deployment('many', 1, IMAGE, COMMAND));
  await view.until('the first pod', () => view.ready().length === 1);
  await delay(1000);
  progress(`1 to ${PODS} replicas`);
  const cpuBefore = cpuUse(bench.world, clusterProcesses(bench.world));
  const newsBefore = view.news.length;
  const started = now();
  await apply(bench, deployment('many', PODS, IMAGE, COMMAND));
  await view.until(`${PODS} Ready pods`, () => view.ready().length === PODS, 120_000);
  const seconds = (now() - started) / 1000;
  await delay(500);
  tables.push(writesTable(view.news.slice(newsBefore)));
  tables.push(cpuTable(cpuBefore, cpuUse(bench.world, clusterProcesses(bench.world))));
  const late = await checkRunning(
    bench.world,
    view.ready().map(({ metadata }) => metadata?.uid ?? ''),
    COMMAND.join(' '),
  );
  const rate = (PODS - 1) / seconds;
  return [
    {
      what: `scale 1 → ${PODS}, until all Ready`,
      value: seconds,
      unit: 's',
      note: `every process found in its cgroup, ${late} not at the first look`,
    },
    { what: `scale 1 → ${PODS}, rate`, value: rate, unit: 'pods/s', bar: atLeast(30) },
  ];
}

async function deleteAll(bench: Bench): Promise<Figure[]> {
  progress(`deleting ${PODS} pods`);
  const started = now();
  await bench.client.delete(
    KINDS.Deployment,
    { namespace: 'default', name: 'many' },
    { propagationPolicy: 'Background' },
  );
  await gone(bench, 120_000);
  const seconds = (now() - started) / 1000;
  return [
    {
      what: `delete ${PODS} pods, until gone and clean`,
      value: seconds,
      unit: 's',
      bar: atMost(4),
      note: 'grace 0; clean: no process, mount, link, cgroup or file of theirs is left',
    },
  ];
}

function withFloor({ figures }: BenchResult, floor: number | undefined): Figure[] {
  const rate = figures.find(({ what }) => what.endsWith(', rate'))?.value;
  if (floor === undefined || rate === undefined) return [];
  return [
    { what: 'shell loop over the bare tools, four at once', value: floor, unit: 'pods/s', note: 'same run' },
    { what: 'scale rate as a share of the shell loop', value: rate / floor, unit: '×', bar: atLeast(0.8) },
  ];
}

function memoryFigures({ resident, proportional }: MemoryUse, when: string): Figure[] {
  const bars = when === 'no pods' ? { all: { bar: atMost(250) }, agent: { bar: atMost(80) } } : { all: {}, agent: {} };
  const [all, shared] = [total(resident) - resident.monitors, total(proportional) - proportional.monitors];
  return [
    {
      what: `resident, etcd + server + agent, ${when}`,
      value: all / MB,
      unit: 'MB',
      note: `${Math.round(shared / MB)} MB with shared pages counted once`,
      ...bars.all,
    },
    {
      what: `resident, agent, ${when}`,
      value: resident.agent / MB,
      unit: 'MB',
      note: `${Math.round(proportional.agent / MB)} MB with shared pages divided; its shells included`,
      ...bars.agent,
    },
  ];
}

function overhead(empty: MemoryUse, full: MemoryUse): Figure[] {
  const perPod = (total(full.proportional) - total(empty.proportional)) / PODS / MB;
  return [
    {
      what: 'memory per pod',
      value: perPod,
      unit: 'MB',
      bar: atMost(1.5),
      note: 'growth of all parts, monitors included, shared pages divided',
    },
  ];
}

async function idleFigures({ world: inside }: Bench, when: string, barPercent: number): Promise<Figure[]> {
  progress(`idle CPU for ${IDLE_SECONDS} s, ${when}`);
  const parts = await idleCpu(clusterProcesses(inside), IDLE_SECONDS);
  const percent = (value: number): string => `${(value * 100).toFixed(2)} %`;
  return [
    {
      what: `idle CPU, ${when}`,
      value: total(parts) * 100,
      unit: '% of a core',
      bar: atMost(barPercent),
      note: `etcd ${percent(parts.etcd)}, server ${percent(parts.server)}, agent ${percent(parts.agent)}, monitors ${percent(parts.monitors)}; over ${IDLE_SECONDS} s`,
    },
  ];
}

/** How often each kind changed, per pod: every change is a write to etcd, and news for whoever watches. */
function writesTable(news: readonly News[]): Table {
  const counts = new Map<string, number>();
  for (const { type, object } of news) {
    const key = `${object.kind} ${type.toLowerCase()}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return {
    title: `Writes per pod while scaling 1 → ${PODS}, events not counted`,
    header: ['what', 'per pod'],
    rows: [...counts].map(([what, count]) => [what, (count / (PODS - 1)).toFixed(2)]),
  };
}

function cpuTable(before: CpuUse, after: CpuUse): Table {
  const perPod = (part: keyof CpuUse): string => (((after[part] - before[part]) * 1000) / (PODS - 1)).toFixed(1);
  const parts = ['etcd', 'server', 'agent', 'tools', 'monitors'] as const;
  return {
    title: `CPU time per pod while scaling 1 → ${PODS}, ms (tools: what the agent starts; monitors: with the runtime they start)`,
    header: ['part', 'ms per pod'],
    rows: parts.map((part) => [part, perPod(part)]),
  };
}

function memoryTable(empty: MemoryUse, full: MemoryUse): Table {
  const mb = (bytes: number): string => (bytes / MB).toFixed(1);
  const parts = ['etcd', 'server', 'agent', 'keepers', 'monitors'] as const;
  return {
    title: 'Memory by part, MB',
    header: [
      'part',
      'resident, no pods',
      'proportional, no pods',
      `resident, ${PODS} pods`,
      `proportional, ${PODS} pods`,
    ],
    rows: parts.map((part) => [
      part,
      mb(empty.resident[part]),
      mb(empty.proportional[part]),
      mb(full.resident[part]),
      mb(full.proportional[part]),
    ]),
  };
}
