/**
 * The images of one node: where they come from, what they say, and the root folders made from them.
 *
 * One process owns a store folder. Every method may be called concurrently with every other; an implementation puts
 * them in order where they touch the same image. All failures are {@link ImageError}s, except an abort, which rejects
 * with the signal's reason.
 */

import type { Readable } from 'node:stream';

/** What an image asks of the containers made from it. Absent fields are unset in the image. */
export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** `NAME=value`, in the image's order. */
  readonly env?: readonly string[];
  /** Absolute path inside the container. */
  readonly workingDir?: string;
  /** `user`, `uid`, `user:group`, `uid:gid`, as written in the image; read it with `resolveUser`. */
  readonly user?: string;
  /** Such as `SIGQUIT` or `3`, unchecked. */
  readonly stopSignal?: string;
  /** `80/tcp`, … */
  readonly exposedPorts?: readonly string[];
  /** Absolute paths inside the container. */
  readonly volumes?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** One image that is present and completely unpacked. */
export interface Image {
  /** Digest of its configuration, `sha256:<hex>`; equal for equal images whatever their names. */
  readonly id: string;
  /** Full names with a tag, `docker.io/library/nginx:1.16.1`, sorted. Empty for an image whose last name moved on. */
  readonly references: readonly string[];
  /** Full names with the digest they were pulled by, `docker.io/library/nginx@sha256:<hex>`, sorted. */
  readonly repoDigests: readonly string[];
  /** Bytes of configuration, manifest and packed layers. */
  readonly sizeBytes: number;
  readonly config: ImageConfig;
  /** Digests of the unpacked layers (`sha256:<hex>`), lowest first. */
  readonly layers: readonly string[];
}

/** A user and password, or a token, for one registry. */
export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  /** Used instead of user and password when set. */
  readonly identityToken?: string;
}

/** How far a pull or a load has come. */
export interface ImageProgress {
  readonly phase: 'waiting' | 'downloading' | 'unpacking' | 'done';
  /** Layers finished in this phase, and how many there are; 0 while that is unknown. */
  readonly layersDone: number;
  readonly layersTotal: number;
}

/** What a pull may be told besides the name. */
export interface PullOptions {
  /** Tried in this order; when all are refused, or none is given, the pull is anonymous. */
  readonly auth?: readonly RegistryAuth[];
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ImageProgress) => void;
}

/** What a load may be told besides the archive. */
export interface LoadOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImageProgress) => void;
}

/** The root folder of one container, mounted and writable. */
export interface Rootfs {
  /** Absolute host path. */
  readonly path: string;
}

/** When and how much a garbage collection removes. */
export interface GarbageCollectOptions {
  /** Collection starts when the filesystem of the store is fuller than this, 0 to 100. 0 collects whatever is unused. */
  readonly highPercent: number;
  /** Images are removed, least recently used first, until it is no fuller than this. */
  readonly lowPercent: number;
  /** Names or ids that must stay, besides those of mounted containers. */
  readonly inUse: readonly string[];
  /** Images used or pulled less than this long ago stay. Default 120,000 (two minutes). */
  readonly minAgeMs?: number;
}

/** What a garbage collection did. */
export interface GarbageCollection {
  /** Ids of removed images. */
  readonly removed: readonly string[];
  readonly freedBytes: number;
  readonly usedPercentBefore: number;
  readonly usedPercentAfter: number;
}

/** What the sweep at start found. */
export interface Sweep {
  /** Ids of containers whose root folder is still mounted; the caller unmounts those it does not know. */
  readonly adopted: readonly string[];
  /** Ids of containers whose writable layer had lost its mount (a reboot, a crash half-way) and was removed. */
  readonly removed: readonly string[];
}

/** What a removal took away. */
export interface RemovedImage {
  /** Names, by tag and by digest, that are gone. */
  readonly untagged: readonly string[];
  /** The id of the image, when it went with its last name. */
  readonly deleted: readonly string[];
}

/** The port. `OverlayImageStore` is the real one; `MemoryImageStore` the fake. */
export interface ImageStore {
  /** The present image with this name or id, or undefined. A name is read as Docker reads it: `nginx` is `docker.io/library/nginx:latest`. */
  resolve(reference: string): Promise<Image | undefined>;

  /**
   * Fetches an image from its registry, whether or not one is present under that name, and unpacks it. Callers with the
   * same name (and the same credentials) share one transfer; it is cancelled when the last of them has aborted.
   */
  pull(reference: string, options: PullOptions): Promise<Image>;

  /** Takes in every image of a `docker save` or OCI archive (plain or gzip), under all the names inside. `archive` is a path or the bytes. */
  load(archive: string | Readable, options?: LoadOptions): Promise<Image[]>;

  /** Gives a present image one more name. A name that another image had moves. */
  tag(source: string, target: string): Promise<Image>;

  /** All present images, sorted by first name, then id. */
  list(): Promise<Image[]>;

  /**
   * Takes a name away, or with an id all names; with the last name goes the image and every layer nobody else has.
   * Refused with `InUse` while a mounted container needs it. Not present is `NotFound`.
   */
  remove(reference: string): Promise<RemovedImage>;

  /**
   * Mounts a container's writable root folder on top of the image. Idempotent: a second call for the same container and
   * image returns the same mounted folder with what was written there. `containerId` is `[A-Za-z0-9][A-Za-z0-9_.-]*`, at most 128.
   */
  mountRootfs(image: Image, containerId: string): Promise<Rootfs>;

  /** Unmounts and deletes a container's writable layer. Idempotent: nothing there is no error. */
  unmountRootfs(containerId: string): Promise<void>;

  /** Removes unused images when the disk is too full. */
  garbageCollect(options: GarbageCollectOptions): Promise<GarbageCollection>;

  /** Once, before anything else: adopts what is mounted, removes what is half-done. */
  sweep(): Promise<Sweep>;
}

/** What went wrong, by what the caller can do about it. */
export type ImageErrorCode =
  /** The name cannot be read; only another name helps. */
  | 'InvalidName'
  /** Nobody has such an image. A registry that hides private images behind this answer means the same to us. */
  | 'NotFound'
  /** The registry wants other credentials. */
  | 'Unauthorized'
  /** The registry does not answer, or not sensibly. */
  | 'Unreachable'
  /** The image has nothing for this machine's operating system and processor. */
  | 'WrongPlatform'
  /** Content that is damaged, dishonest about its digest, or reaches outside its folder. */
  | 'InvalidImage'
  /** Content in a form this node cannot read, such as zstd without the program. */
  | 'Unsupported'
  /** A container uses it. */
  | 'InUse'
  /** A tool, the disk or the kernel failed. */
  | 'Failed';

/** Kubernetes' waiting reasons for a container without its image, as far as a store can cause them. */
export type ImageWaitingReason = 'InvalidImageName' | 'ErrImagePull';

/** A failure of the image store. The message is a whole sentence fit for a person and carries no credentials. */
export class ImageError extends Error {
  readonly code: ImageErrorCode;

  constructor(code: ImageErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ImageError';
    this.code = code;
  }

  /** The reason Kubernetes shows on the waiting container. */
  get waitingReason(): ImageWaitingReason {
    return this.code === 'InvalidName' ? 'InvalidImageName' : 'ErrImagePull';
  }
}

/** True when `err` is an {@link ImageError} with one of `codes`. */
export function isImageError(err: unknown, ...codes: readonly ImageErrorCode[]): err is ImageError {
  return err instanceof ImageError && (codes.length === 0 || codes.includes(err.code));
}
