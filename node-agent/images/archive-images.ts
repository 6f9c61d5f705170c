/** Which images an archive holds, in the forms of `docker save` and of the OCI image layout. */

import { readStagedDocument, type StagedArchive, type StagedFile } from './archive-reader.ts';
import { digestOf } from './blob-store.ts';
import { ImageError } from './image-store.ts';
import {
  choosePlatform,
  type Descriptor,
  OCI_MANIFEST,
  type Platform,
  parseJson,
  parseManifestOrIndex,
  platformName,
} from './manifest.ts';
import { normalizeReference } from './reference.ts';

/** An image in an archive: its documents, and the files that are its layers. */
export interface ArchivedImage {
  readonly references: readonly string[];
  readonly manifest: Buffer;
  readonly config: Buffer;
  /** By digest. A layer that is missing here must be in the store already. */
  readonly layers: ReadonlyMap<string, StagedFile>;
}

const MAX_INDEX_DEPTH = 3;

/** The images of an archive that this machine can run. Throws `InvalidImage`, or `WrongPlatform` when there are only others. */
export async function findImages(archive: StagedArchive, host: Platform): Promise<ArchivedImage[]> {
  const dockerManifest = archive.file('manifest.json');
  const index = archive.file('index.json');
  // Newer `docker save` writes both; its manifest.json has the complete names.
  const images = dockerManifest === undefined ? [] : await dockerImages(archive, dockerManifest);
  if (images.length > 0) {
    return images;
  }
  if (index === undefined) {
    throw new ImageError(
      'InvalidImage',
      'Cannot load the archive: it has neither manifest.json (docker save) nor index.json (OCI)',
    );
  }
  return ociImages(archive, await readStagedDocument(index), host);
}

async function dockerImages(archive: StagedArchive, file: StagedFile): Promise<ArchivedImage[]> {
  const text = (await readStagedDocument(file)).toString('utf8');
  const { list } = parseJson(Buffer.from(`{"list":${text}}`), 'manifest.json');
  if (!Array.isArray(list)) {
    throw new ImageError('InvalidImage', 'Cannot load the archive: its manifest.json is not a list');
  }
  return Promise.all(list.map((item: unknown) => dockerImage(archive, item)));
}

async function dockerImage(archive: StagedArchive, item: unknown): Promise<ArchivedImage> {
  const entry = typeof item === 'object' && item !== null ? item : {};
  const configName = 'Config' in entry ? entry.Config : undefined;
  const layerNames = 'Layers' in entry ? entry.Layers : undefined;
  const tags = 'RepoTags' in entry && Array.isArray(entry.RepoTags) ? entry.RepoTags : [];
  if (typeof configName !== 'string' || !Array.isArray(layerNames)) {
    throw new ImageError(
      'InvalidImage',
      'Cannot load the archive: its manifest.json has an entry without Config or Layers',
    );
  }
  const config = await readStagedDocument(named(archive, configName));
  const layers = layerNames.map((name: unknown) => named(archive, String(name)));
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: layers.map((layer) => ({
      mediaType: `application/vnd.oci.image.layer.v1.tar${layer.gzipped ? '+gzip' : ''}`,
      digest: layer.digest,
      size: layer.sizeBytes,
    })),
  };
  return {
    references: tags.map((tag: unknown) => normalizeReference(String(tag))),
    manifest: Buffer.from(JSON.stringify(manifest)),
    config,
    layers: new Map(layers.map((layer) => [layer.digest, layer])),
  };
}

function named(archive: StagedArchive, name: string): StagedFile {
  const file = archive.file(name);
  if (file === undefined) {
    throw new ImageError('InvalidImage', `Cannot load the archive: the file ${JSON.stringify(name)} is missing`);
  }
  return file;
}

async function ociImages(archive: StagedArchive, indexBytes: Buffer, host: Platform): Promise<ArchivedImage[]> {
  const index = parseManifestOrIndex(indexBytes);
  const entries = index.kind === 'index' ? index.manifests : [];
  if (entries.length === 0) {
    throw new ImageError('InvalidImage', 'Cannot load the archive: its index.json names no image');
  }
  const byManifest = new Map<string, ArchivedImage>();
  const foreign: string[] = [];
  for (const entry of entries) {
    if (entry.platform !== undefined && choosePlatform([entry], host) === undefined) {
      foreign.push(platformName(entry.platform));
      continue;
    }
    const image = await ociImage(archive, entry, { host, depth: 0 });
    const references = [...(byManifest.get(image.digest)?.references ?? []), ...ociNames(entry)];
    byManifest.set(image.digest, { ...image.image, references: [...new Set(references)] });
  }
  if (byManifest.size === 0) {
    throw new ImageError(
      'WrongPlatform',
      `Cannot load the archive: it has images for ${foreign.join(', ')}, none for ${platformName(host)}`,
    );
  }
  return [...byManifest.values()];
}

async function ociImage(
  archive: StagedArchive,
  entry: Descriptor,
  options: { readonly host: Platform; readonly depth: number },
): Promise<{ readonly digest: string; readonly image: ArchivedImage }> {
  const bytes = await document(archive, entry.digest);
  const parsed = parseManifestOrIndex(bytes);
  if (parsed.kind === 'index') {
    const chosen = choosePlatform(parsed.manifests, options.host) ?? only(parsed.manifests);
    if (chosen === undefined) {
      throw new ImageError(
        'WrongPlatform',
        `Cannot load the archive: it has nothing for ${platformName(options.host)}`,
      );
    }
    if (options.depth >= MAX_INDEX_DEPTH) {
      throw new ImageError('InvalidImage', 'Cannot load the archive: its indexes are nested too deeply');
    }
    return ociImage(archive, chosen, { ...options, depth: options.depth + 1 });
  }
  const layers = new Map<string, StagedFile>();
  for (const layer of parsed.manifest.layers) {
    const file = archive.blob(layer.digest);
    if (file !== undefined) {
      layers.set(layer.digest, file);
    }
  }
  const config = await document(archive, parsed.manifest.config.digest);
  return { digest: entry.digest, image: { references: [], manifest: bytes, config, layers } };
}

/** A single manifest without a platform is taken at its configuration's word. */
function only(manifests: readonly Descriptor[]): Descriptor | undefined {
  const [first] = manifests;
  return manifests.length === 1 && first?.platform === undefined ? first : undefined;
}

async function document(archive: StagedArchive, digest: string): Promise<Buffer> {
  const file = archive.blob(digest);
  if (file === undefined) {
    throw new ImageError('InvalidImage', `Cannot load the archive: its blob ${digest} is missing`);
  }
  return readStagedDocument(file);
}

/** containerd writes the whole name beside a bare tag; others write the name where the tag belongs. */
function ociNames(entry: Descriptor): string[] {
  const name = entry.annotations['io.containerd.image.name'] ?? entry.annotations['org.opencontainers.image.ref.name'];
  return name === undefined ? [] : [normalizeReference(name)];
}
