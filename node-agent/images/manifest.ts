/** Reading what describes an image: indexes, manifests and configurations, of OCI and of Docker. Pure. */

import type { ImageConfig } from './image-store.ts';
import { ImageError } from './image-store.ts';

/** A pointer to content. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platform?: Platform;
}

/** What a machine is, in Go's words, as images have it. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** `v7`, `v8`, …; empty where there is none. */
  readonly variant: string;
}

/** One image for one platform. */
export interface Manifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** What the configuration says, checked. */
export interface ParsedConfig {
  readonly platform: Platform;
  readonly diffIds: readonly string[];
  readonly config: ImageConfig;
}

/** Documents of more bytes than this are refused before they are read. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

/** One page of mount options holds somewhat more short names than this. */
export const MAX_LAYERS = 200;

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

const DIGEST = /^sha256:[a-f0-9]{64}$/;

type Json = Readonly<Record<string, unknown>>;

/** Reads a document that is either an index or a manifest. Throws `InvalidImage`, and `Unsupported` for Docker's first schema. */
export function parseManifestOrIndex(
  bytes: Buffer,
):
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly manifests: readonly Descriptor[] } {
  const document = parseJson(bytes, 'manifest');
  const mediaType = typeof document.mediaType === 'string' ? document.mediaType : '';
  if (document.schemaVersion === 1) {
    throw new ImageError(
      'Unsupported',
      "Cannot read the manifest: it is in Docker's first schema, which is no longer in use",
    );
  }
  if (mediaType === OCI_INDEX || mediaType === DOCKER_LIST || (mediaType === '' && Array.isArray(document.manifests))) {
    return {
      kind: 'index',
      manifests: list(document.manifests, 'manifests').map((item) => descriptor(item, 'manifests')),
    };
  }
  const layers = list(document.layers, 'layers').map((item) => descriptor(item, 'layers'));
  if (layers.length > MAX_LAYERS) {
    throw new ImageError(
      'Unsupported',
      `Cannot use the image: it has ${layers.length} layers, and ${MAX_LAYERS} is the limit`,
    );
  }
  return {
    kind: 'manifest',
    manifest: {
      mediaType: mediaType === '' ? OCI_MANIFEST : mediaType,
      config: descriptor(document.config, 'config'),
      layers,
    },
  };
}

/** Reads an image configuration. Throws `InvalidImage`. */
export function parseConfig(bytes: Buffer): ParsedConfig {
  const document = parseJson(bytes, 'configuration');
  const rootfs = object(document.rootfs ?? {}, 'rootfs');
  const diffIds = list(rootfs.diff_ids ?? [], 'rootfs.diff_ids').map((item) => {
    if (typeof item !== 'string' || !DIGEST.test(item)) {
      throw invalid('configuration', 'rootfs.diff_ids must hold sha256 digests');
    }
    return item;
  });
  const config = object(document.config ?? {}, 'config');
  return {
    platform: {
      os: text(document.os, 'os') ?? 'linux',
      architecture: text(document.architecture, 'architecture') ?? '',
      variant: text(document.variant, 'variant') ?? '',
    },
    diffIds,
    config: {
      ...optional('entrypoint', texts(config.Entrypoint, 'config.Entrypoint')),
      ...optional('cmd', texts(config.Cmd, 'config.Cmd')),
      ...optional('env', texts(config.Env, 'config.Env')),
      ...optional('workingDir', text(config.WorkingDir, 'config.WorkingDir')),
      ...optional('user', text(config.User, 'config.User')),
      ...optional('stopSignal', text(config.StopSignal, 'config.StopSignal')),
      ...optional('exposedPorts', keys(config.ExposedPorts, 'config.ExposedPorts')),
      ...optional('volumes', keys(config.Volumes, 'config.Volumes')),
      ...optional('labels', labels(config.Labels)),
    },
  };
}

/** This machine's platform. Node does not tell 32-bit ARM's variants apart beyond what it was built for. */
export function hostPlatform(): Platform {
  const names: Readonly<Record<string, readonly [string, string]>> = {
    x64: ['amd64', ''],
    arm64: ['arm64', 'v8'],
    arm: ['arm', `v${armVersion()}`],
    ia32: ['386', ''],
  };
  const [architecture, variant] = names[process.arch] ?? [process.arch, ''];
  return { os: 'linux', architecture, variant };
}

