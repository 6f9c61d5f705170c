/** Unpacking one layer: decompress, verify both digests, confine, and let GNU tar write the files. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { errorMessage } from '../../lib/errors.ts';
import { ExecError, startError } from '../../lib/exec.ts';
import { TarFormatError } from '../../lib/tar/tar-reader.ts';
import { ImageError } from './image-store.ts';
import { type LayerContents, type LayerLimits, LayerRefusedError, rewriteLayer } from './layer-rewriter.ts';
import type { FolderAttributes } from './layers-below.ts';

/** A packed layer on disk, and what it must turn out to be. */
export interface PackedLayer {
  readonly path: string;
  /** `sha256:<hex>` of the packed bytes. */
  readonly digest: string;
  /** `sha256:<hex>` of the unpacked tar. */
  readonly diffId: string;
}

/** How far unpacking may go. */
export interface UnpackOptions {
  readonly limits: LayerLimits;
  /** Unpacking stops when the filesystem has less room than this. */
  readonly minFreeBytes: number;
  /** See `rewriteLayer`. */
  readonly below?: (path: string) => FolderAttributes | undefined;
  readonly signal?: AbortSignal;
}

/** The largest number of bytes between two looks at the free room. */
const FREE_CHECK_BYTES = 64 * 1024 * 1024;

const TAR_ARGS = [
  '--extract',
  '--file=-',
  '--xattrs',
  '--xattrs-include=*',
  '--numeric-owner',
  '--same-owner',
  '--preserve-permissions',
  '--delay-directory-restore',
  '--warning=no-timestamp',
];

/**
 * Unpacks a layer into an existing empty folder. When this throws, the folder holds rubbish that must be removed, and
 * nothing outside it has changed. Throws {@link ImageError}; `InvalidImage` when the layer is at fault.
 */
export async function unpackLayer(
  layer: PackedLayer,
  directory: string,
  options: UnpackOptions,
): Promise<LayerContents> {
  options.signal?.throwIfAborted();
  const contents: LayerContents = { entries: 0, bytes: 0, skippedDevices: 0 };
  const packed = createHash('sha256');
  const unpacked = createHash('sha256');
  const tar = spawn('tar', [...TAR_ARGS, `--directory=${directory}`], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  const ended = endOf(tar);
  try {
    const plain = guarded(decompress(layer.path, packed, options.signal), { hash: unpacked, directory, ...options });
    const rewritten = rewriteLayer(plain, {
      limits: options.limits,
      contents,
      ...(options.below === undefined ? {} : { below: options.below }),
    });
    async function* withRest(): AsyncGenerator<Buffer, void, undefined> {
      yield* rewritten;
      // The digest covers what follows the archive's end mark too.
      for await (const _ of plain) {
        // Only hashed.
      }
    }
    const [fed, end] = await Promise.allSettled([
      pipeline(Readable.from(withRest(), { objectMode: false }), tar.stdin),
      ended,
    ]);
    options.signal?.throwIfAborted();
    if (end.status === 'rejected') {
      throw end.reason;
    }
    if (end.value !== '') {
      // When tar ended first, the broken pipe is only its echo.
      const echo = fed.status === 'rejected' && !isBrokenPipe(fed.reason) ? fed.reason : undefined;
      throw echo ?? new LayerRefusedError(end.value);
    }
    if (fed.status === 'rejected') {
      throw fed.reason;
    }
    verify(packed, layer.digest);
    verify(unpacked, layer.diffId);
    return contents;
  } catch (err) {
    tar.kill('SIGKILL');
    await ended.catch(() => undefined);
    options.signal?.throwIfAborted();
    throw unpackError(layer, err);
  }
}

/** Resolves when tar has ended: with nothing when it was content, else with its complaint. */
function endOf(tar: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let stderr = '';
    tar.stderr?.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(0, 2000);
    });
    tar.once('error', (err) => reject(startError('tar', err)));
    tar.once('close', (code, signal) => {
      resolve(code === 0 ? '' : stderr.trim().split('\n')[0] || `tar ended with ${signal ?? `code ${code}`}`);
    });
  });
}

