/**
 * Unpacked layers, each once, known by the digest of its unpacked content.
 *
 *     layers/<short>/layer.json   which layer this is; there last, so what has it is whole
 *     layers/<short>/fs/          its files
 *     layers/.new-…, .old-…       being made, being deleted; removed at start
 *
 * `<short>` is a prefix of the digest just long enough to be nobody else's: overlayfs takes its options in one page of
 * 4 KiB, and full digests would end at 36 layers.
 */

import { randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../lib/exec.ts';
import { ImageError } from './image-store.ts';
import { type PackedLayer, type UnpackOptions, unpackLayer } from './layer-unpack.ts';
import { foldersBelow } from './layers-below.ts';
import type { Pins } from './pins.ts';

/** How a layer store works. */
export interface LayerStoreOptions extends Omit<UnpackOptions, 'signal' | 'below'> {
  readonly directory: string;
  readonly pins: Pins;
  /** Whether a layer is forced onto the disk before it counts as there. Only tests say no. */
  readonly syncToDisk: boolean;
}

interface StoredLayer {
  readonly short: string;
  readonly unpackedBytes: number;
}

const MIN_SHORT = 10;
const RECORD_VERSION = 1;

/** The layer store of one folder. Call {@link LayerStore.open} before anything else. */
export class LayerStore {
  readonly #options: LayerStoreOptions;
  readonly #layers = new Map<string, StoredLayer>();
  readonly #unpacking = new Map<string, Promise<void>>();

  constructor(options: LayerStoreOptions) {
    this.#options = options;
  }

  /** The folder that {@link lowerPath} is relative to. */
  get directory(): string {
    return this.#options.directory;
  }

  /** Reads what is there and removes what was being made or deleted when the last process ended. */
  async open(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.directory)) {
      const record = name.startsWith('.') ? undefined : await readRecord(join(this.directory, name, 'layer.json'));
      if (record === undefined) {
        await rm(join(this.directory, name), { recursive: true, force: true });
      } else {
        this.#layers.set(record.diffId, { short: name, unpackedBytes: record.unpackedBytes });
      }
    }
  }

  has(diffId: string): boolean {
    return this.#layers.has(diffId);
  }

  /** Bytes of the files of a present layer; 0 for others. */
  unpackedBytes(diffId: string): number {
    return this.#layers.get(diffId)?.unpackedBytes ?? 0;
  }

  /** Where a present layer's files are, relative to {@link directory}. */
  lowerPath(diffId: string): string {
    const layer = this.#layers.get(diffId);
    if (layer === undefined) {
      throw new ImageError('Failed', `Cannot use the layer ${diffId}: it is not unpacked`);
    }
    return `${layer.short}/fs`;
  }

  /**
   * Makes sure that a layer is there, unpacking it unless it is. The caller has pinned its `diffId`. Concurrent calls
   * for one layer share the work; when the one doing it is aborted, another takes over. `below` are the image's present
   * layers under this one, lowest first; a layer that leaves out its parent folders takes their modes and owners from
   * there, for all images that come to share it.
   */
  async ensure(
    layer: PackedLayer,
    options: { readonly below: readonly string[]; readonly signal?: AbortSignal },
  ): Promise<void> {
    const { signal } = options;
    while (!this.has(layer.diffId)) {
      signal?.throwIfAborted();
      const running = this.#unpacking.get(layer.diffId);
      if (running !== undefined) {
        await running.catch(() => undefined);
        continue;
      }
      const mine = this.#unpack(layer, options).finally(() => this.#unpacking.delete(layer.diffId));
      this.#unpacking.set(layer.diffId, mine);
      await mine;
    }
  }

  async #unpack(
    layer: PackedLayer,
    options: { readonly below: readonly string[]; readonly signal?: AbortSignal },
  ): Promise<void> {
    const { limits, minFreeBytes } = this.#options;
    const { signal } = options;
    const below = [...options.below].reverse().map((diffId) => join(this.directory, this.lowerPath(diffId)));
    const temporary = join(this.directory, `.new-${randomBytes(6).toString('hex')}`);
    try {
      await mkdir(join(temporary, 'fs'), { recursive: true, mode: 0o755 });
      const contents = await unpackLayer(layer, join(temporary, 'fs'), {
        limits,
        minFreeBytes,
        below: foldersBelow(below),
        ...(signal === undefined ? {} : { signal }),
      });
      const record = { version: RECORD_VERSION, diffId: layer.diffId, unpackedBytes: contents.bytes };
      await writeFile(join(temporary, 'layer.json'), JSON.stringify(record));
      if (this.#options.syncToDisk) {
        // Without this a power cut could leave the record and lose the files it vouches for.
        await run('sync', ['--file-system', temporary], signal === undefined ? {} : { signal });
      }
      const short = this.#freeName(layer.diffId);
      renameSync(temporary, join(this.directory, short));
      this.#layers.set(layer.diffId, { short, unpackedBytes: contents.bytes });
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  #freeName(diffId: string): string {
    const hex = diffId.slice('sha256:'.length);
    const taken = new Set([...this.#layers.values()].map((layer) => layer.short));
    let length = MIN_SHORT;
    while (taken.has(hex.slice(0, length))) {
      length += 1;
    }
    return hex.slice(0, length);
  }

  /**
   * Deletes every layer that `keep` does not want and nobody has pinned. Returns the bytes of files deleted. Not to be
   * called again before it has settled.
   */
  async prune(keep: (diffId: string) => boolean): Promise<number> {
    let freedBytes = 0;
    for (const [diffId, layer] of [...this.#layers]) {
      if (keep(diffId) || this.#options.pins.has(diffId) || this.#layers.get(diffId) !== layer) {
        continue;
      }
      const old = join(this.directory, `.old-${randomBytes(6).toString('hex')}`);
      renameSync(join(this.directory, layer.short), old);
      this.#layers.delete(diffId);
      freedBytes += layer.unpackedBytes;
      await rm(old, { recursive: true, force: true });
    }
    return freedBytes;
  }
}

async function readRecord(
  path: string,
): Promise<{ readonly diffId: string; readonly unpackedBytes: number } | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (
      typeof record === 'object' &&
      record !== null &&
      'version' in record &&
      record.version === RECORD_VERSION &&
      'diffId' in record &&
      typeof record.diffId === 'string' &&
      'unpackedBytes' in record &&
      typeof record.unpackedBytes === 'number'
    ) {
      return { diffId: record.diffId, unpackedBytes: record.unpackedBytes };
    }
  } catch {
    // Missing or cut short: the layer was never finished.
  }
  return undefined;
}
