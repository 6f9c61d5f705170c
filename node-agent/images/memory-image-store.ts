/** An image store that behaves like the real one and touches neither disk nor network: for tests of what uses images. */

import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type GarbageCollection,
  type GarbageCollectOptions,
  type Image,
  type ImageConfig,
  ImageError,
  type ImageStore,
  type LoadOptions,
  type PullOptions,
  type RegistryAuth,
  type RemovedImage,
  type Rootfs,
  type Sweep,
} from './image-store.ts';
import { fullName, isImageId, parseReference, repositoryName } from './reference.ts';

/** An image to have, or to be had, without its names. */
export interface MemoryImage {
  readonly config?: ImageConfig;
  readonly sizeBytes?: number;
}

/** What the pretended registry has under a name. */
export interface PublishedImage extends MemoryImage {
  /** Who may pull it; anybody when absent. */
  readonly auth?: RegistryAuth;
  /** Pulls wait for this before they succeed. */
  readonly after?: Promise<unknown>;
}

type Stored = Omit<Image, 'references' | 'repoDigests'> & {
  readonly references: Set<string>;
  readonly repoDigests: Set<string>;
};

/** The fake. Besides the port it has what a test needs to set the scene and to look behind it. */
export class MemoryImageStore implements ImageStore {
  /** Every name asked of the registry, in order. */
  readonly pulled: string[] = [];
  /** Mounted containers and the images they use. */
  readonly mounted = new Map<string, string>();
  /** Percentage that garbage collection sees; falls by 10 with each image removed. */
  usedPercent = 50;
  readonly #images = new Map<string, Stored>();
  readonly #published = new Map<string, PublishedImage | ImageError>();
  readonly #archives = new Map<string, readonly (MemoryImage & { readonly references: readonly string[] })[]>();

