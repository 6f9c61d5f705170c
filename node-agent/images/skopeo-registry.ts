/** Registries, spoken to by skopeo. */

import { type FSWatcher, watch } from 'node:fs';
import { access, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExecError, run } from '../../lib/exec.ts';
import { digestOf } from './blob-store.ts';
import { ImageError, type RegistryAuth } from './image-store.ts';
import {
  choosePlatform,
  type Descriptor,
  hostPlatform,
  MAX_DOCUMENT_BYTES,
  type Manifest,
  type Platform,
  parseManifestOrIndex,
  platformName,
} from './manifest.ts';
import { fullName, type ImageReference } from './reference.ts';
import type { FetchedImage, FetchOptions, ImageRegistry } from './registry.ts';
import { type Endpoint, endpointsFor, type RegistriesConfig } from './registry-config.ts';
import { classifyComplaint, skopeoComplaint } from './registry-errors.ts';

/** How to reach registries. */
export interface SkopeoRegistryOptions {
  readonly registries?: RegistriesConfig;
  /** Default is this machine's. */
  readonly platform?: Platform;
  /** A transfer that brings nothing for so long is given up. Default 300,000 (five minutes). */
  readonly stallMs?: number;
  /** Waiting for one manifest. Default 60,000. */
  readonly documentTimeoutMs?: number;
}

const DEFAULT_STALL_MS = 300_000;
const DEFAULT_DOCUMENT_TIMEOUT_MS = 60_000;

/** One endpoint with one set of credentials, for as long as a fetch takes. */
interface Session {
  readonly endpoint: Endpoint;
  readonly authFile: string;
  readonly staging: string;
  readonly signal: AbortSignal;
}

/** An {@link ImageRegistry} that runs `skopeo` for every request. */
export class SkopeoRegistry implements ImageRegistry {
  readonly #options: SkopeoRegistryOptions;
  readonly #host: Platform;

  constructor(options: SkopeoRegistryOptions = {}) {
    this.#options = options;
    this.#host = options.platform ?? hostPlatform();
  }

  async fetch(reference: ImageReference, options: FetchOptions): Promise<FetchedImage> {
    const endpoints = endpointsFor(reference, { registries: this.#options.registries ?? {}, auth: options.auth });
    const staging = await options.blobs.stage();
    try {
      let failure: unknown;
      for (const endpoint of endpoints) {
        for (const credentials of endpoint.credentials) {
          options.signal.throwIfAborted();
          const authFile = join(staging, 'auth.json');
          try {
            await writeFile(authFile, authFileFor(reference.registry, credentials), { mode: 0o600 });
            return await this.#fetchFrom(reference, { endpoint, authFile, staging, signal: options.signal }, options);
          } catch (err) {
            options.signal.throwIfAborted();
            const refused = err instanceof ImageError && err.code === 'Unauthorized';
            // Of several refusals the first tells most: it is about the credentials somebody chose.
            failure = refused && failure instanceof ImageError && failure.code === 'Unauthorized' ? failure : err;
            if (!refused) {
              break;
            }
          } finally {
            await rm(authFile, { force: true });
          }
        }
      }
      throw pullError(reference, failure);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }

  async #fetchFrom(reference: ImageReference, session: Session, options: FetchOptions): Promise<FetchedImage> {
    options.onProgress({ phase: 'downloading', layersDone: 0, layersTotal: 0 });
    const top = await this.#document(
      session,
      reference.digest === undefined ? `:${reference.tag ?? 'latest'}` : `@${reference.digest}`,
    );
    const repoDigest = digestOf(top);
    if (reference.digest !== undefined && repoDigest !== reference.digest) {
      throw new ImageError('InvalidImage', `the registry answered with the digest ${repoDigest}`);
    }
    const manifestBytes = await this.#forThisMachine(session, top);
    const manifestDigest = digestOf(manifestBytes);
    const parsed = parseManifestOrIndex(manifestBytes);
    if (parsed.kind === 'index') {
      throw new ImageError('InvalidImage', 'its index is nested in an index');
    }
    const { manifest } = parsed;
    options.pins.add(manifestDigest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest));
    if (!(await allPresent([manifest.config, ...manifest.layers], options))) {
      await this.#copy(session, { manifest, manifestDigest }, options);
    }
    // A manifest of Docker's form is converted by the copy, configuration and all; we keep what the registry has.
    await options.blobs.writeDocument(manifestBytes);
    if (!(await options.blobs.has(manifest.config.digest))) {
      const config = await this.#document(session, `@${manifestDigest}`, ['--config']);
      if (digestOf(config) !== manifest.config.digest) {
        throw new ImageError(
          'InvalidImage',
          `its configuration has the digest ${digestOf(config)} instead of ${manifest.config.digest}`,
        );
      }
      await options.blobs.writeDocument(config);
    }
    const total = manifest.layers.length;
    options.onProgress({ phase: 'downloading', layersDone: total, layersTotal: total });
    return { repoDigest, manifestDigest };
  }

