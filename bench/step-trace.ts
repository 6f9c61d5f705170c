/** Where the time of a pod's start goes: the agent's own trace and what a watch told, put in one order. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { corev1 } from '../proto/index.ts';
import type { Table } from './figures.ts';
import { quantile } from './measure.ts';
import { isReady, type News } from './pod-view.ts';

/** One start as the benchmark saw it. */
export interface Start {
  readonly uid: string;
  readonly appliedMs: number;
  readonly answeredMs: number;
}

interface Step {
  readonly name: string;
  /** Since apply was sent, at the step's end. */
  readonly endMs: number;
  /** Undefined for a moment. */
  readonly tookMs?: number;
}

/** The median of each step over all starts, in order of their ends; reads and removes the agent's trace file. */
export function stepTable(file: string, news: readonly News[], starts: readonly Start[]): Table | undefined {
  if (starts.length === 0) return undefined;
  const traced = readTrace(file);
  const bySteps = new Map<string, Step[]>();
  for (const start of starts) {
    const steps = [...moments(start, news), ...(traced.get(start.uid) ?? []).map((line) => agentStep(line, start))];
    const readyMs = steps.find(({ name }) => name === READY)?.endMs ?? Number.POSITIVE_INFINITY;
    const seen = new Set<string>();
    for (const step of steps) {
      const nth = seen.has(step.name) ? `${step.name} (again)` : step.name;
      if (seen.has(nth) || step.endMs > readyMs) continue;
      seen.add(nth);
      bySteps.set(nth, [...(bySteps.get(nth) ?? []), step]);
    }
  }
  const median = (values: readonly number[]): number => quantile(values, 0.5);
  const rows = [...bySteps]
    .filter(([, steps]) => steps.length >= starts.length / 2)
    .map(([name, steps]) => ({
      name,
      endMs: median(steps.map(({ endMs }) => endMs)),
      tookMs: median(steps.map(({ tookMs = Number.NaN }) => tookMs)),
    }))
    .sort((a, b) => a.endMs - b.endMs);
  return {
    title: 'One pod start, step by step (medians; ms since apply was sent)',
    header: ['done at', 'took', 'step'],
    rows: rows.map(({ name, endMs, tookMs }) => [
      endMs.toFixed(1),
      Number.isNaN(tookMs) ? '' : tookMs.toFixed(1),
      name,
    ]),
  };
}

const READY = 'watch: Pod Ready';

interface TraceLine {
  readonly atMs: number;
  readonly step: string;
  readonly durationMs: number;
  readonly uid: string;
}

function agentStep({ step, atMs, durationMs }: TraceLine, { appliedMs }: Start): Step {
  return { name: `agent: ${step}`, endMs: atMs - appliedMs, ...(durationMs > 0 ? { tookMs: durationMs } : {}) };
}

function readTrace(file: string): Map<string, TraceLine[]> {
  const lines = new Map<string, TraceLine[]>();
  if (!existsSync(file)) return lines;
  for (const text of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const line = JSON.parse(text) as TraceLine;
    lines.set(line.uid, [...(lines.get(line.uid) ?? []), line]);
  }
  rmSync(file);
  return lines;
}

/** What the watch told of one pod and its owners, as moments. */
function moments({ uid, appliedMs, answeredMs }: Start, news: readonly News[]): Step[] {
  const of = news.filter(({ object }) => object.metadata?.uid === uid);
  const replicaSet = of[0]?.object.metadata?.ownerReferences?.[0]?.uid;
  const owners = news.filter(({ object }) => object.metadata?.uid === replicaSet);
  const pod = (found: (pod: corev1.Pod) => boolean): number | undefined =>
    of.find(({ object }) => found(object as corev1.Pod))?.atMs;
  const list: (readonly [string, number | undefined])[] = [
    ['apply answered', answeredMs],
    ['watch: ReplicaSet made', owners[0]?.atMs],
    ['watch: Pod made', of[0]?.atMs],
    ['watch: Pod bound', pod(({ spec }) => (spec?.nodeName ?? '') !== '')],
    ['watch: Pod has an address', pod(({ status }) => (status?.podIP ?? '') !== '')],
    [READY, pod(isReady)],
  ];
  return list.flatMap(([name, atMs]) => (atMs === undefined ? [] : [{ name, endMs: atMs - appliedMs }]));
}
