/** The image store of a node: an OCI image layout of packed content, unpacked layers beside it, overlay mounts on top. */

import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { findImages } from './archive-images.ts';
import { stageArchive } from './archive-reader.ts';
import { BlobStore } from './blob-store.ts';
import { collectionOrder, diskUsedPercent } from './garbage-collection.ts';
import { ImageIndex, type IndexedImage } from './image-index.ts';
import { type ImageDetails, storeArchivedImage, takeInImage } from './image-intake.ts';
import {
  type GarbageCollection,
  type GarbageCollectOptions,
  type Image,
  ImageError,
  type ImageStore,
  type LoadOptions,
  type PullOptions,
  type RemovedImage,
  type Rootfs,
  type Sweep,
} from './image-store.ts';
import type { LayerLimits } from './layer-rewriter.ts';
import { LayerStore } from './layer-store.ts';
import { hostPlatform, type Platform } from './manifest.ts';
import { directMountTool, type MountTool } from './mount-tool.ts';
import { Pins } from './pins.ts';
import {
  fullName,
  type ImageReference,
  isImageId,
  isReference,
  normalizeReference,
  parseReference,
  repositoryName,
} from './reference.ts';
import type { ImageRegistry } from './registry.ts';
import { RootfsMounts } from './rootfs-mounts.ts';
import { SharedPulls } from './shared-pulls.ts';

/** How the store of one node works. Only `directory` and `registry` have no default. */
export interface OverlayImageStoreOptions {
  /** Everything the store has is in here; made when missing. One process at a time. */
  readonly directory: string;
  readonly registry: ImageRegistry;
  /** Mounts and unmounts root folders. Default: a process for each. */
  readonly mountTool?: MountTool;
  /** Pulls at once. Default 3. */
  readonly maxParallelPulls?: number;
  /** Loading and unpacking stop when the disk has less room than this. Default 256 MiB. */
  readonly minFreeBytes?: number;
  /** Per layer. Default 32 GiB and two million entries. */
  readonly layerLimits?: LayerLimits;
  /** Default true; false is for tests, which never lose power. */
  readonly syncToDisk?: boolean;
  /** Default is this machine's. */
  readonly platform?: Platform;
  /** Milliseconds since 1970. Default is the system's clock. */
  readonly now?: () => number;
}

const DEFAULT_MIN_AGE_MS = 120_000;
const MAX_ARCHIVE_FILES = 100_000;

/** The real {@link ImageStore}. Call `sweep` once, before anything else. */
export class OverlayImageStore implements ImageStore {
  readonly #options: OverlayImageStoreOptions;
  readonly #pins = new Pins();
  readonly #blobs: BlobStore;
  readonly #layers: LayerStore;
  readonly #index: ImageIndex;
  readonly #mounts: RootfsMounts;
  readonly #pulls: SharedPulls;
  readonly #details = new Map<string, ImageDetails>();
  readonly #lastUsedMs = new Map<string, number>();
  readonly #host: Platform;
  #pruning: Promise<number> = Promise.resolve(0);