  /** The manifest for this machine's platform; of a plain manifest, itself. */
  async #forThisMachine(session: Session, top: Buffer): Promise<Buffer> {
    const parsed = parseManifestOrIndex(top);
    if (parsed.kind === 'manifest') {
      return top;
    }
    const chosen = choosePlatform(parsed.manifests, this.#host);
    if (chosen === undefined) {
      const there = parsed.manifests.flatMap((each) =>
        each.platform === undefined ? [] : [platformName(each.platform)],
      );
      throw new ImageError(
        'WrongPlatform',
        `it is there for ${[...new Set(there)].join(', ')}, not for ${platformName(this.#host)}`,
      );
    }
    const bytes = await this.#document(session, `@${chosen.digest}`);
    if (digestOf(bytes) !== chosen.digest) {
      throw new ImageError(
        'InvalidImage',
        `its manifest has the digest ${digestOf(bytes)} instead of ${chosen.digest}`,
      );
    }
    return bytes;
  }

  async #document(session: Session, which: string, extra: readonly string[] = []): Promise<Buffer> {
    const args = [
      'inspect',
      '--raw',
      ...extra,
      ...sourceArgs(session, { prefix: '' }),
      `docker://${session.endpoint.repository}${which}`,
    ];
    const timeoutMs = this.#options.documentTimeoutMs ?? DEFAULT_DOCUMENT_TIMEOUT_MS;
    const result = await skopeo(args, session, { timeoutMs, maxOutputBytes: MAX_DOCUMENT_BYTES + 1 });
    if (result.truncated) {
      throw new ImageError('InvalidImage', `its manifest has more than ${MAX_DOCUMENT_BYTES} bytes`);
    }
    const bytes = Buffer.from(result.stdout, 'utf8');
    // Some versions end the document with a newline of their own, which is not in its digest.
    return which.startsWith('@') && digestOf(bytes) !== which.slice(1) && bytes.at(-1) === 0x0a && extra.length === 0
      ? bytes.subarray(0, -1)
      : bytes;
  }

  async #copy(
    session: Session,
    image: { readonly manifest: Manifest; readonly manifestDigest: string },
    options: FetchOptions,
  ): Promise<void> {
    const { layers } = image.manifest;
    const stalled = new AbortController();
    const stallMs = this.#options.stallMs ?? DEFAULT_STALL_MS;
    const stopWatching = watchTransfer(session.staging, {
      layers,
      blobsDirectory: join(options.blobs.sharedDirectory, 'sha256'),
      stallMs,
      onLayers: (layersDone) => options.onProgress({ phase: 'downloading', layersDone, layersTotal: layers.length }),
      onStall: () =>
        stalled.abort(new ImageError('Unreachable', `nothing arrived for ${Math.round(stallMs / 1000)} seconds`)),
    });
    try {
      await skopeo(
        [
          'copy',
          '--quiet',
          '--dest-shared-blob-dir',
          options.blobs.sharedDirectory,
          '--dest-oci-accept-uncompressed-layers',
          ...sourceArgs(session, { prefix: 'src-' }),
          `docker://${session.endpoint.repository}@${image.manifestDigest}`,
          `oci:${join(session.staging, 'layout')}:image`,
        ],
        { ...session, signal: AbortSignal.any([session.signal, stalled.signal]) },
        {},
      );
    } finally {
      stopWatching();
    }
  }
}

