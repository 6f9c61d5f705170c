/**
 * Making container images without a container tool: the same input gives the same bytes, everything owned by root and
 * dated 1970 unless told otherwise. Images are built in memory; this is for small ones.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { encodeTarHeader, type TarEntry, tarEnd, tarEntry, tarPadding, toByteString } from './tar/tar-entry.ts';

/** A file to put into a layer. `path` is relative to the image's root, without a leading slash. */
export type LayerFile =
  | (LayerFileOwner & { readonly kind: 'directory'; readonly path: string; readonly mode?: number })
  | (LayerFileOwner & {
      readonly kind: 'file';
      readonly path: string;
      readonly mode?: number;
      /** The content, or where on this machine to read it. */
      readonly content: string | Buffer | { readonly hostPath: string };
    })
  | (LayerFileOwner & { readonly kind: 'symlink'; readonly path: string; readonly target: string });

interface LayerFileOwner {
  readonly uid?: number;
  readonly gid?: number;
}

/** The part of an image's configuration that a container is started from; names as in the OCI image specification. */
export interface ImageRunConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly StopSignal?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly Labels?: Readonly<Record<string, string>>;
}

/** What to build. */
export interface ImageSpec {
  /** Full names, such as `docker.io/library/busybox:1.36`. */
  readonly references: readonly string[];
  /** Lowest first: files, or a finished uncompressed tar. */
  readonly layers: readonly (readonly LayerFile[] | Buffer)[];
  readonly config: ImageRunConfig;
  /** As Go names it; default is this machine's. */
  readonly architecture?: string;
  /** Default `linux`. */
  readonly os?: string;
  /** How layers are packed in an OCI archive; default `none`. */
  readonly compression?: 'none' | 'gzip';
}

/** A built image: its blobs by digest, and what names them. */
export interface BuiltImage {
  readonly references: readonly string[];
  /** Digest of the configuration. */
  readonly id: string;
  readonly manifestDigest: string;
  readonly manifest: Buffer;
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly layerDigests: readonly string[];
}

const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };

/** The architecture of this machine in the words of image configurations. */
export function hostArchitecture(): string {
  return GO_ARCHITECTURES[process.arch] ?? process.arch;
}

/** `sha256:<hex>` of some bytes. */
export function sha256Digest(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/**
 * An uncompressed layer. Files are sorted by path, and missing parent directories are added (root's, 0755), so that the
 * order they were named in makes no difference. Throws when a path is given twice.
 */
export function buildLayer(files: readonly LayerFile[]): Buffer {
  const byPath = new Map<string, LayerFile>();
  for (const file of files) {
    if (byPath.has(file.path)) {
      throw new Error(`Cannot build the layer: ${file.path} is given twice`);
    }
    byPath.set(file.path, file);
  }
  for (const file of files) {
    const parts = file.path.split('/');
    for (let length = 1; length < parts.length; length++) {
      const path = parts.slice(0, length).join('/');
      if (!byPath.has(path)) {
        byPath.set(path, { kind: 'directory', path });
      }
    }
  }
  const parts: Buffer[] = [];
  for (const [, file] of [...byPath].sort(([a], [b]) => (a < b ? -1 : 1))) {
    parts.push(...encodeFile(file));
  }
  return Buffer.concat([...parts, tarEnd()]);
}

/** A tar of entries exactly as given, in their order: for archives no sane tool would make. */
export function buildRawTar(
  members: readonly (Partial<TarEntry> & Pick<TarEntry, 'name' | 'type'> & { readonly content?: Buffer | string })[],
): Buffer {
  const parts: Buffer[] = [];
  for (const { content, ...entry } of members) {
    const bytes = Buffer.from(content ?? '');
    parts.push(
      encodeTarHeader(tarEntry({ ...entry, sizeBytes: entry.sizeBytes ?? bytes.length })),
      bytes,
      tarPadding(bytes.length),
    );
  }
  return Buffer.concat([...parts, tarEnd()]);
}

function encodeFile(file: LayerFile): Buffer[] {
  const name = toByteString(file.path);
  const owner = { uid: file.uid ?? 0, gid: file.gid ?? 0 };
  switch (file.kind) {
    case 'directory':
      return [encodeTarHeader(tarEntry({ name, type: 'directory', mode: file.mode ?? 0o755, ...owner }))];
    case 'symlink':
      return [encodeTarHeader(tarEntry({ name, type: 'symlink', linkName: toByteString(file.target), ...owner }))];
    case 'file': {
      const { content } = file;
      const bytes =
        typeof content === 'string' || Buffer.isBuffer(content) ? Buffer.from(content) : readFileSync(content.hostPath);
      const header = tarEntry({ name, type: 'file', mode: file.mode ?? 0o644, sizeBytes: bytes.length, ...owner });
      return [encodeTarHeader(header), bytes, tarPadding(bytes.length)];
    }
  }
}

/** Builds the blobs of an image. */
export function buildImage(spec: ImageSpec): BuiltImage {
  const blobs = new Map<string, Buffer>();
  const put = (bytes: Buffer): string => {
    const digest = sha256Digest(bytes);
    blobs.set(digest, bytes);
    return digest;
  };
  const tars = spec.layers.map((layer) => (Buffer.isBuffer(layer) ? layer : buildLayer(layer)));
  const gzip = spec.compression === 'gzip';
  const layers = tars.map((tar) => {
    const packed = gzip ? gzipSync(tar) : tar;
    return {
      mediaType: `application/vnd.oci.image.layer.v1.tar${gzip ? '+gzip' : ''}`,
      digest: put(packed),
      size: packed.length,
    };
  });
  const config = json({
    architecture: spec.architecture ?? hostArchitecture(),
    config: spec.config,
    created: '1970-01-01T00:00:00Z',
    os: spec.os ?? 'linux',
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => sha256Digest(tar)) },
  });
  const id = put(config);
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: id, size: config.length },
    layers,
  });
  return {
    references: spec.references,
    id,
    manifestDigest: put(manifest),
    manifest,
    blobs,
    layerDigests: layers.map((layer) => layer.digest),
  };
}

/** An OCI archive (the tar of an image layout) with these images, each under all its names. */
export function encodeOciArchive(images: readonly BuiltImage[]): Buffer {
  const files: LayerFile[] = [
    { kind: 'file', path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
    {
      kind: 'file',
      path: 'index.json',
      content: json({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: images.flatMap((image) =>
          (image.references.length > 0 ? image.references : [undefined]).map((reference) => ({
            mediaType: 'application/vnd.oci.image.manifest.v1+json',
            digest: image.manifestDigest,
            size: image.manifest.length,
            ...(reference === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': reference } }),
          })),
        ),
      }),
    },
  ];
  for (const [digest, bytes] of new Map(images.flatMap((image) => [...image.blobs]))) {
    files.push({ kind: 'file', path: `blobs/sha256/${digest.slice('sha256:'.length)}`, content: bytes });
  }
  return buildLayer(files);
}

/** Writes {@link encodeOciArchive} of freshly built images to a file. */
export async function writeOciArchive(path: string, specs: readonly ImageSpec[]): Promise<BuiltImage[]> {
  const images = specs.map(buildImage);
  await writeFile(path, encodeOciArchive(images));
  return images;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
