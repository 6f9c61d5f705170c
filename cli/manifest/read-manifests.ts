import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type Manifest, manifestsOf } from './manifest.ts';
import { ManifestError, type ManifestProblem } from './manifest-error.ts';
import { parseYamlDocument } from './parse-document.ts';
import { SourceText } from './source-text.ts';
import { splitDocuments } from './split-documents.ts';

/** How to find the files. */
export interface ReadManifestsOptions {
  /** Look into folders of folders too. */
  readonly recursive?: boolean;
  /** What `-` reads. */
  readonly stdin: Readable;
  /** Told of what is strange but means something, such as a key that is there twice. */
  readonly warn: (problem: ManifestProblem) => void;
  readonly signal?: AbortSignal;
}

/** The most one file may hold; each document in it may hold 3 MiB. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

const EXTENSIONS = ['.yaml', '.yml', '.json'];

/**
 * Reads every object of the named files, folders (files ending in .yaml, .yml and .json, by name), http(s) addresses and `-`
 * for standard input, in order. Throws one {@link ManifestError} with every problem found in any of them, or when there is
 * not one object in a file that was named.
 */
export async function readManifests(names: readonly string[], options: ReadManifestsOptions): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  const problems: ManifestProblem[] = [];
  for (const name of names) {
    let found = 0;
    for (const source of await openSources(name, options)) {
      try {
        const objects = parseManifests(await source(), options.warn);
        found += objects.length;
        manifests.push(...objects);
      } catch (err) {
        if (!(err instanceof ManifestError)) throw err;
        problems.push(...err.problems);
        found++;
      }
    }
    if (found === 0) problems.push({ file: name === '-' ? 'STDIN' : name, message: 'there are no objects in it' });
  }
  if (problems.length > 0) throw new ManifestError(problems);
  return manifests;
}

/** The objects of one text of YAML documents or JSON. Throws a {@link ManifestError} with every document's problems. */
export function parseManifests(source: SourceText, warn: (problem: ManifestProblem) => void): Manifest[] {
  const manifests: Manifest[] = [];
  const problems: ManifestProblem[] = [];
  for (const span of splitDocuments(source.text)) {
    try {
      const document = parseYamlDocument(source, span);
      for (const warning of document.warnings) warn(warning);
      // A document of only `~` or comments after its marker says nothing.
      if (document.value !== null) manifests.push(...manifestsOf(document));
    } catch (err) {
      if (!(err instanceof ManifestError)) throw err;
      problems.push(...err.problems);
    }
  }
  if (problems.length > 0) throw new ManifestError(problems);
  return manifests;
}

type OpenSource = () => Promise<SourceText>;

async function openSources(name: string, options: ReadManifestsOptions): Promise<OpenSource[]> {
  if (name === '-') return [async () => decode('STDIN', await readStream(options.stdin))];
  if (/^https?:\/\//.test(name)) return [async () => decode(name, await download(name, options.signal))];
  if (!(await statOf(name)).isDirectory()) return [() => openFile(name)];
  const files = await filesIn(name, options.recursive === true);
  return files.map((file) => () => openFile(file));
}

async function filesIn(folder: string, recursive: boolean): Promise<string[]> {
  const files: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (recursive) files.push(...(await filesIn(path, true)));
    } else if (EXTENSIONS.some((extension) => entry.name.endsWith(extension)) && (await statOf(path)).isFile()) {
      files.push(path);
    }
  }
  return files;
}

async function openFile(path: string): Promise<SourceText> {
  const { size } = await statOf(path);
  if (size > MAX_FILE_BYTES) throw new ManifestError([tooLarge(path)]);
  try {
    return decode(path, await readFile(path));
  } catch (err) {
    if (err instanceof ManifestError) throw err;
    throw unreadable(path, err);
  }
}

async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>>> {
  try {
    return await stat(path);
  } catch (err) {
    throw unreadable(path, err);
  }
}

function unreadable(path: string, err: unknown): ManifestError {
  const code = err instanceof Error && 'code' in err ? err.code : undefined;
  const because =
    code === 'ENOENT'
      ? 'there is no such file or folder'
      : code === 'EACCES'
        ? 'reading it is not permitted'
        : err instanceof Error
          ? err.message
          : String(err);
  return new ManifestError([{ file: path, message: because }], { cause: err });
}

function tooLarge(name: string): ManifestProblem {
  return { file: name, message: 'the file is larger than 32 MiB' };
}

async function readStream(stream: Readable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array | string>) {
    const part = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    bytes += part.length;
    if (bytes > MAX_FILE_BYTES) throw new ManifestError([tooLarge('STDIN')]);
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

async function download(address: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const deadline = AbortSignal.timeout(30_000);
  try {
    const reply = await fetch(address, {
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    });
    if (!reply.ok) throw new Error(`the server answered ${reply.status} ${reply.statusText}`);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of reply.body ?? []) {
      bytes += chunk.length;
      if (bytes > MAX_FILE_BYTES) throw new ManifestError([tooLarge(address)]);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (err) {
    if (err instanceof ManifestError) throw err;
    const because = err instanceof Error ? (err.cause instanceof Error ? err.cause.message : err.message) : String(err);
    throw new ManifestError([{ file: address, message: `it cannot be fetched: ${because}` }], { cause: err });
  }
}

/** Text of a file's bytes: UTF-8 with or without its mark, or UTF-16 with its mark. */
function decode(name: string, bytes: Uint8Array): SourceText {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    const nul = text.indexOf('\0');
    if (nul === -1) return new SourceText(name, text);
  } catch (err) {
    throw new ManifestError([{ file: name, message: 'it is not text in UTF-8' }], { cause: err });
  }
  throw new ManifestError([{ file: name, message: 'it is not text: it holds a NUL byte' }]);
}
