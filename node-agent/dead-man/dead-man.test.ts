import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { FakeClock } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { renewNodeLease } from '../node/node-lease.ts';
import { cgroupFolders } from './create-dead-man.ts';
import { DeadMan } from './dead-man.ts';
import { DeadManFiles } from './dead-man-files.ts';
import type { Watchdog } from './watchdog.ts';

const KEY = 'skiff.dev/dead-man-seconds';
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

class FakeWatchdog implements Watchdog {
  watching = false;
  problem: string | undefined;
  isWatching(): boolean {
    return this.watching;
  }
  async start(): Promise<void> {
    if (this.problem !== undefined) throw new Error(this.problem);
    this.watching = true;
  }
  async stop(): Promise<void> {
    this.watching = false;
  }
}

describe('the dead-man of a node', () => {
  let clock: FakeClock;
  let api: MemoryResourceClient;
  let dir: string;
  let files: DeadManFiles;
  let watchdog: FakeWatchdog;
  let stop: AbortController;
  let running: Promise<unknown>;
  let db: corev1.Pod;

  beforeEach(async () => {
    clock = new FakeClock();
    api = new MemoryResourceClient({ clock });
    dir = mkdtempSync(join(tmpdir(), 'skiff-dead-man-'));
    files = new DeadManFiles(dir);
    watchdog = new FakeWatchdog();
    db = await api.create(KINDS.Pod, {
      metadata: {
        name: 'db-0',
        namespace: 'default',
        ownerReferences: [{ kind: 'StatefulSet', name: 'db', uid: 'u', controller: true }],
      },
      spec: { nodeName: 'n1', containers: [{ name: 'c' }] },
    });
    await api.create(KINDS.Pod, { metadata: { name: 'web', namespace: 'default' }, spec: { nodeName: 'n1' } });
    running = Promise.resolve();
  });
  afterEach(async () => {
    stop.abort();
    await running;
    rmSync(dir, { recursive: true, force: true });
  });

  /** An agent that begins. */
  function begin(seconds: number | 'off' = 30): DeadMan {
    stop = new AbortController();
    const deadMan = new DeadMan({
      node: 'n1',
      seconds: seconds === 'off' ? undefined : seconds,
      files,
      watchdog,
      cgroupFolders: ({ metadata }) => [`/nowhere/${metadata?.uid}`],
      uptimeSeconds: () => 1000 + clock.monotonicMs() / 1000,
      client: api,
      clock,
      log,
      changed: () => undefined,
    });
    const lease = {
      client: api,
      clock,
      log,
      node: 'n1',
      owner: () => undefined,
      onRecovered: () => undefined,
      renewEveryMs: 3000,
      durationSeconds: 10,
      companions: [deadMan],
    };
    running = Promise.all([deadMan.run(stop.signal), renewNodeLease(lease, stop.signal)]);
    return deadMan;
  }
  async function end(): Promise<void> {
    stop.abort();
    await running;
  }
  const promise = (): string | undefined => api.peek(KINDS.Lease)[0]?.metadata?.annotations?.[KEY];
  const condition = (deadMan: DeadMan) => deadMan.conditions()[0];
  /** Nothing is written any more; reads work. */
  const cutOff = () =>
    api.intercept(({ type, verb }) => {
      if (type.kind === 'Lease' && verb !== 'watch') throw new ApiError('ServiceUnavailable', 'away');
    });
  async function agrees(deadMan: DeadMan): Promise<boolean> {
    deadMan.refusesStart(db);
    await clock.advance(0);
    return deadMan.refusesStart(db) === undefined;
  }

  test('promises once its pods are listed and the watchdog runs, and feeds with the time before each renewal', async () => {
    const deadMan = begin();
    await clock.advance(0);
    expect([promise(), watchdog.watching, condition(deadMan)?.status]).toEqual(['30', true, 'True']);
    expect(readdirSync(join(dir, 'pods'))).toEqual([db.metadata?.uid]);
    expect(files.readFeeding()).toEqual({ fedSeconds: 1000, deadlineSeconds: 30 });
    const undo = api.intercept(async ({ type, verb }) => {
      if (type.kind === 'Lease' && verb === 'update') await new Promise<void>((done) => clock.setTimer(done, 5000));
    });
    await clock.advance(3000);
    expect(files.readFeeding()?.fedSeconds).toBe(1000);
    await clock.advance(5000);
    expect(files.readFeeding()?.fedSeconds).toBe(1003);
    undo();
  });

  test('promises nothing when the watchdog cannot run, and says why', async () => {
    watchdog.problem = 'the device is busy';
    const deadMan = begin();
    await clock.advance(0);
    expect([promise(), condition(deadMan)]).toEqual([
      undefined,
      { type: 'DeadManArmed', status: 'False', reason: 'CannotStart', message: 'the device is busy' },
    ]);
    expect(await agrees(deadMan)).toBe(true);
    watchdog.problem = undefined;
    await clock.advance(3000);
    expect(promise()).toBe('30');
    watchdog.watching = false;
    watchdog.problem = 'gone';
    await clock.advance(3000);
    expect(promise()).toBeUndefined();
  });

  test('starts no stateful pod while the deadline has passed, and after it only one that is still to run', async () => {
    const deadMan = begin();
    await clock.advance(0);
    expect(await agrees(deadMan)).toBe(true);
    const undo = cutOff();
    await clock.advance(29_000);
    expect(await agrees(deadMan)).toBe(true);
    await clock.advance(2_000);
    expect(deadMan.refusesStart(db)).toContain('has not reached its control plane');
    expect(deadMan.refusesStart({ metadata: { name: 'web' } })).toBeUndefined();
    await api.delete(KINDS.Pod, { namespace: 'default', name: 'db-0' });
    undo();
    await clock.advance(6_000);
    expect(await agrees(deadMan)).toBe(false);
    expect(deadMan.refusesStart(db)).toContain('has not said yet');
  });

  test('starts a stateful pod again once it is read to be wanted still', async () => {
    const deadMan = begin();
    await clock.advance(0);
    const undo = cutOff();
    await clock.advance(40_000);
    expect(deadMan.refusesStart(db)).toBeDefined();
    undo();
    await clock.advance(6_000);
    expect(await agrees(deadMan)).toBe(true);
  });

  test('asks anew when the watchdog fired, however short the silence, and ahead of the start', async () => {
    const deadMan = begin();
    await clock.advance(0);
    expect(deadMan.refusesStart(db)).toBeUndefined();
    writeFileSync(join(dir, 'fired'), '1001\n');
    const undo = api.intercept(({ type, verb }) => {
      if (type.kind === 'Pod' && verb === 'get') throw new ApiError('ServiceUnavailable', 'away');
    });
    await clock.advance(3000);
    expect([files.hasFired, deadMan.refusesStart(db) === undefined]).toEqual([false, false]);
    undo();
    await clock.advance(3000);
    expect(await agrees(deadMan)).toBe(true);
    writeFileSync(join(dir, 'fired'), '1007\n');
    await clock.advance(3000);
    expect(deadMan.refusesStart(db)).toBeUndefined();
  });

  test('a new agent feeds nothing before its own first renewal, and starts nothing before it', async () => {
    begin();
    await clock.advance(3000);
    await end();
    await clock.advance(20_000);
    const undo = cutOff();
    const deadMan = begin();
    await clock.advance(5000);
    expect(files.readFeeding()?.fedSeconds).toBe(1003);
    expect(await agrees(deadMan)).toBe(false);
    undo();
    await clock.advance(3000);
    expect(await agrees(deadMan)).toBe(true);
  });

  test('an agent without dead-man lets the old watchdog go only when the promise was taken back', async () => {
    begin();
    await clock.advance(3000);
    await end();
    const undo = cutOff();
    begin('off');
    await clock.advance(6000);
    expect([watchdog.watching, promise()]).toEqual([true, '30']);
    undo();
    await clock.advance(3000);
    expect([watchdog.watching, promise(), files.readFeeding()]).toEqual([false, undefined, undefined]);
  });

  test('without dead-man nothing is touched and nothing refused', async () => {
    const deadMan = begin('off');
    await clock.advance(3000);
    expect([readdirSync(dir), promise(), deadMan.refusesStart(db), watchdog.watching]).toEqual([
      [],
      undefined,
      undefined,
      false,
    ]);
    expect(condition(deadMan)).toMatchObject({ status: 'False', reason: 'Off' });
  });
});

test('a pod is found in one folder under v2, and under v1 first in the one that holds it still', () => {
  const pod = { metadata: { uid: 'u' }, spec: { containers: [{ name: 'c' }] } };
  const v1 = new Map([
    ['pids', '/sys/fs/cgroup/pids'],
    ['freezer', '/sys/fs/cgroup/freezer'],
  ]);
  expect(cgroupFolders({ unified: '/sys/fs/cgroup', controllers: new Map() }, 'skiff', pod)).toEqual([
    '/sys/fs/cgroup/skiff/besteffort/podu',
  ]);
  expect(cgroupFolders({ unified: null, controllers: v1 }, 'skiff', pod)).toEqual([
    '/sys/fs/cgroup/freezer/skiff/besteffort/podu',
    '/sys/fs/cgroup/pids/skiff/besteffort/podu',
  ]);
});