  constructor(options: OverlayImageStoreOptions) {
    const { directory } = options;
    this.#options = options;
    this.#host = options.platform ?? hostPlatform();
    this.#blobs = new BlobStore({ directory, pins: this.#pins });
    this.#layers = new LayerStore({
      directory: join(directory, 'layers'),
      pins: this.#pins,
      limits: options.layerLimits ?? { maxBytes: 32 * 1024 ** 3, maxEntries: 2_000_000 },
      minFreeBytes: this.#minFreeBytes,
      syncToDisk: options.syncToDisk ?? true,
    });
    this.#index = new ImageIndex(directory);
    this.#mounts = new RootfsMounts(join(directory, 'containers'), this.#layers, options.mountTool ?? directMountTool);
    this.#pulls = new SharedPulls(options.maxParallelPulls ?? 3);
  }

  async sweep(): Promise<Sweep> {
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    await this.#blobs.open();
    await this.#layers.open();
    await this.#index.open();
    const swept = await this.#mounts.sweep();
    for (const indexed of this.#index.all()) {
      await this.#reopen(indexed);
    }
    await this.#prune();
    return swept;
  }

  /** An image whose layers were lost is unpacked again; one whose packed content was lost too is forgotten. */
  async #reopen(indexed: IndexedImage): Promise<void> {
    const pins = this.#pins.group();
    try {
      this.#remember(await takeInImage(indexed.manifestDigest, { ...this.#intake, pins }));
    } catch {
      await this.#index.delete(indexed.id);
    } finally {
      pins.release();
    }
  }

  resolve(reference: string): Promise<Image | undefined> {
    return settle(() => {
      const indexed = this.#index.lookUp(reference);
      return indexed === undefined ? undefined : this.#toImage(indexed);
    });
  }

  list(): Promise<Image[]> {
    const sortKey = (image: Image): string => `${image.references[0] ?? '~'} ${image.id}`;
    return settle(() =>
      this.#index
        .all()
        .map((indexed) => this.#toImage(indexed))
        .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)),
    );
  }

  async pull(reference: string, options: PullOptions): Promise<Image> {
    const parsed = parseReference(reference);
    const auth = options.auth ?? [];
    // Nobody may ride on another's credentials.
    const who = createHash('sha256').update(JSON.stringify(auth)).digest('hex');
    return this.#pulls.run({
      key: `${fullName(parsed)} ${who}`,
      signal: options.signal,
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      work: (transfer) => this.#pull(parsed, { auth, ...transfer }),
    });
  }

  async #pull(reference: ImageReference, options: Required<PullOptions>): Promise<Image> {
    const pins = this.#pins.group();
    try {
      const fetched = await this.#options.registry.fetch(reference, { ...options, blobs: this.#blobs, pins });
      pins.add(fetched.manifestDigest);
      const details = await takeInImage(fetched.manifestDigest, { ...this.#intake, ...options, pins });
      const image = await this.#enter(details, {
        references: reference.digest === undefined ? [fullName(reference)] : [],
        repoDigests: [`${repositoryName(reference)}@${fetched.repoDigest}`],
      });
      options.onProgress({ phase: 'done', layersDone: details.diffIds.length, layersTotal: details.diffIds.length });
      return image;
    } finally {
      pins.release();
      // What a failed pull leaves must not be found, damaged, by the next; what a good one replaced may go.
      await this.#prune();
    }
  }

  async load(archive: string | Readable, options: LoadOptions = {}): Promise<Image[]> {
    if (typeof archive !== 'string') {
      // It may fail before anybody reads it; the reader is told then.
      archive.on('error', () => undefined);
    }
    const staging = await this.#blobs.stage();
    const pins = this.#pins.group();
    try {
      const staged = await stageArchive(archive, {
        directory: staging,
        limits: { maxFiles: MAX_ARCHIVE_FILES, minFreeBytes: this.#minFreeBytes },
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      const found = await findImages(staged, this.#host);
      const taken: { readonly details: ImageDetails; readonly references: readonly string[] }[] = [];
      for (const image of found) {
        const manifestDigest = await storeArchivedImage(image, this.#blobs, pins);
        taken.push({
          details: await takeInImage(manifestDigest, { ...this.#intake, ...options, pins }),
          references: image.references,
        });
      }
      options.onProgress?.({ phase: 'done', layersDone: 0, layersTotal: 0 });
      // All or none: a name appears only when every image of the archive is good.
      for (const { details, references } of taken) {
        await this.#enter(details, { references, repoDigests: [] });
      }
      return [...new Set(taken.map(({ details }) => details.id))].flatMap((id) => {
        const indexed = this.#index.get(id);
        return indexed === undefined ? [] : [this.#toImage(indexed)];
      });
    } finally {
      pins.release();
      await rm(staging, { recursive: true, force: true });
      await this.#prune();
    }
  }

  async tag(source: string, target: string): Promise<Image> {
    const parsed = parseReference(target);
    if (parsed.digest !== undefined) {
      throw new ImageError('InvalidName', `Cannot tag ${source} as ${target}: the new name must not have a digest`);
    }
    const indexed = this.#present(source, 'tag');
    await this.#index.put(indexed, { references: [fullName(parsed)], repoDigests: [] });
    return this.#toImage(this.#index.get(indexed.id) ?? indexed);
  }

  async remove(reference: string): Promise<RemovedImage> {
    const indexed = this.#present(reference, 'remove');
    const written = isReference(reference) ? normalizeReference(reference) : '';
    // Digits may be read as a name or as an id; an id takes all names.
    const name = this.#index.find(written) === undefined ? undefined : written;
    const others = [...indexed.references].filter((each) => each !== name);
    if (name !== undefined && others.length > 0) {
      await this.#index.removeName(name);
      return { untagged: [name], deleted: [] };
    }
    const user = [...this.#mounts.mounted].find(([, container]) => container.imageId === indexed.id);
    if (user !== undefined) {
      throw new ImageError('InUse', `Cannot remove the image ${reference}: container ${user[0]} uses it`);
    }
    await this.#forget(indexed.id);
    await this.#prune();
    return { untagged: [...indexed.references, ...indexed.repoDigests].sort(), deleted: [indexed.id] };
  }

  async mountRootfs(image: Image, containerId: string): Promise<Rootfs> {
    if (this.#index.get(image.id) === undefined) {
      throw new ImageError(
        'NotFound',
        `Cannot mount the image ${image.references[0] ?? image.id}: it is no longer present`,
      );
    }
    const pins = this.#pins.group();
    pins.add(...image.layers);
    try {
      const rootfs = await this.#mounts.mount({ imageId: image.id, layers: image.layers }, containerId);
      this.#touch(image.id);
      return rootfs;
    } finally {
      pins.release();
    }
  }

  async unmountRootfs(containerId: string): Promise<void> {
    const container = this.#mounts.mounted.get(containerId);
    await this.#mounts.unmount(containerId);
    if (container !== undefined && this.#index.get(container.imageId) !== undefined) {
      this.#touch(container.imageId);
    }
  }

  async garbageCollect(options: GarbageCollectOptions): Promise<GarbageCollection> {
    const usedPercentBefore = await diskUsedPercent(this.#options.directory);
    let usedPercentAfter = usedPercentBefore;
    let freedBytes = 0;
    const removed: string[] = [];
    if (usedPercentBefore >= options.highPercent) {
      freedBytes += await this.#prune();
      for (const id of this.#unused(options)) {
        usedPercentAfter = await diskUsedPercent(this.#options.directory);
        if (usedPercentAfter <= options.lowPercent) {
          break;
        }
        // A container may have come since the list was made.
        if (this.#unused(options).includes(id)) {
          await this.#forget(id);
          removed.push(id);
          freedBytes += await this.#prune();
        }
      }
      usedPercentAfter = await diskUsedPercent(this.#options.directory);
    }
    return { removed, freedBytes, usedPercentBefore, usedPercentAfter };
  }

  /** Images that may go, least recently used first. */
  #unused(options: GarbageCollectOptions): string[] {
    const inUse = new Set([...this.#mounts.mounted.values()].map((container) => container.imageId));
    for (const reference of options.inUse) {
      const indexed = isReference(reference) || isImageId(reference) ? this.#index.lookUp(reference) : undefined;
      if (indexed !== undefined) {
        inUse.add(indexed.id);
      }
    }
    return collectionOrder({
      ids: this.#index.all().map((indexed) => indexed.id),
      lastUsedMs: this.#lastUsedMs,
      inUse,
      nowMs: this.#now(),
      minAgeMs: options.minAgeMs ?? DEFAULT_MIN_AGE_MS,
    });
  }

  async #enter(
    details: ImageDetails,
    names: { readonly references: readonly string[]; readonly repoDigests: readonly string[] },
  ): Promise<Image> {
    this.#remember(this.#details.get(details.id) ?? details);
    const put = this.#index.put(details, names);
    const indexed = this.#index.get(details.id);
    await put;
    if (indexed === undefined) {
      throw new ImageError('Failed', `Cannot enter the image ${details.id} into the index`);
    }
    return this.#toImage(this.#index.get(details.id) ?? indexed);
  }

  #remember(details: ImageDetails): void {
    this.#details.set(details.id, details);
    this.#touch(details.id);
  }

  async #forget(id: string): Promise<void> {
    this.#details.delete(id);
    this.#lastUsedMs.delete(id);
    await this.#index.delete(id);
  }

  #touch(id: string): void {
    this.#lastUsedMs.set(id, this.#now());
  }

  #present(reference: string, what: string): IndexedImage {
    const indexed = this.#index.lookUp(reference);
    if (indexed === undefined) {
      throw new ImageError('NotFound', `Cannot ${what} the image ${reference}: it is not present`);
    }
    return indexed;
  }

  #toImage(indexed: IndexedImage): Image {
    const details = this.#details.get(indexed.id);
    return {
      id: indexed.id,
      references: [...indexed.references].sort(),
      repoDigests: [...indexed.repoDigests].sort(),
      sizeBytes: details?.sizeBytes ?? 0,
      config: details?.config ?? {},
      layers: details?.diffIds ?? [],
    };
  }

  /** Deletes content that no image, container or running pull needs; one such round at a time. Returns the bytes freed. */
  #prune(): Promise<number> {
    const mine = this.#pruning.then(() => this.#pruneNow());
    this.#pruning = mine.catch(() => 0);
    return mine;
  }

  async #pruneNow(): Promise<number> {
    const blobs = await this.#blobs.prune((digest) =>
      [...this.#details.values()].some((details) => details.blobs.includes(digest)),
    );
    const layers = await this.#layers.prune(
      (diffId) =>
        [...this.#details.values()].some((details) => details.diffIds.includes(diffId)) ||
        [...this.#mounts.mounted.values()].some((container) => container.layers.includes(diffId)),
    );
    return blobs + layers;
  }

  get #intake(): { blobs: BlobStore; layers: LayerStore; host: Platform } {
    return { blobs: this.#blobs, layers: this.#layers, host: this.#host };
  }

  get #minFreeBytes(): number {
    return this.#options.minFreeBytes ?? 256 * 1024 * 1024;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** Runs synchronous work so that what it throws becomes a rejection. */
function settle<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}
