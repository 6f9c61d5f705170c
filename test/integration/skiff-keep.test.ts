import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAlive, type ProcessRef, processRef, signalProcess } from '../../lib/process.ts';
import { waitFor } from '../harness/wait.ts';

const keeper = join(import.meta.dirname, '../../bin/skiff-keep');

describe('skiff-keep', () => {
  let dir: string;
  let running: ChildProcess | undefined;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'skiff-keep-'));
  });
  afterEach(() => {
    running?.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  function keep(script: string): ChildProcess {
    running = spawn(keeper, [join(dir, 'log'), join(dir, 'pid'), 'sh', '-c', script], { stdio: 'ignore' });
    return running;
  }

  const child = (): ProcessRef | undefined =>
    existsSync(join(dir, 'pid'))
      ? (processRef(Number(readFileSync(join(dir, 'pid'), 'utf8'))) ?? undefined)
      : undefined;
  const exitOf = (process: ChildProcess): Promise<number | null> =>
    new Promise((resolve) => process.once('exit', resolve));

  test('starts a killed program again, with its output appended', async () => {
    keep('echo started; exec sleep 1000');
    const first = await waitFor('the program', child);
    signalProcess(first, 'SIGKILL');
    const second = await waitFor('the next one', () => (child()?.pid === first.pid ? undefined : child()));
    expect(isAlive(second)).toBe(true);
    await waitFor('both lines', () => readFileSync(join(dir, 'log'), 'utf8').split('started').length === 3);
    signalProcess(second, 'SIGKILL');
  });

  test('passes TERM on, waits for the program to finish, and ends with it', async () => {
    const process = keep('trap "echo bye; exit 0" TERM; echo ready; while :; do sleep 0.05; done');
    await waitFor('the program to be ready', () => readFileSync(join(dir, 'log'), 'utf8').includes('ready'));
    const program = await waitFor('the program', child);
    const ended = exitOf(process);
    process.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(isAlive(program)).toBe(false);
    expect(readFileSync(join(dir, 'log'), 'utf8')).toContain('bye');
    expect(existsSync(join(dir, 'pid'))).toBe(false);
  });

  test('leaves a program with wrong options stopped', async () => {
    const process = keep('echo wrong; exit 2');
    await exitOf(process);
    expect(readFileSync(join(dir, 'log'), 'utf8')).toBe('wrong\nskiff-keep: not started again: wrong options\n');
  });
});
