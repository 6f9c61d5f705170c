/** From blobs to an image one can start containers from: check the documents against each other, unpack the layers. */

import type { ArchivedImage } from './archive-images.ts';
import { type BlobStore, digestOf } from './blob-store.ts';
import { type ImageConfig, ImageError, type ImageProgress } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import { type Manifest, type Platform, parseConfig, parseManifestOrIndex, platformName, runsOn } from './manifest.ts';
import type { PinGroup } from './pins.ts';

/** What the store keeps in memory about each image besides its names. */
export interface ImageDetails {
  /** Digest of the configuration. */
  readonly id: string;
  readonly manifestDigest: string;
  readonly manifestMediaType: string;
  readonly manifestSizeBytes: number;
  readonly sizeBytes: number;
  readonly config: ImageConfig;
  /** Digests of the unpacked layers, lowest first. */
  readonly diffIds: readonly string[];
  /** Every blob the image needs. */
  readonly blobs: readonly string[];
}

/** Where content is and what may run. */
export interface IntakeOptions {
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly host: Platform;
}

/**
 * Reads an image that is among the blobs and unpacks the layers that are missing. All its digests are added to `pins`;
 * the manifest's is there already. Throws `InvalidImage`, `WrongPlatform`, or what unpacking throws.
 */
export async function takeInImage(
  manifestDigest: string,
  options: IntakeOptions & {
    readonly pins: PinGroup;
    readonly signal?: AbortSignal;
    readonly onProgress?: (progress: ImageProgress) => void;
  },
): Promise<ImageDetails> {
  const { blobs, layers, pins } = options;
  const bytes = await blobs.readDocument(manifestDigest);
  const parsed = parseManifestOrIndex(bytes);
  if (parsed.kind === 'index') {
    throw new ImageError('InvalidImage', `Cannot use the image ${manifestDigest}: it is an index, not a manifest`);
  }
  const { manifest } = parsed;
  pins.add(manifest.config.digest, ...manifest.layers.map((layer) => layer.digest));
  const config = parseConfig(await blobs.readDocument(manifest.config.digest));
  if (!runsOn(config.platform, options.host)) {
    throw new ImageError(
      'WrongPlatform',
      `Cannot use the image: it is for ${platformName(config.platform)}, and this machine is ${platformName(options.host)}`,
    );
  }
  if (config.diffIds.length !== manifest.layers.length) {
    throw new ImageError(
      'InvalidImage',
      `Cannot use the image: its manifest has ${manifest.layers.length} layers and its configuration ${config.diffIds.length}`,
    );
  }
  pins.add(...config.diffIds);
  const total = manifest.layers.length;
  for (const [done, layer] of manifest.layers.entries()) {
    options.onProgress?.({ phase: 'unpacking', layersDone: done, layersTotal: total });
    const packed = { path: blobs.path(layer.digest), digest: layer.digest, diffId: config.diffIds[done] ?? '' };
    await layers.ensure(packed, {
      below: config.diffIds.slice(0, done),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }
  return {
    id: manifest.config.digest,
    manifestDigest,
    manifestMediaType: manifest.mediaType,
    manifestSizeBytes: bytes.length,
    sizeBytes: bytes.length + packedBytes(manifest),
    config: config.config,
    diffIds: config.diffIds,
    blobs: [manifestDigest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)],
  };
}

function packedBytes(manifest: Manifest): number {
  return [manifest.config, ...manifest.layers].reduce((sum, descriptor) => sum + descriptor.sizeBytes, 0);
}

/** Moves an archive's image among the blobs, pinned; returns the digest of its manifest. */
export async function storeArchivedImage(image: ArchivedImage, blobs: BlobStore, pins: PinGroup): Promise<string> {
  for (const [digest, file] of image.layers) {
    pins.add(digest);
    if (!(await blobs.has(digest))) {
      blobs.adopt(file.path, digest);
    }
  }
  pins.add(digestOf(image.config), digestOf(image.manifest));
  await blobs.writeDocument(image.config);
  return blobs.writeDocument(image.manifest);
}