function armVersion(): string {
  const variables: Readonly<Record<string, unknown>> = process.config.variables;
  return typeof variables.arm_version === 'string' ? variables.arm_version : '7';
}

/**
 * The manifest of an index that runs on this machine: the same variant first, then the best older one (a v7 machine
 * runs v6 code), then one that names no variant. Undefined when there is none.
 */
export function choosePlatform(manifests: readonly Descriptor[], host: Platform): Descriptor | undefined {
  const rank = (candidate: Descriptor): number => {
    const platform = candidate.platform;
    if (platform === undefined || platform.os !== host.os || platform.architecture !== host.architecture) {
      return -1;
    }
    if (platform.variant === host.variant) {
      return 1000;
    }
    if (platform.variant === '') {
      return 1;
    }
    const theirs = Number(platform.variant.slice(1));
    const ours = Number(host.variant.slice(1));
    // A machine that names no variant (amd64) takes only what names none.
    return theirs < ours ? 1 + theirs : -1;
  };
  const runnable = manifests.filter((candidate) => rank(candidate) > 0).sort((a, b) => rank(b) - rank(a));
  return runnable[0];
}

/** Whether an image for `platform` runs on `host`. An image that names no architecture is believed. */
export function runsOn(platform: Platform, host: Platform): boolean {
  return platform.os === host.os && (platform.architecture === '' || platform.architecture === host.architecture);
}

/** `linux/arm/v7`. */
export function platformName(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part !== '').join('/');
}

function descriptor(value: unknown, where: string): Descriptor {
  const item = object(value, where);
  const { digest, size } = item;
  if (typeof digest !== 'string' || !DIGEST.test(digest)) {
    throw invalid('manifest', `${where} has a descriptor without a sha256 digest`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid('manifest', `${where} has a descriptor without a size`);
  }
  const platform = item.platform === undefined ? undefined : object(item.platform, `${where}.platform`);
  return {
    mediaType: text(item.mediaType, `${where}.mediaType`) ?? '',
    digest,
    sizeBytes: size,
    annotations: labels(item.annotations) ?? {},
    ...(platform === undefined
      ? {}
      : {
          platform: {
            os: text(platform.os, 'platform.os') ?? '',
            architecture: text(platform.architecture, 'platform.architecture') ?? '',
            variant: text(platform.variant, 'platform.variant') ?? '',
          },
        }),
  };
}

/** Parses a document's JSON and its outermost shape; `what` names it in the error. */
export function parseJson(bytes: Buffer, what: string): Json {
  if (bytes.length > MAX_DOCUMENT_BYTES) {
    throw invalid(what, `it has ${bytes.length} bytes, and ${MAX_DOCUMENT_BYTES} is the limit`);
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (err) {
    throw new ImageError('InvalidImage', `Cannot read the image's ${what}: it is not JSON`, { cause: err });
  }
  return object(value, what);
}

function object(value: unknown, where: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(where, 'it must be an object');
  }
  return value as Json;
}

function list(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw invalid(where, 'it must be a list');
  }
  return value;
}

function text(value: unknown, where: string): string | undefined {
  if (value === undefined || value === null || value === '') {
    return undefined;
  }
  if (typeof value !== 'string' || value.includes('\0')) {
    throw invalid(where, 'it must be text');
  }
  return value;
}

function texts(value: unknown, where: string): readonly string[] | undefined {
  if (value === undefined || value === null) {
    return undefined;
  }
  return list(value, where).map((item) => {
    if (typeof item !== 'string' || item.includes('\0')) {
      throw invalid(where, 'it must hold text');
    }
    return item;
  });
}

function keys(value: unknown, where: string): readonly string[] | undefined {
  return value === undefined || value === null ? undefined : Object.keys(object(value, where)).sort();
}

function labels(value: unknown): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) {
    return undefined;
  }
  return Object.fromEntries(
    Object.entries(object(value, 'labels')).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}

function optional<K extends keyof ImageConfig>(key: K, value: ImageConfig[K] | undefined): Partial<ImageConfig> {
  return value === undefined ? {} : { [key]: value };
}

function invalid(where: string, because: string): ImageError {
  return new ImageError('InvalidImage', `Cannot read the image's ${where}: ${because}`);
}
