/**
 * One run of tests that makes things outside its process: an id in every name, and a record of who owns it, so that the next run
 * can sweep what a killed one left behind.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, type ProcessRef, processRef } from '../../lib/process.ts';

/** Where all runs keep their records and state. */
export const RUNS_DIR = join(tmpdir(), 'skiff-test-runs');

/** What identifies one world: its id is at most 6 characters, so that link names made from it fit into 15. */
export interface TestRun {
  readonly id: string;
  /** State folder of this run; everything it stores lies below. */
  readonly dir: string;
  readonly owner: ProcessRef;
}

let counter = 0;

/** Registers a new run owned by this process. */
export function newRun(): TestRun {
  const owner = processRef(process.pid);
  if (owner === null) throw new Error('cannot read /proc/self/stat');
  counter += 1;
  const id = `${(process.pid % 46_656).toString(36).padStart(3, '0')}${(Date.now() % 36).toString(36)}${counter.toString(36)}`;
  const dir = join(RUNS_DIR, id);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeFileSync(join(RUNS_DIR, `${id}.json`), JSON.stringify({ id, dir, owner }));
  return { id, dir, owner };
}

/** Forgets a run whose traces are gone. */
export function forgetRun(run: TestRun): void {
  rmSync(run.dir, { recursive: true, force: true });
  rmSync(join(RUNS_DIR, `${run.id}.json`), { force: true });
}

/** Runs whose owner has died without cleaning up. */
export function deadRuns(): TestRun[] {
  let names: string[];
  try {
    names = readdirSync(RUNS_DIR);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(RUNS_DIR, name), 'utf8')) as TestRun)
    .filter((run) => !isAlive(run.owner));
}
