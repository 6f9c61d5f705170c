import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { isAlive, type ProcessRef, processRef, readProcessStat, signalProcess } from '../../lib/process.ts';
import { CgroupTree } from '../../node-agent/cgroups/cgroup-tree.ts';
import { cgroupFolders } from '../../node-agent/dead-man/create-dead-man.ts';
import { DeadManFiles } from '../../node-agent/dead-man/dead-man-files.ts';
import { WatchdogProcess } from '../../node-agent/dead-man/watchdog.ts';
import { forgetRun, newRun, type TestRun } from '../harness/run.ts';
import { waitFor } from '../harness/wait.ts';

const script = join(import.meta.dirname, '../../bin/skiff-deadman');
const FOREVER = 'trap "" TERM INT; while :; do sleep 1000; done';
const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)(`skiff-deadman${isRoot ? '' : ' (skipped: only root may make cgroups)'}`, () => {
  let run: TestRun;
  let tree: CgroupTree;
  let files: DeadManFiles;
  let watchdog: WatchdogProcess;
  let device: string;
  const { signal } = new AbortController();

  beforeEach(() => {
    run = newRun();
    tree = new CgroupTree(`skiff-${run.id}`);
    const dir = join(run.dir, 'dead-man');
    files = new DeadManFiles(dir);
    files.prepare();
    device = join(run.dir, 'watchdog');
    writeFileSync(device, '');
    mkdirs(`${tree.root}/monitors`);
    watchdog = new WatchdogProcess({
      dir,
      device,
      limitSeconds: 30,
      joinFiles: tree.joinFiles(`${tree.root}/monitors`),
      clock: systemClock,
    });
  });
  afterEach(async () => {
    const dog = watched();
    if (dog !== undefined) signalProcess(dog, 'SIGKILL');
    await tree.remove(tree.root);
    forgetRun(run);
  });

  const uptime = (): number => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  const watched = (): ProcessRef | undefined => {
    const file = join(files.dir, 'process');
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ProcessRef) : undefined;
  };
  const unifiedMount = (): string =>
    readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .find((line) => line.split(' ')[2] === 'cgroup2')
      ?.split(' ')[1] ?? '/nowhere';
  const folders = (uid: string): readonly string[] =>
    cgroupFolders(tree.layout, tree.root, { metadata: { uid }, spec: { containers: [{ name: 'c' }] } });
  function mkdirs(path: string): void {
    for (const hierarchy of tree.layout.hierarchies) mkdirSync(`${hierarchy}/${path}`, { recursive: true });
  }
  /** A process in a container's cgroup of a pod, which heeds no signal that it may ignore. */
  async function startIn(uid: string): Promise<ProcessRef> {
    const path = `${tree.root}/besteffort/pod${uid}/c1`;
    mkdirs(path);
    const join = tree.joinFiles(path).map((file) => `echo $$ > ${file}`);
    const child: ChildProcess = spawn('sh', ['-c', `${join.join('; ')}; ${FOREVER}`], { stdio: 'ignore' });
    await waitFor('a process and its child in the cgroup', () => tree.processes(path).length === 2);
    const ref = processRef(child.pid ?? 0);
    if (ref === null) throw new Error('the process ended at once');
    return ref;
  }

  test('ends listed pods when it is fed no more, and what is started in them after; others live; with nobody but itself', async () => {
    const [listed, other, unified] = [await startIn('listed'), await startIn('other'), await startIn('unified')];
    files.listPod('listed', folders('listed'));
    // As on a machine with nothing but cgroups v2.
    files.listPod('unified', [`${unifiedMount()}/${tree.root}/besteffort/podunified`]);
    // A container that is held still must end, too.
    const freezer = `${folders('listed')[0]}/c1/freezer.state`;
    if (existsSync(freezer)) writeFileSync(freezer, 'FROZEN');
    files.feed({ fedSeconds: uptime(), deadlineSeconds: 3 });
    await watchdog.start(signal);
    const dog = watched();
    if (dog === undefined) throw new Error('there is no watchdog');
    expect(readProcessStat(dog.pid)?.sessionId).toBe(dog.pid);
    expect(tree.processes(`${tree.root}/monitors`)).toContain(dog.pid);
    // Signals alone do not stop it, as a service manager would try to.
    signalProcess(dog, 'SIGTERM');
    signalProcess(dog, 'SIGHUP');
    const fedAt = uptime();
    files.feed({ fedSeconds: fedAt, deadlineSeconds: 3 });
    await waitFor('the pod to be ended', () => !isAlive(listed), { timeoutMs: 8000, everyMs: 20 });
    // Whole seconds of the clock may make it up to one early.
    expect(uptime() - fedAt).toBeGreaterThan(2);
    expect(uptime() - fedAt).toBeLessThan(3 + 2);
    await waitFor('its children to be ended', () => tree.processes(`${tree.root}/besteffort/podlisted`).length === 0);
    await waitFor('the other pod to be ended', () => !isAlive(unified));
    expect([isAlive(other), files.hasFired, isAlive(dog)]).toEqual([true, true, true]);
    const fedBytes = statSync(device).size;
    expect(fedBytes).toBeGreaterThan(0);
    const late = spawn('sh', ['-c', `echo $$ > ${folders('listed')[0]}/c1/cgroup.procs; ${FOREVER}`], {
      stdio: 'ignore',
    });
    const lateEnded = new Promise((resolve) => late.once('exit', resolve));
    await lateEnded;
    expect(statSync(device).size).toBe(fedBytes);
    files.clearFired();
    files.feed({ fedSeconds: uptime(), deadlineSeconds: 30 });
    await waitFor('the hardware to be fed again', () => statSync(device).size > fedBytes);
    const again = await startIn('listed');
    await watchdog.stop(signal);
    expect([isAlive(again), isAlive(dog), files.hasFired]).toEqual([true, false, false]);
    expect(readFileSync(device, 'utf8')).toMatch(/^\.+V$/);
  }, 20_000);

  test('is found again by the next agent, and replaced when it was killed', async () => {
    files.feed({ fedSeconds: uptime(), deadlineSeconds: 60 });
    await watchdog.start(signal);
    const dog = watched();
    const next = new WatchdogProcess({ dir: files.dir, device, limitSeconds: 30, joinFiles: [], clock: systemClock });
    expect(next.isWatching()).toBe(true);
    await next.start(signal);
    expect(watched()).toEqual(dog);
    if (dog !== undefined) signalProcess(dog, 'SIGKILL');
    await waitFor('its end', () => !next.isWatching());
    await next.start(signal);
    expect([next.isWatching(), watched()?.pid === dog?.pid]).toEqual([true, false]);
    await next.stop(signal);
  });

  test('says why it cannot start', async () => {
    files.feed({ fedSeconds: uptime(), deadlineSeconds: 60 });
    const missing = join(run.dir, 'nowhere/watchdog');
    const broken = new WatchdogProcess({
      dir: files.dir,
      device: missing,
      limitSeconds: 30,
      joinFiles: [],
      clock: systemClock,
      script,
    });
    await expect(broken.start(signal)).rejects.toThrow(/^Cannot start the dead-man: .*nowhere\/watchdog/);
    expect(broken.isWatching()).toBe(false);
  });
});
