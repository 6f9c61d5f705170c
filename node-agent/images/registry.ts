/** The port to registries: where the images of others come from. */

import type { BlobStore } from './blob-store.ts';
import type { ImageProgress, RegistryAuth } from './image-store.ts';
import type { PinGroup } from './pins.ts';
import type { ImageReference } from './reference.ts';

/** What a fetch needs besides the name. */
export interface FetchOptions {
  /** Tried in this order, then anonymously. */
  readonly auth: readonly RegistryAuth[];
  /** Where the content goes. */
  readonly blobs: BlobStore;
  /** Receives every digest of the image before its content arrives. */
  readonly pins: PinGroup;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ImageProgress) => void;
}

/** An image that is now among the blobs: manifest, configuration and layers, each verified by its digest. */
export interface FetchedImage {
  /** What the registry has under the name: the digest of the index, or of the manifest when there is no index. */
  readonly repoDigest: string;
  /** The manifest for this machine. */
  readonly manifestDigest: string;
}

/** Somewhere to fetch images from. Concurrent fetches are fine. Throws `ImageError`. */
export interface ImageRegistry {
  fetch(reference: ImageReference, options: FetchOptions): Promise<FetchedImage>;
}