/** Counts finished layers by the names that appear among the blobs, and notices a transfer that stands still. */
function watchTransfer(
  staging: string,
  options: {
    readonly layers: readonly Descriptor[];
    readonly blobsDirectory: string;
    readonly stallMs: number;
    readonly onLayers: (done: number) => void;
    readonly onStall: () => void;
  },
): () => void {
  const wanted = new Set(options.layers.map((layer) => layer.digest.slice('sha256:'.length)));
  const done = new Set<string>();
  const watcher = watchFolder(options.blobsDirectory, (name) => {
    if (wanted.has(name) && !done.has(name)) {
      done.add(name);
      options.onLayers(done.size);
    }
  });
  let before = -1;
  const timer = setInterval(() => {
    void folderBytes(staging).then((bytes) => {
      const now = bytes + done.size;
      if (now === before) {
        options.onStall();
      }
      before = now;
    });
  }, options.stallMs);
  return () => {
    clearInterval(timer);
    watcher?.close();
  };
}

/** Progress is shown as far as it can be seen: a watch that cannot be had, or fails, is no reason to fail the pull. */
function watchFolder(folder: string, onName: (name: string) => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, (_event, name) => onName(name ?? ''));
    watcher.on('error', () => undefined);
    return watcher;
  } catch {
    return undefined;
  }
}

/** Bytes of everything in a folder; what vanishes meanwhile counts nothing. */
async function folderBytes(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch((): string[] => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (each) => each.size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function skopeo(
  args: readonly string[],
  session: Session,
  options: { readonly timeoutMs?: number; readonly maxOutputBytes?: number },
): Promise<{ readonly stdout: string; readonly truncated: boolean }> {
  try {
    // Debian has the policy in a package of its own; without the file skopeo refuses everything.
    const policy = (await exists('/etc/containers/policy.json')) ? [] : ['--insecure-policy'];
    return await run('skopeo', [...policy, ...args], {
      ...options,
      signal: session.signal,
      env: {
        PATH: process.env.PATH,
        HOME: session.staging,
        TMPDIR: session.staging,
        XDG_RUNTIME_DIR: session.staging,
        ...proxyVariables(),
      },
    });
  } catch (err) {
    if (!(err instanceof ExecError)) {
      throw err;
    }
    if (err.code === 'Timeout') {
      throw new ImageError('Unreachable', 'the registry did not answer in time', { cause: err });
    }
    if (err.code !== 'Failed') {
      throw new ImageError('Unsupported', err.message, { cause: err });
    }
    const complaint = skopeoComplaint(err.stderr);
    throw new ImageError(classifyComplaint(complaint), complaint, { cause: err });
  }
}

function sourceArgs(session: Session, options: { readonly prefix: '' | 'src-' }): string[] {
  const { endpoint } = session;
  return [
    '--authfile',
    session.authFile,
    `--${options.prefix}tls-verify=${!endpoint.insecure}`,
    ...(endpoint.certificateDirectory === undefined
      ? []
      : [`--${options.prefix}cert-dir`, endpoint.certificateDirectory]),
  ];
}

/** The content of a file of credentials for one registry. */
function authFileFor(registry: string, auth: RegistryAuth | undefined): string {
  if (auth === undefined) {
    return '{"auths":{}}';
  }
  const basic = Buffer.from(`${auth.username ?? ''}:${auth.password ?? ''}`).toString('base64');
  const entry = auth.identityToken === undefined ? { auth: basic } : { auth: basic, identitytoken: auth.identityToken };
  return JSON.stringify({ auths: { [registry]: entry } });
}

/** Where the operator has a proxy, skopeo needs to know. */
function proxyVariables(): Record<string, string> {
  const names = [
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
    'http_proxy',
    'https_proxy',
    'no_proxy',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
  ];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

async function allPresent(descriptors: readonly Descriptor[], options: FetchOptions): Promise<boolean> {
  const present = await Promise.all(descriptors.map((each) => options.blobs.has(each.digest)));
  return present.every((each) => each);
}

function pullError(reference: ImageReference, err: unknown): ImageError {
  const name = fullName(reference);
  if (!(err instanceof ImageError)) {
    return new ImageError('Failed', `Cannot pull the image ${name}: ${String(err)}`, { cause: err });
  }
  const message = {
    NotFound: `the registry ${reference.registry} does not have it (${err.message})`,
    Unauthorized: `the registry ${reference.registry} refuses access; it may be private, or not exist (${err.message})`,
    Unreachable: `the registry ${reference.registry} cannot be reached (${err.message})`,
  }[err.code as 'NotFound' | 'Unauthorized' | 'Unreachable'];
  return new ImageError(err.code, `Cannot pull the image ${name}: ${message ?? err.message}`, { cause: err });
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