/** The plain tar inside a blob, whatever its packing: told by its first bytes, since media types are often wrong. */
async function* decompress(
  path: string,
  hash: Hash,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  const raw = createReadStream(path, { highWaterMark: 256 * 1024, ...(signal === undefined ? {} : { signal }) });
  async function* hashed(): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of raw) {
      hash.update(chunk);
      yield chunk;
    }
  }
  const source = hashed();
  const first = await source.next();
  if (first.done === true) {
    return;
  }
  const head = first.value;
  async function* all(): AsyncGenerator<Buffer, void, undefined> {
    yield head;
    yield* source;
  }
  try {
    if (head[0] === 0x1f && head[1] === 0x8b) {
      yield* through(all(), zlib.createGunzip({ chunkSize: 128 * 1024 }));
    } else if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) {
      yield* unzstd(all());
    } else {
      yield* all();
    }
  } finally {
    raw.destroy();
  }
}

async function* through(
  source: AsyncIterable<Buffer>,
  transform: NodeJS.ReadWriteStream,
): AsyncGenerator<Buffer, void, undefined> {
  const fed = pipeline(Readable.from(source, { objectMode: false }), transform);
  // Its failure also ends the reading below; it is awaited after that.
  fed.catch(() => undefined);
  yield* transform as unknown as AsyncIterable<Buffer>;
  await fed;
}

/** Node has zstd from 22.15 on; before, the program does it. */
async function* unzstd(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const create: unknown = Reflect.get(zlib, 'createZstdDecompress');
  if (typeof create === 'function') {
    yield* through(source, create() as NodeJS.ReadWriteStream);
    return;
  }
  const zstd = spawn('zstd', ['--decompress', '--stdout', '--quiet', '--memory=256MB'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = endOf(zstd);
  const fed = pipeline(Readable.from(source, { objectMode: false }), zstd.stdin);
  fed.catch(() => undefined);
  // A missing program must not count as unhandled before we get to await it.
  ended.catch(() => undefined);
  try {
    yield* zstd.stdout as AsyncIterable<Buffer>;
    const complaint = await ended;
    if (complaint !== '') {
      throw new LayerRefusedError(`zstd says: ${complaint}`);
    }
    await fed;
  } finally {
    zstd.kill('SIGKILL');
  }
}

/** Passes chunks on, hashing them and watching the room on the disk. */
async function* guarded(
  source: AsyncIterable<Buffer>,
  options: UnpackOptions & { readonly hash: Hash; readonly directory: string },
): AsyncGenerator<Buffer, void, undefined> {
  let unchecked = FREE_CHECK_BYTES;
  for await (const chunk of source) {
    options.hash.update(chunk);
    unchecked += chunk.length;
    if (unchecked >= FREE_CHECK_BYTES) {
      unchecked = 0;
      const disk = await statfs(options.directory);
      const freeBytes = disk.bavail * disk.bsize;
      if (freeBytes < options.minFreeBytes) {
        throw new ImageError('Failed', `the disk has only ${freeBytes} bytes left`);
      }
    }
    yield chunk;
  }
}

function verify(hash: Hash, expected: string): void {
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== expected) {
    throw new LayerRefusedError(`its content has the digest ${found} instead of ${expected}`);
  }
}

function isBrokenPipe(err: unknown): boolean {
  const code = err instanceof Error && 'code' in err ? err.code : undefined;
  return code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET';
}

function unpackError(layer: PackedLayer, err: unknown): ImageError {
  const message = `Cannot unpack the layer ${layer.digest}: ${errorMessage(err)}`;
  if (err instanceof ExecError) {
    return new ImageError(err.code === 'MissingTool' ? 'Unsupported' : 'Failed', message, { cause: err });
  }
  const code = err instanceof Error && 'code' in err ? String(err.code) : '';
  const invalid =
    err instanceof LayerRefusedError ||
    err instanceof TarFormatError ||
    code.startsWith('Z_') ||
    code.startsWith('ZSTD');
  const full = /No space left on device|Disk quota exceeded/.test(message);
  return new ImageError(invalid && !full ? 'InvalidImage' : 'Failed', message, { cause: err });
}
