import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build as bundle } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildImage, encodeOciArchive } from '../../lib/oci-image-writer.ts';
import { isImageError } from '../../node-agent/images/image-store.ts';
import { OverlayImageStore, type OverlayImageStoreOptions } from '../../node-agent/images/overlay-image-store.ts';

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

/** What is killed: a process that loads one archive into a store, over and over under new names. */
const LOADER = `
import { OverlayImageStore } from '${join(import.meta.dirname, '../../node-agent/images/overlay-image-store.ts')}';
const [directory = '', archive = ''] = process.argv.slice(2);
const registry = { fetch: () => Promise.reject(new Error('no registry')) };
const store = new OverlayImageStore({ directory, registry, syncToDisk: false });
store.sweep().then(async () => {
  for (;;) {
    for (const image of await store.load(archive)) {
      await store.mountRootfs(image, 'c1');
      await store.unmountRootfs('c1');
      await store.remove(image.id);
    }
  }
});
`;

describe.skipIf(!isRoot)('an image store under fire (needs root)', () => {
  let folder: string;
  let directory: string;
  let loader: string;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skiff-faults-'));
    loader = join(folder, 'loader.cjs');
    await bundle({
      stdin: { contents: LOADER, loader: 'ts', resolveDir: folder },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      outfile: loader,
      logLevel: 'error',
    });
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(folder, 'images-'));
  });
  afterEach(() => {
    child?.kill('SIGKILL');
  });
  afterAll(async () => {
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
    await rm(folder, { recursive: true });
  });

  async function openStore(options: Partial<OverlayImageStoreOptions> = {}): Promise<OverlayImageStore> {
    const registry = { fetch: () => Promise.reject(new Error('no registry')) };
    const store = new OverlayImageStore({ directory, registry, syncToDisk: false, ...options });
    await store.sweep();
    return store;
  }

  async function archive(name: string, seeds: readonly string[]): Promise<string> {
    const path = join(folder, `${name}.tar`);
    const layers = seeds.map((seed) =>
      Array.from({ length: 100 }, (_, i) => ({
        kind: 'file' as const,
        path: `${seed}/${i}`,
        content: seed.repeat(2000),
      })),
    );
    await writeFile(
      path,
      encodeOciArchive([buildImage({ references: [`${name}:1`], layers, config: { Cmd: [name] } })]),
    );
    return path;
  }

  async function until(check: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!check()) {
      if (Date.now() > deadline) {
        throw new Error(`Gave up waiting until ${what}`);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What a folder has at this moment; it may be made and deleted while we look. */
  const inFolder = (name: string): string[] => {
    try {
      return readdirSync(join(directory, name));
    } catch {
      return [];
    }
  };
  const layers = (): string[] => inFolder('layers');

  it.each([
    ['the archive is being read', () => inFolder('staging').length > 0],
    ['a layer is being unpacked', () => layers().some((name) => name.startsWith('.new-'))],
    ['some layers are there and some are not', () => layers().filter((name) => !name.startsWith('.')).length === 2],
    ['a root folder is mounted or about to be', () => inFolder('containers').length > 0],
    ['content is being deleted', () => layers().some((name) => name.startsWith('.old-'))],
  ])('is whole after a kill while %s', async (what, check) => {
    const path = await archive('big', ['a', 'b', 'c', 'd']);
    for (let round = 0; round < 3; round++) {
      const running = fork(loader, [directory, path], { stdio: 'ignore' });
      child = running;
      const ended = new Promise((resolve) => running.once('exit', resolve));
      await until(check, what);
      running.kill('SIGKILL');
      await ended;
      const store = await openStore();
      expect(inFolder('staging')).toEqual([]);
      expect(layers().filter((name) => name.startsWith('.'))).toEqual([]);
      const there = await store.list();
      expect(layers()).toHaveLength(there.length * 4);
      expect(inFolder('blobs/sha256')).toHaveLength(there.length * 6);
      const [image] = await store.load(path);
      if (image === undefined) {
        throw new Error('nothing was loaded');
      }
      const root = await store.mountRootfs(image, 'after');
      expect(await readFile(join(root.path, 'd/99'), 'utf8')).toBe('d'.repeat(2000));
      for (const id of ['after', 'c1']) {
        await store.unmountRootfs(id);
      }
      await store.remove(image.id);
    }
  });

  it('keeps its promises when everything happens at once', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    let state = seed;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return Math.floor((state / 0x80000000) * below);
    };
    const store = await openStore();
    const names = ['one', 'two', 'three'];
    const paths = [
      await archive('one', ['base', 'x']),
      await archive('two', ['base', 'y']),
      await archive('three', ['base', 'y', 'z']),
    ];
    const expected = ['COLLECTED', 'NotFound', 'InUse'];
    const problems: string[] = [];
    const step = async (i: number): Promise<void> => {
      const which = random(3);
      const id = `c${i}`;
      switch (random(4)) {
        case 0:
          await store.load(paths[which] ?? '');
          break;
        case 1:
          await store.remove(`${names[which]}:1`);
          break;
        case 2:
          await store.garbageCollect({ highPercent: 0, lowPercent: 0, inUse: [], minAgeMs: 0 });
          break;
        default: {
          const image = await store.resolve(`${names[which]}:1`);
          if (image !== undefined) {
            const { path } = await store.mountRootfs(image, id);
            expect(await readFile(join(path, 'base/7'), 'utf8')).toBe('base'.repeat(2000));
            await store.unmountRootfs(id);
          }
        }
      }
    };
    for (let batch = 0; batch < 12; batch++) {
      const outcomes = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => step(batch * 12 + i)));
      for (const outcome of outcomes) {
        if (
          outcome.status === 'rejected' &&
          !(isImageError(outcome.reason) && expected.includes(outcome.reason.code))
        ) {
          problems.push(String(outcome.reason));
        }
      }
    }
    expect(problems, `seed ${seed}`).toEqual([]);
    for (const path of paths) {
      await store.load(path);
    }
    const reopened = await openStore();
    expect((await reopened.list()).map((image) => image.references[0])).toEqual([
      'docker.io/library/one:1',
      'docker.io/library/three:1',
      'docker.io/library/two:1',
    ]);
    expect(layers(), `seed ${seed}`).toHaveLength(4);
  });

  it('collects the image that was not used for longest first, and none that is young', async () => {
    let nowMs = 1_000_000;
    const store = await openStore({ now: () => nowMs });
    const ids = new Map<string, string>();
    for (const name of ['old', 'used', 'young']) {
      nowMs += 1000;
      const [image] = await store.load(await archive(name, [name]));
      ids.set(name, image?.id ?? '');
    }
    const used = await store.resolve('used:1');
    if (used !== undefined) {
      await store.mountRootfs(used, 'c1');
      nowMs += 1000;
      await store.unmountRootfs('c1');
    }
    nowMs += 60_000;
    await store.tag('young:1', 'other:1');
    const options = { highPercent: 0, lowPercent: 0, inUse: [] };
    expect((await store.garbageCollect(options)).removed).toEqual([]);
    nowMs += 59_500;
    const collected = await store.garbageCollect(options);
    expect(collected.removed).toEqual([ids.get('old'), ids.get('young')]);
    expect(collected.freedBytes).toBeGreaterThan(2 * 100 * 2000);
    nowMs += 2000;
    expect((await store.garbageCollect(options)).removed).toEqual([ids.get('used')]);
    expect(layers()).toEqual([]);
  });

  it('stops a load that is cancelled, and leaves nothing of it', async () => {
    const store = await openStore();
    const path = await archive('cancelled', ['a', 'b', 'c']);
    const abort = new AbortController();
    const loading = store.load(path, {
      signal: abort.signal,
      onProgress: (progress) => progress.layersDone === 1 && abort.abort(new Error('not wanted')),
    });
    await expect(loading).rejects.toThrow('not wanted');
    expect([layers(), inFolder('staging'), inFolder('blobs/sha256'), await store.list()]).toEqual([[], [], [], []]);
  });

  it('stops before the disk is full', async () => {
    const store = await openStore({ minFreeBytes: Number.MAX_SAFE_INTEGER / 2 });
    await expect(store.load(await archive('full', ['a']))).rejects.toThrow(/the disk has only \d+ bytes left/);
    expect(layers()).toEqual([]);
  });
});
