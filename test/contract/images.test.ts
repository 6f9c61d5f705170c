import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage, type ImageRunConfig, writeOciArchive } from '../../lib/oci-image-writer.ts';
import type { BlobStore } from '../../node-agent/images/blob-store.ts';
import { type Image, ImageError, type ImageStore, isImageError } from '../../node-agent/images/image-store.ts';
import { MemoryImageStore } from '../../node-agent/images/memory-image-store.ts';
import { OverlayImageStore } from '../../node-agent/images/overlay-image-store.ts';
import { fullName, type ImageReference } from '../../node-agent/images/reference.ts';
import type { FetchedImage, FetchOptions, ImageRegistry } from '../../node-agent/images/registry.ts';

/** A store under test and the world around it. */
interface Scene {
  readonly store: ImageStore;
  /** An archive with these images; each list of names is one image. The seed makes images differ. */
  archive(images: readonly { readonly names: readonly string[]; readonly seed: string }[]): Promise<string>;
  /** Puts an image, or a failure, into the registry. */
  publish(name: string, what: { readonly seed: string } | ImageError): void;
  /** How often the registry was asked. */
  fetches(): number;
  close(): Promise<void>;
}

const canMount = process.platform === 'linux' && process.getuid?.() === 0;

function runConfig(seed: string): ImageRunConfig {
  return {
    Entrypoint: ['/bin/app'],
    Cmd: [seed],
    Env: ['PATH=/bin', 'A=b'],
    User: '33',
    WorkingDir: '/srv',
    ExposedPorts: { '80/tcp': {} },
  };
}

function memoryScene(): Scene {
  const store = new MemoryImageStore();
  const config = (seed: string): Image['config'] => ({
    entrypoint: ['/bin/app'],
    cmd: [seed],
    env: ['PATH=/bin', 'A=b'],
    user: '33',
    workingDir: '/srv',
    exposedPorts: ['80/tcp'],
  });
  let archives = 0;
  return {
    store,
    async archive(images) {
      archives += 1;
      const path = `/archive/${archives}`;
      store.addArchive(
        path,
        images.map(({ names, seed }) => ({ references: names, config: config(seed) })),
      );
      return path;
    },
    publish: (name, what) => store.publish(name, what instanceof ImageError ? what : { config: config(what.seed) }),
    fetches: () => store.pulled.length,
    close: async () => undefined,
  };
}

/** Answers from memory what a registry would answer. */
class PretendedRegistry implements ImageRegistry {
  readonly published = new Map<string, { readonly seed: string } | ImageError>();
  fetches = 0;

  async fetch(reference: ImageReference, options: FetchOptions): Promise<FetchedImage> {
    this.fetches += 1;
    const what = this.published.get(fullName(reference));
    if (what === undefined) {
      throw new ImageError('NotFound', `Cannot pull the image ${fullName(reference)}: no such image`);
    }
    if (what instanceof ImageError) {
      throw what;
    }
    const built = build(what.seed, []);
    options.pins.add(...built.blobs.keys());
    await putAll(options.blobs, [...built.blobs.values()]);
    return { repoDigest: built.manifestDigest, manifestDigest: built.manifestDigest };
  }
}

async function putAll(blobs: BlobStore, contents: readonly Buffer[]): Promise<void> {
  for (const content of contents) {
    await blobs.writeDocument(content);
  }
}

function build(seed: string, references: readonly string[]): ReturnType<typeof buildImage> {
  return buildImage({
    references,
    layers: [[{ kind: 'file', path: 'etc/seed', content: seed }]],
    config: runConfig(seed),
  });
}

async function overlayScene(): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'skiff-images-'));
  const registry = new PretendedRegistry();
  const store = new OverlayImageStore({ directory: join(folder, 'images'), registry, syncToDisk: false });
  await store.sweep();
  let archives = 0;
  return {
    store,
    async archive(images) {
      archives += 1;
      const path = join(folder, `${archives}.tar`);
      await writeOciArchive(
        path,
        images.map(({ names, seed }) => ({
          references: names,
          layers: [[{ kind: 'file' as const, path: 'etc/seed', content: seed }]],
          config: runConfig(seed),
        })),
      );
      return path;
    },
    publish: (name, what) => void registry.published.set(name, what),
    fetches: () => registry.fetches,
    async close() {
      for (const id of ['c1', 'c2', 'c3']) {
        await store.unmountRootfs(id);
      }
      await rm(folder, { recursive: true });
    },
  };
}

