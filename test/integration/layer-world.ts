/** An image store on a real overlay, in a folder of its own, for tests of layers. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { buildImage, buildRawTar, encodeOciArchive } from '../../lib/oci-image-writer.ts';
import { type Image, isImageError } from '../../node-agent/images/image-store.ts';
import { OverlayImageStore, type OverlayImageStoreOptions } from '../../node-agent/images/overlay-image-store.ts';
import type { ImageRegistry } from '../../node-agent/images/registry.ts';

/** Whether layers can be mounted here. */
export const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

/** A registry for tests that have none. */
export const noRegistry: ImageRegistry = {
  fetch: () => Promise.reject(new Error('this test has no registry')),
};

/** A member of a layer. */
export type Member = Parameters<typeof buildRawTar>[0][number];

/** See the top of the file. */
export class LayerWorld {
  readonly folder: string;
  /** The store in use; a test that starts it anew puts the new one here. */
  store: OverlayImageStore;
  readonly #mounted = new Set<string>();

  private constructor(folder: string, store: OverlayImageStore) {
    this.folder = folder;
    this.store = store;
  }

  /** Opens a store in a new folder. */
  static async start(): Promise<LayerWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'skiff-layers-'));
    return new LayerWorld(folder, await openStore(folder, {}));
  }

  /** Unmounts and removes everything; fails when a mount is left. */
  async stop(): Promise<void> {
    for (const id of this.#mounted) await this.store.unmountRootfs(id);
    const left = mountsBelow(this.folder);
    await rm(this.folder, { recursive: true });
    expect(left).toEqual([]);
  }

  /** A store on the same folder, swept. */
  openStore(options: Partial<OverlayImageStoreOptions> = {}): Promise<OverlayImageStore> {
    return openStore(this.folder, options);
  }

  /** Loads an image of these layers. */
  async loadLayers(layers: readonly Buffer[], into = this.store): Promise<Image> {
    const path = join(this.folder, 'archive.tar');
    await writeFile(path, encodeOciArchive([buildImage({ references: ['test:1'], layers, config: {} })]));
    const [image] = await into.load(path);
    if (image === undefined) throw new Error('nothing was loaded');
    return image;
  }

  /** Loads and mounts an image of layers with these members; where it is mounted. */
  async mountLayers(...layers: readonly (readonly Member[])[]): Promise<string> {
    const image = await this.loadLayers(layers.map((members) => buildRawTar(members)));
    const id = `c${this.#mounted.size}`;
    this.#mounted.add(id);
    return (await this.store.mountRootfs(image, id)).path;
  }

  /** What went wrong with one layer; fails when nothing did. */
  async refusal(members: readonly Member[] | Buffer): Promise<string> {
    try {
      await this.loadLayers([Buffer.isBuffer(members) ? members : buildRawTar(members)]);
    } catch (err) {
      expect(isImageError(err, 'InvalidImage'), String(err)).toBe(true);
      return err instanceof Error ? err.message : '';
    }
    throw new Error('the layer was taken');
  }
}

/** Mounts below a folder, as the kernel lists them. */
export function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder));
}

async function openStore(folder: string, options: Partial<OverlayImageStoreOptions>): Promise<OverlayImageStore> {
  const opened = new OverlayImageStore({
    directory: join(folder, 'images'),
    registry: noRegistry,
    syncToDisk: false,
    ...options,
  });
  await opened.sweep();
  return opened;
}
