/** Taking `docker save` and OCI archives apart: the files of the outer tar, hashed on their way to disk. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { readTar } from '../../lib/tar/tar-reader.ts';
import { ImageError } from './image-store.ts';
import { MAX_DOCUMENT_BYTES } from './manifest.ts';

/** One file of an archive, on disk under a name of ours. */
export interface StagedFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly gzipped: boolean;
}

/** How much an archive may hold. */
export interface ArchiveLimits {
  readonly maxFiles: number;
  readonly minFreeBytes: number;
}

/** The files of an archive by their normalized names. */
export class StagedArchive {
  readonly #files: ReadonlyMap<string, StagedFile>;
  readonly #links: ReadonlyMap<string, string>;

  constructor(files: ReadonlyMap<string, StagedFile>, links: ReadonlyMap<string, string>) {
    this.#files = files;
    this.#links = links;
  }

  /** A file by name; symbolic links (older `docker save` shares layers so) are followed inside the archive only. */
  file(name: string): StagedFile | undefined {
    let current = normalize(name);
    for (let followed = 0; current !== undefined && followed < 8; followed++) {
      const file = this.#files.get(current);
      if (file !== undefined) {
        return file;
      }
      const target = this.#links.get(current);
      const folder = current.slice(0, current.lastIndexOf('/') + 1);
      current = target === undefined ? undefined : normalize(target.startsWith('/') ? target : folder + target);
    }
    return undefined;
  }

  /** A file of `blobs/sha256` by digest; undefined when it is missing. Throws `InvalidImage` when it lies about its content. */
  blob(digest: string): StagedFile | undefined {
    const file = this.file(`blobs/sha256/${digest.slice('sha256:'.length)}`);
    if (file !== undefined && file.digest !== digest) {
      throw new ImageError('InvalidImage', `Cannot load the archive: its blob ${digest} has the digest ${file.digest}`);
    }
    return file;
  }
}

/** The content of a small file. Throws `InvalidImage` when it is too large to be a document. */
export async function readStagedDocument(file: StagedFile): Promise<Buffer> {
  if (file.sizeBytes > MAX_DOCUMENT_BYTES) {
    throw new ImageError(
      'InvalidImage',
      `Cannot load the archive: a document in it has ${file.sizeBytes} bytes, and ${MAX_DOCUMENT_BYTES} is the limit`,
    );
  }
  return readFile(file.path);
}

/** Writes the files of an archive, plain or gzip, into an existing folder under numbers, never under names from the archive. */
export async function stageArchive(
  archive: string | Readable,
  options: { readonly directory: string; readonly limits: ArchiveLimits; readonly signal?: AbortSignal },
): Promise<StagedArchive> {
  const files = new Map<string, StagedFile>();
  const links = new Map<string, string>();
  const input = typeof archive === 'string' ? createReadStream(archive, { highWaterMark: 256 * 1024 }) : archive;
  const stop = (): void =>
    void input.destroy(options.signal?.reason instanceof Error ? options.signal.reason : undefined);
  options.signal?.addEventListener('abort', stop, { once: true });
  try {
    let count = 0;
    for await (const { entry, body } of readTar(maybeGunzip(input))) {
      options.signal?.throwIfAborted();
      count += 1;
      if (count > options.limits.maxFiles) {
        throw new ImageError(
          'InvalidImage',
          `Cannot load the archive: it has more than ${options.limits.maxFiles} files`,
        );
      }
      const name = normalize(Buffer.from(entry.name, 'latin1').toString('utf8'));
      if (name === undefined) {
        throw new ImageError(
          'InvalidImage',
          `Cannot load the archive: a name in it leads outside: ${JSON.stringify(entry.name)}`,
        );
      }
      if (entry.type === 'symlink' || entry.type === 'hardlink') {
        const target = Buffer.from(entry.linkName, 'latin1').toString('utf8');
        links.set(name, entry.type === 'hardlink' ? `/${target}` : target);
      } else if (entry.type === 'file') {
        await checkRoom(options.directory, entry.sizeBytes + options.limits.minFreeBytes);
        files.set(name, await stageFile(body, join(options.directory, String(count))));
      }
    }
    options.signal?.throwIfAborted();
    return new StagedArchive(files, links);
  } catch (err) {
    options.signal?.throwIfAborted();
    throw err;
  } finally {
    options.signal?.removeEventListener('abort', stop);
    input.destroy();
  }
}

async function stageFile(body: AsyncIterable<Buffer>, path: string): Promise<StagedFile> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let head: Buffer = Buffer.alloc(0);
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of body) {
      if (head.length < 2) {
        head = Buffer.concat([head, chunk.subarray(0, 2)]);
      }
      hash.update(chunk);
      sizeBytes += chunk.length;
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
  const gzipped = head[0] === 0x1f && head[1] === 0x8b;
  return { path, digest: `sha256:${hash.digest('hex')}`, sizeBytes, gzipped };
}

async function* maybeGunzip(input: Readable): AsyncGenerator<Buffer, void, undefined> {
  const source = chunks(input);
  const first = await source.next();
  if (first.done === true) {
    return;
  }
  async function* all(): AsyncGenerator<Buffer, void, undefined> {
    if (first.done !== true) {
      yield first.value;
    }
    yield* source;
  }
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield* all();
    return;
  }
  const gunzip = createGunzip({ chunkSize: 128 * 1024 });
  const fed = pipeline(Readable.from(all(), { objectMode: false }), gunzip);
  // Its failure also ends the reading below.
  fed.catch(() => undefined);
  yield* gunzip as AsyncIterable<Buffer>;
  await fed;
}

async function* chunks(input: Readable): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of input as AsyncIterable<unknown>) {
    if (chunk instanceof Uint8Array && chunk.length > 0) {
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    }
  }
}

async function checkRoom(directory: string, neededBytes: number): Promise<void> {
  const disk = await statfs(directory);
  if (disk.bavail * disk.bsize < neededBytes) {
    throw new ImageError('Failed', `Cannot load the archive: the disk has only ${disk.bavail * disk.bsize} bytes left`);
  }
}

/** A name without empty and `.` parts; undefined when it climbs out. */
function normalize(name: string): string | undefined {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) {
        return undefined;
      }
    } else if (part !== '' && part !== '.') {
      parts.push(part);
    }
  }
  return parts.join('/');
}
