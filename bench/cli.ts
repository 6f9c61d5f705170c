/**
 * The command line as a person feels it: whole processes, `skiff get pods` beside a bare `node -e 0`, taking turns in the same run.
 * Run: `node build/run.mjs bench/cli.ts`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { GrpcResourceClient } from '../lib/client/grpc-resource-client.ts';
import { KINDS } from '../proto/index.ts';
import { atMost, type BenchResult, printResult, progress } from './figures.ts';
import { quantile } from './measure.ts';
import { insideWorld, type World, worldFromInside } from './world.ts';

const RUNS = 40;
const PODS = 20;

const world = worldFromInside();
if (world === undefined) {
  printResult(JSON.parse(await insideWorld({ image: false })) as BenchResult);
} else {
  process.stdout.write(JSON.stringify(await run(world)));
  world.connection.close();
}

async function run(inside: World): Promise<BenchResult> {
  const client = new GrpcResourceClient(inside.connection);
  for (let i = 0; i < PODS; i += 1) {
    await client.create(KINDS.Pod, {
      metadata: { name: `pod-${i}`, namespace: 'default' },
      // Nobody schedules it: the listing is what is measured.
      spec: { schedulerName: 'none', containers: [{ name: 'main', image: 'busybox' }] },
    });
  }
  progress(`skiff get pods, ${RUNS} times`);
  const skiff = join(import.meta.dirname, '../bin/skiff');
  const bare: number[] = [];
  const get: number[] = [];
  const version: number[] = [];
  for (let i = 0; i < RUNS + 3; i += 1) {
    const samples = [time(['-e', '0'], ''), time([skiff, 'get', 'pods'], 'pod-0'), time([skiff, '--help'], 'Usage')];
    // The first ones warm the page cache.
    if (i < 3) continue;
    bare.push(samples[0] ?? 0);
    get.push(samples[1] ?? 0);
    version.push(samples[2] ?? 0);
  }
  const [bareMs, getMs] = [quantile(bare, 0.5), quantile(get, 0.5)];
  return {
    name: 'cli',
    figures: [
      { what: 'bare `node -e 0`, median', value: bareMs, unit: 'ms' },
      { what: '`skiff get pods`, median', value: getMs, unit: 'ms', note: `${PODS} pods, mTLS` },
      { what: '`skiff get pods` beyond bare node', value: getMs - bareMs, unit: 'ms', bar: atMost(55) },
      { what: '`skiff get pods` beyond bare node, fastest', value: Math.min(...get) - Math.min(...bare), unit: 'ms' },
      { what: '`skiff --help`, median', value: quantile(version, 0.5), unit: 'ms' },
    ],
  };
}

/** Milliseconds of one whole process; its output must have `text`. */
function time(args: readonly string[], text: string): number {
  const started = performance.now();
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const tookMs = performance.now() - started;
  if (status !== 0 || !stdout.includes(text)) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stdout}`);
  return tookMs;
}
