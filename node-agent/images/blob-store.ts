/** The packed content of images, in the `blobs/sha256` folder of an OCI image layout. */

import { createHash, randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from './image-store.ts';
import { MAX_DOCUMENT_BYTES } from './manifest.ts';
import type { Pins } from './pins.ts';

/** Where blobs are, and which must stay. */
export interface BlobStoreOptions {
  /** The image layout's folder; `staging` in it is the blob store's own. */
  readonly directory: string;
  readonly pins: Pins;
}

const HEX = /^[a-f0-9]{64}$/;

/** The blobs of one image layout. Call {@link BlobStore.open} before anything else. */
export class BlobStore {
  readonly #options: BlobStoreOptions;

  constructor(options: BlobStoreOptions) {
    this.#options = options;
  }

  /** The folder with one folder per hash algorithm. */
  get sharedDirectory(): string {
    return join(this.#options.directory, 'blobs');
  }

  /** Makes the folders and removes what earlier processes left half-done. */
  async open(): Promise<void> {
    await rm(this.#staging, { recursive: true, force: true });
    await mkdir(join(this.sharedDirectory, 'sha256'), { recursive: true, mode: 0o700 });
    await mkdir(this.#staging, { recursive: true, mode: 0o700 });
  }

  get #staging(): string {
    return join(this.#options.directory, 'staging');
  }

  /** A new empty folder on the same filesystem; the caller removes it. */
  async stage(): Promise<string> {
    const path = join(this.#staging, randomBytes(6).toString('hex'));
    await mkdir(path, { mode: 0o700 });
    return path;
  }

  path(digest: string): string {
    return join(this.sharedDirectory, 'sha256', digest.slice('sha256:'.length));
  }

  async has(digest: string): Promise<boolean> {
    return (await this.sizeBytes(digest)) !== undefined;
  }

  /** Bytes of a present blob. */
  async sizeBytes(digest: string): Promise<number | undefined> {
    try {
      return (await stat(this.path(digest))).size;
    } catch {
      return undefined;
    }
  }

  /** A small document, verified. Throws `InvalidImage` when it is missing, too large or not what its digest says. */
  async readDocument(digest: string): Promise<Buffer> {
    const size = await this.sizeBytes(digest);
    if (size === undefined || size > MAX_DOCUMENT_BYTES) {
      const because =
        size === undefined ? 'it is missing' : `it has ${size} bytes, and ${MAX_DOCUMENT_BYTES} is the limit`;
      throw new ImageError('InvalidImage', `Cannot read the image's document ${digest}: ${because}`);
    }
    const bytes = await readFile(this.path(digest));
    const found = digestOf(bytes);
    if (found !== digest) {
      throw new ImageError(
        'InvalidImage',
        `Cannot read the image's document ${digest}: its content has the digest ${found}`,
      );
    }
    return bytes;
  }

  /** Adds a small document; durable when this returns. The caller has pinned its digest. */
  async writeDocument(bytes: Buffer): Promise<string> {
    const digest = digestOf(bytes);
    if (!(await this.has(digest))) {
      const temporary = join(this.#staging, randomBytes(6).toString('hex'));
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      renameSync(temporary, this.path(digest));
    }
    return digest;
  }

  /** Takes over a file of the same filesystem whose content has this digest. The caller has pinned it. */
  adopt(path: string, digest: string): void {
    renameSync(path, this.path(digest));
  }

  /**
   * Deletes every blob that `keep` does not want and nobody has pinned. Returns the bytes deleted. Not to be called again
   * before it has settled.
   */
  async prune(keep: (digest: string) => boolean): Promise<number> {
    const folder = join(this.sharedDirectory, 'sha256');
    let freedBytes = 0;
    for (const name of await readdir(folder)) {
      const digest = `sha256:${name}`;
      const size = (await this.sizeBytes(digest)) ?? 0;
      if (keep(digest) || this.#options.pins.has(digest)) {
        continue;
      }
      const old = join(this.#staging, `old-${randomBytes(6).toString('hex')}`);
      renameSync(join(folder, name), old);
      await rm(old, { recursive: true, force: true });
      freedBytes += HEX.test(name) ? size : 0;
    }
    return freedBytes;
  }
}

/** `sha256:<hex>` of some bytes. */
export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
