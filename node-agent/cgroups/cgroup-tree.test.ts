import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CgroupTree } from './cgroup-tree.ts';
import type { CgroupLayout } from './layout.ts';

/** An ordinary folder in the place of cgroupfs shows what is written where; the kernel's part is tested with containers. */
describe('CgroupTree', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'skiff-cgroup-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const v2 = (): CgroupLayout => ({
    version: 2,
    unified: folder,
    controllers: new Map(),
    hierarchies: [folder],
    hybridControllers: [],
  });
  const v1 = (): CgroupLayout => {
    const controllers = new Map(
      ['cpu', 'cpuacct', 'memory', 'pids', 'cpuset'].map((name) => [name, join(folder, name)]),
    );
    return { version: 1, unified: null, controllers, hierarchies: [...controllers.values()], hybridControllers: [] };
  };
  const read = (path: string): string => readFileSync(join(folder, path), 'utf8');
  const limits = { cpuShares: 1024, cpuQuotaUs: 50_000, memoryLimitBytes: 1 << 20, pidsLimit: 7 };

  it('writes limits in the words of v2', () => {
    new CgroupTree('skiff', v2()).create('skiff/burstable/podx', limits);
    const pod = 'skiff/burstable/podx';
    expect([
      read(`${pod}/cpu.weight`),
      read(`${pod}/cpu.max`),
      read(`${pod}/memory.max`),
      read(`${pod}/pids.max`),
    ]).toEqual(['39', '50000 100000', '1048576', '7']);
  });

  it('lifts limits in the words of v2', () => {
    const tree = new CgroupTree('skiff', v2());
    tree.create('skiff/podx', { cpuQuotaUs: -1, memoryLimitBytes: -1, pidsLimit: -1 });
    expect([read('skiff/podx/cpu.max'), read('skiff/podx/memory.max'), read('skiff/podx/pids.max')]).toEqual([
      'max 100000',
      'max',
      'max',
    ]);
  });

  it('hands controllers down from the top, only those that exist and are wanted', () => {
    writeFileSync(join(folder, 'cgroup.controllers'), 'cpuset cpu io memory pids rdma misc\n');
    writeFileSync(join(folder, 'cgroup.subtree_control'), 'cpu\n');
    new CgroupTree('skiff', v2()).create('skiff/podx');
    expect(read('cgroup.subtree_control')).toBe('+cpuset +io +memory +pids');
  });

  it('writes limits in the words of v1', () => {
    new CgroupTree('skiff', v1()).create('skiff/podx', limits);
    expect([
      read('cpu/skiff/podx/cpu.shares'),
      read('cpu/skiff/podx/cpu.cfs_quota_us'),
      read('cpu/skiff/podx/cpu.cfs_period_us'),
      read('memory/skiff/podx/memory.limit_in_bytes'),
      read('pids/skiff/podx/pids.max'),
    ]).toEqual(['1024', '50000', '100000', '1048576', '7']);
  });

  it.each([
    ['v2', v2, '', 'cpu.weight', ['1', '1', '49', '10', '1']],
    ['v1', v1, 'cpu/', 'cpu.shares', ['2', '2', '1280', '256', '2']],
  ] as const)('classes weigh what their pods ask for under %s', async (_name, layout, hierarchy, file, weights) => {
    const tree = new CgroupTree('skiff', layout());
    const classFile = (name: string): string => `${hierarchy}skiff/${name}/${file}`;
    // What the kernel makes with every cgroup.
    for (const name of ['burstable', 'besteffort']) {
      mkdirSync(join(folder, `${hierarchy}skiff/${name}`), { recursive: true });
      writeFileSync(join(folder, classFile(name)), '100');
    }
    tree.prepare();
    const seen = [read(classFile('besteffort')), read(classFile('burstable'))];
    tree.create('skiff/burstable/poda', { cpuShares: 1024 });
    tree.create('skiff/burstable/podb', { cpuShares: 256 });
    tree.setLimits('skiff/burstable/podb/container', {});
    tree.create('skiff/podg', { cpuShares: 4096 });
    seen.push(read(classFile('burstable')));
    // A plain folder, unlike a cgroup, must be emptied before it can be removed.
    const remove = async (path: string): Promise<void> => {
      rmSync(join(folder, hierarchy, path), { recursive: true });
      await tree.remove(path);
    };
    await remove('skiff/burstable/poda').catch(() => undefined);
    seen.push(read(classFile('burstable')));
    await remove('skiff/burstable/podb').catch(() => undefined);
    seen.push(read(classFile('burstable')));
    expect(seen).toEqual(weights);
  });

  it.each([
    ['v1, as many cores as the machine has', v1, 'cpu/skiff', 'cpu.shares', String(1024 * availableParallelism())],
    ['v2, what every slice weighs', v2, 'skiff', 'cpu.weight', '100'],
  ] as const)('all pods together weigh, under %s', (_name, layout, path, file, weight) => {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, file), '100');
    new CgroupTree('skiff', layout()).prepare();
    expect(read(`${path}/${file}`)).toBe(weight);
  });

  it('finds the weight of burstable pods that were there before', () => {
    mkdirSync(join(folder, 'skiff/burstable/podold'), { recursive: true });
    writeFileSync(join(folder, 'skiff/burstable/podold/cpu.weight'), '39\n');
    writeFileSync(join(folder, 'skiff/burstable/cpu.weight'), '100');
    new CgroupTree('skiff', v2()).prepare();
    expect(read('skiff/burstable/cpu.weight')).toBe('39');
  });

  it.each([
    ['switched off', 'cpu pids', '', /memory controller is switched off on this machine \(add cgroup_enable=memory/],
    [
      'not handed down',
      'cpu memory pids',
      'cpu',
      /memory controller cannot be handed down from .* processes sit there/,
    ],
    ['there', 'memory', 'memory', /EISDIR/],
  ])('says why memory cannot be limited when the controller is %s', (_name, available, handedDown, message) => {
    const tree = new CgroupTree('skiff', v2());
    writeFileSync(join(folder, 'cgroup.controllers'), available);
    writeFileSync(join(folder, 'cgroup.subtree_control'), handedDown);
    mkdirSync(join(folder, 'skiff/podx/memory.max'), { recursive: true });
    expect(() => tree.setLimits('skiff/podx', { memoryLimitBytes: 1 })).toThrow(message);
  });

  it('says so when a hybrid machine has no memory controller', () => {
    const layout = { ...v1(), controllers: new Map([['pids', join(folder, 'pids')]]) };
    const tree = new CgroupTree('skiff', layout);
    expect(() => tree.setLimits('skiff/podx', { memoryLimitBytes: 1 })).toThrow(/memory controller is switched off/);
  });

  it('keeps pods out of swap where the kernel can', () => {
    mkdirSync(join(folder, 'skiff'));
    writeFileSync(join(folder, 'skiff/memory.swap.max'), 'max');
    new CgroupTree('skiff', v2()).prepare();
    expect(read('skiff/memory.swap.max')).toBe('0');
  });

  it('joins every hierarchy except cpuset, which refuses processes until it is given CPUs', () => {
    expect(new CgroupTree('skiff', v1()).joinFiles('skiff/monitors').some((file) => file.includes('/cpuset/'))).toBe(
      false,
    );
  });

  it.each([
    [
      'v2',
      v2,
      'skiff/podx',
      {
        'memory.current': '900',
        'memory.stat': 'anon 1\ninactive_file 300\n',
        'cpu.stat': 'usage_usec 5\n',
        'pids.current': '3',
        'memory.events': 'oom 9\noom_kill 2\n',
      },
    ],
  ] as const)('reads usage under %s', (_name, layout, path, files) => {
    mkdirSync(join(folder, path), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, path, name), text);
    }
    const tree = new CgroupTree('skiff', layout());
    expect(tree.usage(path)).toEqual({
      cpuUsageNs: 5000,
      memoryUsageBytes: 900,
      memoryWorkingSetBytes: 600,
      pids: 3,
      oomKills: 2,
    });
    expect(tree.usage('skiff/nobody')).toBeNull();
    expect(tree.podPaths()).toEqual(['skiff/podx']);
  });
});
