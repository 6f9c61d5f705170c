/**
 * The writable root folders of containers: one overlay mount each.
 *
 *     containers/<id>/container.json   whose image it is; written before the mount
 *     containers/<id>/upper, work      what the container wrote
 *     containers/<id>/rootfs           the mount point
 *
 * A writable layer lives no longer than its mount: after a reboot a container is made anew. So the mount is `volatile`
 * where the kernel knows that (5.10 and newer): the container's fsync and our unmount do not wait for a disk whose
 * content nobody will read again.
 */

import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { errorMessage } from '../../lib/errors.ts';
import { ImageError, type Rootfs } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import type { MountTool } from './mount-tool.ts';

/** What a mounted container is made of. */
export interface MountedContainer {
  readonly imageId: string;
  readonly layers: readonly string[];
}

const CONTAINER_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
/** mount(2) takes its options in one page, with the final NUL. */
const MAX_OPTION_BYTES = 4095;
const REMOVE_ATTEMPTS = 10;
const REMOVE_PAUSE_MS = 50;

/** The mounts of one store folder. Call {@link RootfsMounts.sweep} before anything else. */
export class RootfsMounts {
  readonly #directory: string;
  readonly #layers: LayerStore;
  readonly #tool: MountTool;
  readonly #mounted = new Map<string, MountedContainer>();
  readonly #turns = new Map<string, Promise<unknown>>();
  #volatile = true;

  /** `directory` and the layer store's folder must be neighbours: lower paths are short because they are relative. */
  constructor(directory: string, layers: LayerStore, tool: MountTool) {
    this.#directory = directory;
    this.#layers = layers;
    this.#tool = tool;
  }

  /** Containers that hold their image, by id. */
  get mounted(): ReadonlyMap<string, MountedContainer> {
    return this.#mounted;
  }

