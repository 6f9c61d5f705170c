/**
 * Which images are here and what they are called: the `index.json` of the OCI image layout, so that other tools can read
 * the folder. Kept in memory and written whole, by rename, after each change.
 */

import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from './image-store.ts';
import { OCI_INDEX, OCI_MANIFEST, parseManifestOrIndex } from './manifest.ts';
import { isImageId, isReference, normalizeReference } from './reference.ts';

/** One image as the index has it. */
export interface IndexedImage {
  /** Digest of the configuration. */
  readonly id: string;
  readonly manifestDigest: string;
  readonly manifestMediaType: string;
  readonly manifestSizeBytes: number;
  readonly references: ReadonlySet<string>;
  readonly repoDigests: ReadonlySet<string>;
}

/** An image to enter, without names. */
export type NewImage = Omit<IndexedImage, 'references' | 'repoDigests'>;

const REF_NAME = 'org.opencontainers.image.ref.name';
const IMAGE_ID = 'skiff.image.id';
const REPO_DIGESTS = 'skiff.image.repo-digests';

/** The index of one image layout. Call {@link ImageIndex.open} before anything else. */
export class ImageIndex {
  readonly #directory: string;
  readonly #images = new Map<string, IndexedImage>();
  #byName = new Map<string, string>();
  #writing: Promise<void> = Promise.resolve();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads the index; a missing one is empty. Throws `Failed` when it cannot be understood, rather than losing images. */
  async open(): Promise<void> {
    const path = join(this.#directory, 'index.json');
    let bytes: Buffer;
    try {
      bytes = await readFile(path);
    } catch (err) {
      if (err instanceof Error && 'code' in err && err.code === 'ENOENT') {
        return;
      }
      throw new ImageError('Failed', `Cannot read the image index ${path}`, { cause: err });
    }
    try {
      const parsed = parseManifestOrIndex(bytes);
      for (const item of parsed.kind === 'index' ? parsed.manifests : []) {
        const id = item.annotations[IMAGE_ID];
        if (id !== undefined) {
          const image = {
            id,
            manifestDigest: item.digest,
            manifestMediaType: item.mediaType,
            manifestSizeBytes: item.sizeBytes,
          };
          const name = item.annotations[REF_NAME];
          const digests = item.annotations[REPO_DIGESTS] ?? '';
          this.#merge(
            image,
            name === undefined ? [] : [name],
            digests.split(' ').filter((digest) => digest !== ''),
          );
        }
      }
    } catch (err) {
      throw new ImageError('Failed', `Cannot read the image index ${path}: it is damaged`, { cause: err });
    }
    this.#rebuildNames();
  }

  all(): IndexedImage[] {
    return [...this.#images.values()];
  }

  get(id: string): IndexedImage | undefined {
    return this.#images.get(id);
  }

  /** By full name with tag or digest. */
  find(fullName: string): IndexedImage | undefined {
    const id = this.#byName.get(fullName);
    return id === undefined ? undefined : this.#images.get(id);
  }

  /** Images whose id starts with these digits. */
  findById(hexPrefix: string): IndexedImage[] {
    return this.all().filter((image) => image.id.startsWith(`sha256:${hexPrefix}`));
  }

  /** As a person writes it: a name, or an id or the beginning of one. Throws `InvalidName` for what is neither. */
  lookUp(reference: string): IndexedImage | undefined {
    const byName = isReference(reference) ? this.find(normalizeReference(reference)) : undefined;
    if (byName !== undefined || !isImageId(reference)) {
      // Says what is wrong with a name that is none.
      return byName ?? this.find(normalizeReference(reference));
    }
    const byId = this.findById(reference.replace(/^sha256:/, ''));
    if (byId.length > 1) {
      throw new ImageError(
        'InvalidName',
        `Cannot tell which image ${reference} is: ${byId.length} ids start like that`,
      );
    }
    return byId[0];
  }

  /**
   * Enters an image, or gives a known one more names. Names that others had move. A known image keeps the manifest it
   * has. Durable when this resolves; visible at once.
   */
  async put(
    image: NewImage,
    names: { readonly references: readonly string[]; readonly repoDigests: readonly string[] },
  ): Promise<void> {
    for (const reference of names.references) {
      const before = this.find(reference);
      if (before !== undefined && before.id !== image.id) {
        this.#images.set(before.id, { ...before, references: without(before.references, reference) });
      }
    }
    for (const digest of names.repoDigests) {
      const before = this.find(digest);
      if (before !== undefined && before.id !== image.id) {
        this.#images.set(before.id, { ...before, repoDigests: without(before.repoDigests, digest) });
      }
    }
    this.#merge(image, names.references, names.repoDigests);
    this.#rebuildNames();
    await this.#write();
  }

  /** Takes a name (tagged or by digest) away; the image stays until {@link delete}. */
  async removeName(fullName: string): Promise<void> {
    const image = this.find(fullName);
    if (image !== undefined) {
      this.#images.set(image.id, {
        ...image,
        references: without(image.references, fullName),
        repoDigests: without(image.repoDigests, fullName),
      });
      this.#rebuildNames();
      await this.#write();
    }
  }

  /** Forgets an image with all its names. Visible at once. */
  async delete(id: string): Promise<void> {
    if (this.#images.delete(id)) {
      this.#rebuildNames();
      await this.#write();
    }
  }

  #merge(image: NewImage, references: readonly string[], repoDigests: readonly string[]): void {
    const before = this.#images.get(image.id);
    this.#images.set(image.id, {
      ...(before ?? image),
      references: new Set([...(before?.references ?? []), ...references]),
      repoDigests: new Set([...(before?.repoDigests ?? []), ...repoDigests]),
    });
  }

  #rebuildNames(): void {
    this.#byName = new Map(
      this.all().flatMap((image) =>
        [...image.references, ...image.repoDigests].map((name): [string, string] => [name, image.id]),
      ),
    );
  }

  /** Writes are in a row; each writes the state at its own turn, so the last one wins with everything in it. */
  #write(): Promise<void> {
    const mine = this.#writing.then(() => this.#writeNow());
    this.#writing = mine.catch(() => undefined);
    return mine;
  }

  async #writeNow(): Promise<void> {
    const manifests = this.all().flatMap((image) =>
      (image.references.size > 0 ? [...image.references].sort() : [undefined]).map((name) => ({
        mediaType: image.manifestMediaType === '' ? OCI_MANIFEST : image.manifestMediaType,
        digest: image.manifestDigest,
        size: image.manifestSizeBytes,
        annotations: {
          ...(name === undefined ? {} : { [REF_NAME]: name }),
          [IMAGE_ID]: image.id,
          ...(image.repoDigests.size > 0 ? { [REPO_DIGESTS]: [...image.repoDigests].sort().join(' ') } : {}),
        },
      })),
    );
    await writeDurably(join(this.#directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    await writeDurably(
      join(this.#directory, 'index.json'),
      `${JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, undefined, 1)}\n`,
    );
  }
}

async function writeDurably(path: string, content: string): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

function without(names: ReadonlySet<string>, name: string): ReadonlySet<string> {
  return new Set([...names].filter((each) => each !== name));
}