const NGINX = 'docker.io/library/nginx:1.16.1';
const signal = new AbortController().signal;

describe.each([
  ['MemoryImageStore', async () => memoryScene()],
  ['OverlayImageStore', overlayScene],
])('%s', (name, open) => {
  let scene: Scene;
  let store: ImageStore;
  const withMounts = name === 'MemoryImageStore' || canMount;

  beforeEach(async () => {
    scene = await open();
    store = scene.store;
  });
  afterEach(() => scene.close());

  async function load(names: readonly string[], seed = 'one'): Promise<Image> {
    const [image] = await store.load(await scene.archive([{ names, seed }]));
    if (image === undefined) {
      throw new Error('nothing was loaded');
    }
    return image;
  }

  it('finds a loaded image by every way to write its name, and by id', async () => {
    const image = await load([NGINX]);
    for (const reference of [
      'nginx:1.16.1',
      'library/nginx:1.16.1',
      'docker.io/nginx:1.16.1',
      NGINX,
      image.id,
      image.id.slice(7, 19),
    ]) {
      expect(await store.resolve(reference), reference).toEqual(image);
    }
    expect(await store.resolve('nginx')).toBeUndefined();
    expect(await store.resolve('ghcr.io/nginx:1.16.1')).toBeUndefined();
  });

  it('says what the image asks for', async () => {
    expect((await load([NGINX])).config).toEqual({
      entrypoint: ['/bin/app'],
      cmd: ['one'],
      env: ['PATH=/bin', 'A=b'],
      user: '33',
      workingDir: '/srv',
      exposedPorts: ['80/tcp'],
    });
  });

  it('refuses a name that is none', async () => {
    await expect(store.resolve('Not A Name')).rejects.toSatisfy((err) => isImageError(err, 'InvalidName'));
    await expect(store.pull('Not A Name', { signal })).rejects.toSatisfy((err) => isImageError(err, 'InvalidName'));
    await expect(store.tag(NGINX, 'UPPER')).rejects.toSatisfy((err) => isImageError(err, 'InvalidName'));
  });

  it('loads several images under all their names at once', async () => {
    const archive = await scene.archive([
      { names: [NGINX, 'docker.io/library/web:2'], seed: 'one' },
      { names: ['docker.io/library/other:1'], seed: 'two' },
    ]);
    expect((await store.load(archive)).map((image) => image.references)).toEqual([
      [NGINX, 'docker.io/library/web:2'],
      ['docker.io/library/other:1'],
    ]);
    expect((await store.list()).map((image) => image.references[0])).toEqual([NGINX, 'docker.io/library/other:1']);
  });

  it('gives a second name, and moves a name from one image to another', async () => {
    const one = await load([NGINX], 'one');
    const two = await load(['docker.io/library/web:2'], 'two');
    expect((await store.tag('web:2', 'nginx:1.16.1')).references).toEqual([NGINX, 'docker.io/library/web:2']);
    expect((await store.resolve(NGINX))?.id).toBe(two.id);
    expect((await store.resolve(one.id))?.references).toEqual([]);
  });

  it('takes the same image twice as one', async () => {
    const first = await load([NGINX]);
    const again = await load(['docker.io/library/web:2']);
    expect(again.id).toBe(first.id);
    expect(await store.list()).toHaveLength(1);
  });

  it('removes a name, and the image with its last name', async () => {
    const image = await load([NGINX, 'docker.io/library/web:2']);
    expect(await store.remove('web:2')).toEqual({ untagged: ['docker.io/library/web:2'], deleted: [] });
    expect((await store.resolve(image.id))?.references).toEqual([NGINX]);
    expect(await store.remove(NGINX)).toEqual({ untagged: [NGINX], deleted: [image.id] });
    expect(await store.list()).toEqual([]);
    await expect(store.remove(NGINX)).rejects.toSatisfy((err) => isImageError(err, 'NotFound'));
  });

  it('removes all names with the id', async () => {
    const image = await load([NGINX, 'docker.io/library/web:2']);
    expect(await store.remove(image.id)).toEqual({ untagged: [NGINX, 'docker.io/library/web:2'], deleted: [image.id] });
    expect(await store.list()).toEqual([]);
  });

  it('pulls, and knows the image by tag and by digest then', async () => {
    scene.publish(NGINX, { seed: 'one' });
    const image = await store.pull('nginx:1.16.1', { signal });
    expect(image.references).toEqual([NGINX]);
    expect(image.repoDigests).toEqual([expect.stringMatching(/^docker\.io\/library\/nginx@sha256:[a-f0-9]{64}$/)]);
    expect(await store.resolve(image.repoDigests[0] ?? '')).toEqual(image);
  });

  it('passes on why a pull failed and keeps what was there', async () => {
    const image = await load([NGINX]);
    scene.publish(NGINX, new ImageError('Unreachable', 'Cannot pull the image: connection refused'));
    await expect(store.pull(NGINX, { signal })).rejects.toThrow('connection refused');
    await expect(store.pull('nothere', { signal })).rejects.toSatisfy((err) => isImageError(err, 'NotFound'));
    expect(await store.resolve(NGINX)).toEqual(image);
  });

  it('does not start a pull that is cancelled already', async () => {
    scene.publish(NGINX, { seed: 'one' });
    await expect(store.pull(NGINX, { signal: AbortSignal.abort(new Error('not wanted')) })).rejects.toThrow(
      'not wanted',
    );
    expect(scene.fetches()).toBe(0);
  });

  it.runIf(withMounts)('mounts a root folder, the same one for the same container', async () => {
    const image = await load([NGINX]);
    const first = await store.mountRootfs(image, 'c1');
    expect(await store.mountRootfs(image, 'c1')).toEqual(first);
    expect((await store.mountRootfs(image, 'c2')).path).not.toBe(first.path);
    await store.unmountRootfs('c1');
    await store.unmountRootfs('c1');
    await store.unmountRootfs('never-there');
  });

  it.runIf(withMounts)('refuses another image for a mounted container, and odd container ids', async () => {
    const one = await load([NGINX], 'one');
    const two = await load(['docker.io/library/web:2'], 'two');
    await store.mountRootfs(one, 'c1');
    await expect(store.mountRootfs(two, 'c1')).rejects.toSatisfy((err) => isImageError(err, 'InUse'));
    for (const id of ['', '..', '.x', 'a/b', 'a:b', 'a,b', 'x'.repeat(129)]) {
      await expect(store.mountRootfs(one, id), id).rejects.toSatisfy((err) => isImageError(err, 'Failed'));
    }
  });

  it.runIf(withMounts)('keeps an image that a container uses', async () => {
    const image = await load([NGINX, 'docker.io/library/web:2']);
    await store.mountRootfs(image, 'c1');
    await store.remove('web:2');
    await expect(store.remove(NGINX)).rejects.toThrow('container c1 uses it');
    await store.garbageCollect({ highPercent: 0, lowPercent: 0, inUse: [], minAgeMs: 0 });
    expect(await store.resolve(NGINX)).toBeDefined();
    await store.unmountRootfs('c1');
    await store.remove(NGINX);
    await expect(store.mountRootfs(image, 'c1')).rejects.toSatisfy((err) => isImageError(err, 'NotFound'));
  });

  it('collects what nobody uses when the disk is fuller than allowed, and nothing otherwise', async () => {
    const kept = await load([NGINX], 'one');
    const gone = await load(['docker.io/library/web:2'], 'two');
    expect((await store.garbageCollect({ highPercent: 100, lowPercent: 99, inUse: [], minAgeMs: 0 })).removed).toEqual(
      [],
    );
    const collected = await store.garbageCollect({
      highPercent: 0,
      lowPercent: 0,
      inUse: ['nginx:1.16.1'],
      minAgeMs: 0,
    });
    expect(collected.removed).toEqual([gone.id]);
    expect(collected.freedBytes).toBeGreaterThan(0);
    expect((await store.list()).map((image) => image.id)).toEqual([kept.id]);
  });

  it('sweeps what is mounted as adopted', async () => {
    expect(await store.sweep()).toEqual({ adopted: [], removed: [] });
  });
});