  /** Adopts what is mounted, removes the rest. */
  async sweep(): Promise<{ readonly adopted: string[]; readonly removed: string[] }> {
    await this.#tool.killLeftovers();
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const adopted: string[] = [];
    const removed: string[] = [];
    for (const id of (await readdir(this.#directory)).sort()) {
      const record = await this.#readRecord(id);
      // Whatever has become of its layers, a container may be running in a mounted folder.
      if (record !== undefined && (await isMounted(this.#rootfs(id)))) {
        this.#mounted.set(id, record);
        adopted.push(id);
      } else {
        await this.#remove(id);
        removed.push(id);
      }
    }
    return { adopted, removed };
  }

  /** See `ImageStore.mountRootfs`. The image's layers must be there and pinned until this settles. */
  mount(image: MountedContainer, containerId: string): Promise<Rootfs> {
    if (!CONTAINER_ID.test(containerId)) {
      return Promise.reject(
        new ImageError(
          'Failed',
          `Cannot mount the root folder of container ${JSON.stringify(containerId)}: the id cannot be a file name`,
        ),
      );
    }
    return this.#inTurn(containerId, () => this.#mount(image, containerId));
  }

  /** See `ImageStore.unmountRootfs`. */
  unmount(containerId: string): Promise<void> {
    if (!CONTAINER_ID.test(containerId)) {
      return Promise.resolve();
    }
    return this.#inTurn(containerId, async () => {
      await this.#remove(containerId);
      this.#mounted.delete(containerId);
    });
  }

  async #mount(image: MountedContainer, id: string): Promise<Rootfs> {
    const path = this.#rootfs(id);
    const before = this.#mounted.get(id);
    if (before !== undefined && (await isMounted(path))) {
      if (before.imageId !== image.imageId) {
        throw new ImageError(
          'InUse',
          `Cannot mount the root folder of container ${id}: it is mounted with another image`,
        );
      }
      return { path };
    }
    this.#mounted.set(id, image);
    try {
      await this.#remove(id);
      await mkdir(path, { recursive: true, mode: 0o755 });
      await Promise.all([
        makeUpper(join(this.#directory, id, 'upper')),
        mkdir(join(this.#directory, id, 'work'), { mode: 0o700 }),
        writeFile(join(this.#directory, id, 'container.json'), JSON.stringify({ version: 1, ...image })),
      ]);
      await this.#overlay(image, id);
      return { path };
    } catch (err) {
      await this.#remove(id);
      this.#mounted.delete(id);
      throw err instanceof ImageError
        ? err
        : new ImageError('Failed', `Cannot mount the root folder of container ${id}: ${errorMessage(err)}`, {
            cause: err,
          });
    }
  }

  async #overlay(image: MountedContainer, id: string): Promise<void> {
    // Everything relative to the layers' folder; overlayfs wants the topmost layer first and at least one.
    const lower = [...image.layers].reverse().map((layer) => this.#layers.lowerPath(layer));
    if (lower.length === 0) {
      lower.push(`../containers/${id}/empty`);
      await mkdir(join(this.#directory, id, 'empty'), { mode: 0o755 });
    }
    const options = `lowerdir=${lower.join(':')},upperdir=../containers/${id}/upper,workdir=../containers/${id}/work,index=off`;
    if (options.length > MAX_OPTION_BYTES - ',volatile'.length) {
      throw new ImageError(
        'Unsupported',
        `Cannot mount the root folder of container ${id}: ${lower.length} layers are too many`,
      );
    }
    const target = `../containers/${id}/rootfs`;
    const mount = async (extra: string): Promise<void> => {
      const args = ['--no-canonicalize', '--types', 'overlay', '--options', options + extra, 'skiff', target];
      const { exitCode, output } = await this.#tool.run('mount', args, this.#layers.directory);
      if (exitCode !== 0) throw new Error(`mount ended with exit code ${exitCode}: ${output}`);
    };
    if (this.#volatile) {
      try {
        await mount(',volatile');
        return;
      } catch (err) {
        await mount('').catch(() => {
          throw err;
        });
        this.#volatile = false;
        return;
      }
    }
    await mount('');
  }

  /**
   * A `mount` that an earlier process of ours started may still come to its end while we remove: then the folder is not
   * empty any more, and is mounted the next time we look.
   */
  async #remove(id: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.#unmountPath(this.#rootfs(id));
      try {
        await rm(join(this.#directory, id), { recursive: true, force: true });
        return;
      } catch (err) {
        if (attempt >= REMOVE_ATTEMPTS) {
          throw new ImageError('Failed', `Cannot remove the root folder of container ${id}: ${errorMessage(err)}`, {
            cause: err,
          });
        }
        await setTimeout(REMOVE_PAUSE_MS);
      }
    }
  }

  async #unmountPath(path: string): Promise<void> {
    if (await isMounted(path)) {
      const { exitCode } = await this.#tool.run('umount', ['--no-canonicalize', path], '/');
      if (exitCode !== 0 && (await isMounted(path))) {
        // Somebody still has a file open: the folder goes at once, the rest when they are done.
        const lazily = await this.#tool.run('umount', ['--no-canonicalize', '--lazy', path], '/');
        if (lazily.exitCode !== 0) throw new Error(`umount ended with exit code ${lazily.exitCode}: ${lazily.output}`);
      }
    }
  }

  #rootfs(id: string): string {
    return join(this.#directory, id, 'rootfs');
  }

  async #readRecord(id: string): Promise<MountedContainer | undefined> {
    try {
      const record: unknown = JSON.parse(await readFile(join(this.#directory, id, 'container.json'), 'utf8'));
      if (typeof record !== 'object' || record === null || !('imageId' in record) || !('layers' in record)) {
        return undefined;
      }
      const { imageId, layers } = record;
      if (typeof imageId === 'string' && Array.isArray(layers) && layers.every((layer) => typeof layer === 'string')) {
        return { imageId, layers };
      }
    } catch {
      // Cut short: the mount never happened.
    }
    return undefined;
  }

  async #inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#turns.get(id) ?? Promise.resolve()).then(work, work);
    const settled = mine.catch(() => undefined);
    this.#turns.set(id, settled);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(id) === settled) {
        this.#turns.delete(id);
      }
    }
  }
}

/** The container's `/` has this folder's mode, whatever the umask of this process. */
async function makeUpper(path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o755);
}

/** A mount point is on another device than its parent. */
async function isMounted(path: string): Promise<boolean> {
  try {
    const [here, parent] = await Promise.all([stat(path), stat(join(path, '..'))]);
    return here.dev !== parent.dev;
  } catch {
    return false;
  }
}