  /** Makes an image present under these names. */
  add(references: readonly string[], image: MemoryImage = {}): Image {
    return this.#enter(image, {
      references: references.map((each) => fullName(parseReference(each))),
      repoDigests: [],
    });
  }

  /** Puts an image, or a failure, into the pretended registry. */
  publish(reference: string, image: PublishedImage | ImageError): void {
    this.#published.set(fullName(parseReference(reference)), image);
  }

  /** Makes a path that `load` can read. */
  addArchive(path: string, images: readonly (MemoryImage & { readonly references: readonly string[] })[]): void {
    this.#archives.set(path, images);
  }

  async resolve(reference: string): Promise<Image | undefined> {
    const stored = this.#find(reference);
    return stored === undefined ? undefined : toImage(stored);
  }

  async pull(reference: string, options: PullOptions): Promise<Image> {
    options.signal.throwIfAborted();
    const parsed = parseReference(reference);
    const name = fullName(parsed);
    this.pulled.push(name);
    const published = this.#published.get(name);
    if (published === undefined) {
      throw new ImageError('NotFound', `Cannot pull the image ${name}: the registry does not have it`);
    }
    if (published instanceof ImageError) {
      throw published;
    }
    const wanted = published.auth;
    if (wanted !== undefined && !(options.auth ?? []).some((auth) => JSON.stringify(auth) === JSON.stringify(wanted))) {
      throw new ImageError('Unauthorized', `Cannot pull the image ${name}: the registry wants other credentials`);
    }
    options.onProgress?.({ phase: 'downloading', layersDone: 0, layersTotal: 1 });
    await unlessAborted(published.after ?? nextTurn(), options.signal);
    const image = this.#enter(published, {
      references: parsed.digest === undefined ? [name] : [],
      repoDigests: [`${repositoryName(parsed)}@${parsed.digest ?? digestOf({ manifest: published.config ?? {} })}`],
    });
    options.onProgress?.({ phase: 'done', layersDone: 1, layersTotal: 1 });
    return image;
  }

  async load(archive: string | Readable, options: LoadOptions = {}): Promise<Image[]> {
    options.signal?.throwIfAborted();
    const images = typeof archive === 'string' ? this.#archives.get(archive) : undefined;
    if (images === undefined) {
      throw new ImageError('InvalidImage', 'Cannot load the archive: the fake knows only archives added to it');
    }
    return images.map((image) => this.add(image.references, image));
  }

  async tag(source: string, target: string): Promise<Image> {
    const parsed = parseReference(target);
    if (parsed.digest !== undefined) {
      throw new ImageError('InvalidName', `Cannot tag ${source} as ${target}: the new name must not have a digest`);
    }
    const stored = this.#present(source, 'tag');
    return this.#enter(stored, { references: [fullName(parsed)], repoDigests: [] });
  }

  async list(): Promise<Image[]> {
    const sortKey = (image: Image): string => `${image.references[0] ?? '~'} ${image.id}`;
    return [...this.#images.values()].map(toImage).sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  }

  async remove(reference: string): Promise<RemovedImage> {
    const stored = this.#present(reference, 'remove');
    const name = nameOf(reference) ?? '';
    const byName = stored.references.has(name) || stored.repoDigests.has(name);
    if (byName && [...stored.references].some((each) => each !== name)) {
      stored.references.delete(name);
      stored.repoDigests.delete(name);
      return { untagged: [name], deleted: [] };
    }
    const user = [...this.mounted].find(([, id]) => id === stored.id);
    if (user !== undefined) {
      throw new ImageError('InUse', `Cannot remove the image ${reference}: container ${user[0]} uses it`);
    }
    this.#images.delete(stored.id);
    return { untagged: [...stored.references, ...stored.repoDigests].sort(), deleted: [stored.id] };
  }

  async mountRootfs(image: Image, containerId: string): Promise<Rootfs> {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(containerId)) {
      throw new ImageError(
        'Failed',
        `Cannot mount the root folder of container ${JSON.stringify(containerId)}: the id cannot be a file name`,
      );
    }
    if (!this.#images.has(image.id)) {
      throw new ImageError(
        'NotFound',
        `Cannot mount the image ${image.references[0] ?? image.id}: it is no longer present`,
      );
    }
    const before = this.mounted.get(containerId);
    if (before !== undefined && before !== image.id) {
      throw new ImageError(
        'InUse',
        `Cannot mount the root folder of container ${containerId}: it is mounted with another image`,
      );
    }
    this.mounted.set(containerId, image.id);
    return { path: `/memory/containers/${containerId}/rootfs` };
  }

  async unmountRootfs(containerId: string): Promise<void> {
    this.mounted.delete(containerId);
  }

  async garbageCollect(options: GarbageCollectOptions): Promise<GarbageCollection> {
    const usedPercentBefore = this.usedPercent;
    const inUse = new Set([...this.mounted.values(), ...options.inUse.map((each) => this.#find(each)?.id)]);
    const removed: string[] = [];
    let freedBytes = 0;
    for (const stored of usedPercentBefore >= options.highPercent ? [...this.#images.values()] : []) {
      if (this.usedPercent > options.lowPercent && !inUse.has(stored.id)) {
        this.#images.delete(stored.id);
        removed.push(stored.id);
        freedBytes += stored.sizeBytes;
        this.usedPercent -= 10;
      }
    }
    return { removed, freedBytes, usedPercentBefore, usedPercentAfter: this.usedPercent };
  }

  async sweep(): Promise<Sweep> {
    return { adopted: [...this.mounted.keys()].sort(), removed: [] };
  }

  #enter(
    image: MemoryImage,
    names: { readonly references: readonly string[]; readonly repoDigests: readonly string[] },
  ): Image {
    const config = image.config ?? {};
    const id = digestOf({ config });
    for (const other of this.#images.values()) {
      for (const name of other.id === id ? [] : [...names.references, ...names.repoDigests]) {
        other.references.delete(name);
        other.repoDigests.delete(name);
      }
    }
    const stored = this.#images.get(id) ?? {
      id,
      references: new Set<string>(),
      repoDigests: new Set<string>(),
      sizeBytes: image.sizeBytes ?? 1024,
      config,
      layers: [digestOf({ layer: id })],
    };
    for (const name of names.references) {
      stored.references.add(name);
    }
    for (const name of names.repoDigests) {
      stored.repoDigests.add(name);
    }
    this.#images.set(id, stored);
    return toImage(stored);
  }

  #find(reference: string): Stored | undefined {
    const name = nameOf(reference);
    const byName = [...this.#images.values()].find(
      (stored) => name !== undefined && (stored.references.has(name) || stored.repoDigests.has(name)),
    );
    if (byName !== undefined) {
      return byName;
    }
    if (!isImageId(reference)) {
      parseReference(reference);
      return undefined;
    }
    const hex = reference.replace(/^sha256:/, '');
    return [...this.#images.values()].find((stored) => stored.id.startsWith(`sha256:${hex}`));
  }

  #present(reference: string, what: string): Stored {
    const stored = this.#find(reference);
    if (stored === undefined) {
      throw new ImageError('NotFound', `Cannot ${what} the image ${reference}: it is not present`);
    }
    return stored;
  }
}

function toImage(stored: Stored): Image {
  return { ...stored, references: [...stored.references].sort(), repoDigests: [...stored.repoDigests].sort() };
}

function nameOf(reference: string): string | undefined {
  try {
    return fullName(parseReference(reference));
  } catch {
    return undefined;
  }
}

function digestOf(value: object): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(value)).digest('hex')}`;
}

function unlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const stop = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal.addEventListener('abort', stop, { once: true });
    work.then(
      () => resolve(),
      (err: unknown) => reject(err instanceof Error ? err : new Error(String(err))),
    );
  }).then(() => signal.throwIfAborted());
}
