/**
 * From an image layer to a tar that GNU tar can unpack into an overlayfs layer.
 *
 * A layer is written by strangers. What comes out of here names only paths inside the folder: no absolute name, no `..`,
 * no path through a symbolic link (links inside the layer are followed here, as a container with the layer as its root
 * would follow them). Symbolic links come last, so that none exists while anything else is written. Deletions become what overlayfs understands: a character device 0:0 hides a file below, the
 * attribute `trusted.overlay.opaque` hides a folder's content below.
 */

import { encodeTarHeader, type TarEntry, tarEnd, tarEntry, tarPadding } from '../../lib/tar/tar-entry.ts';
import { readTar } from '../../lib/tar/tar-reader.ts';
import type { FolderAttributes } from './layers-below.ts';

/** How much one layer may unpack to. */
export interface LayerLimits {
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** What a layer held. */
export interface LayerContents {
  entries: number;
  bytes: number;
  /** Device nodes left out: all but the harmless ones every container has anyway. */
  skippedDevices: number;
}

/** A layer that is refused. The message completes "Cannot unpack …: ". */
export class LayerRefusedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LayerRefusedError';
  }
}

const WHITEOUT_PREFIX = '.wh.';
const OPAQUE_MARK = '.wh..wh..opq';
const OPAQUE_XATTR: readonly [string, Buffer] = ['trusted.overlay.opaque', Buffer.from('y')];
const MAX_LINKS_FOLLOWED = 40;
const MAX_PATH_BYTES = 4096;

/** null, zero, full, random, urandom, tty, ptmx. */
const HARMLESS_DEVICES: ReadonlySet<string> = new Set(['1:3', '1:5', '1:7', '1:8', '1:9', '5:0', '5:2']);

/**
 * Rewrites an uncompressed layer. `contents` is filled on the way; `below` tells what folder a layer below has at a path,
 * for those the layer uses without bringing them (root's, 0755, where nobody knows). Throws {@link LayerRefusedError} for what cannot be
 * confined or is over the limits, and the reader's TarFormatError for damage.
 */
export async function* rewriteLayer(
  source: AsyncIterable<Buffer>,
  options: {
    readonly limits: LayerLimits;
    readonly contents: LayerContents;
    readonly below?: (path: string) => FolderAttributes | undefined;
  },
): AsyncGenerator<Buffer, void, undefined> {
  const tree = new LayerTree(options.below ?? (() => undefined));
  const { limits, contents } = options;
  for await (const { entry, body } of readTar(source)) {
    contents.entries += 1;
    contents.bytes += entry.sizeBytes;
    if (contents.entries > limits.maxEntries) {
      throw new LayerRefusedError(`it has more than ${limits.maxEntries} entries`);
    }
    if (contents.bytes > limits.maxBytes) {
      throw new LayerRefusedError(`it unpacks to more than ${limits.maxBytes} bytes`);
    }
    const isDevice = entry.type === 'character-device' || entry.type === 'block-device';
    if (isDevice && !isHarmless(entry)) {
      contents.skippedDevices += 1;
      continue;
    }
    for (const rewritten of tree.place(entry)) {
      yield encodeTarHeader(rewritten);
      if (rewritten.sizeBytes > 0) {
        yield* body;
        yield tarPadding(rewritten.sizeBytes);
      }
    }
  }
  for (const link of tree.symbolicLinks()) {
    yield encodeTarHeader(link);
  }
  yield tarEnd();
}

/** What a layer has made so far, as far as later entries depend on it. Paths are relative, without a trailing slash; the root is ''. */
class LayerTree {
  private readonly links = new Map<string, TarEntry>();
  private readonly directories = new Map<string, TarEntry>([['', tarEntry({ name: '.', type: 'directory' })]]);
  private readonly opaque = new Set<string>();
  private readonly below: (path: string) => FolderAttributes | undefined;

  constructor(below: (path: string) => FolderAttributes | undefined) {
    this.below = below;
  }

  /** The entries to write in place of one of the layer's. */
  *place(entry: TarEntry): Generator<TarEntry, void, undefined> {
    const parts = splitPath(entry.name);
    const base = parts.pop();
    if (base === undefined) {
      if (entry.type !== 'directory') {
        throw new LayerRefusedError('its root is not a directory');
      }
      yield this.directory('', entry);
      return;
    }
    const parent = this.follow(parts, entry.name);
    yield* this.missingParents(parent);
    const path = join(parent, base);
    if (base === OPAQUE_MARK) {
      yield this.markOpaque(parent);
    } else if (base.startsWith(`${WHITEOUT_PREFIX}${WHITEOUT_PREFIX}`)) {
      // Bookkeeping of an older union filesystem; means nothing here.
    } else if (base.startsWith(WHITEOUT_PREFIX)) {
      yield this.whiteout(parent, base.slice(WHITEOUT_PREFIX.length));
    } else if (entry.type === 'directory') {
      this.links.delete(path);
      yield this.directory(path, entry);
    } else {
      this.links.delete(path);
      this.directories.delete(path);
      yield* this.leaf(path, entry);
    }
  }

  /** The layer's symbolic links, to be written at the end. */
  symbolicLinks(): Iterable<TarEntry> {
    return this.links.values();
  }

  private *leaf(path: string, entry: TarEntry): Generator<TarEntry, void, undefined> {
    const placed: TarEntry = { ...entry, name: path, xattrs: keptXattrs(entry.xattrs) };
    if (entry.type === 'symlink') {
      if (entry.linkName === '' || entry.linkName.length >= MAX_PATH_BYTES || entry.linkName.includes('\0')) {
        throw new LayerRefusedError(`the symbolic link ${shown(entry.name)} has an impossible target`);
      }
      this.links.set(path, placed);
    } else if (entry.type === 'hardlink') {
      const target = splitPath(entry.linkName);
      const base = target.pop();
      if (base === undefined) {
        throw new LayerRefusedError(`${shown(entry.name)} is a hard link to the root`);
      }
      const linkName = join(this.follow(target, entry.linkName), base);
      const linked = this.links.get(linkName);
      if (linked === undefined) {
        yield { ...placed, linkName };
      } else {
        // One more name of a symbolic link is as good as one more link.
        this.links.set(path, { ...linked, name: path });
      }
    } else {
      yield placed;
    }
  }

  private directory(path: string, entry: TarEntry): TarEntry {
    const kept = keptXattrs(entry.xattrs);
    const xattrs = this.opaque.has(path) ? new Map([...kept, OPAQUE_XATTR]) : kept;
    const placed: TarEntry = { ...entry, name: path === '' ? '.' : path, type: 'directory', sizeBytes: 0, xattrs };
    this.directories.set(path, placed);
    return placed;
  }

  /** The attribute goes with the folder's own entry; when that was written already it is written once more. */
  private markOpaque(path: string): TarEntry {
    this.opaque.add(path);
    return this.directory(path, this.directories.get(path) ?? tarEntry({ name: path, type: 'directory' }));
  }

  private whiteout(parent: string, name: string): TarEntry {
    if (name === '' || name === '.' || name === '..') {
      throw new LayerRefusedError(`it deletes ${shown(name)} in ${shown(parent)}`);
    }
    const path = join(parent, name);
    if (this.directories.has(path)) {
      // The layer brings this folder itself: what is hidden is the one below.
      return this.markOpaque(path);
    }
    this.links.delete(path);
    return tarEntry({ name: path, type: 'character-device', mode: 0 });
  }

  private *missingParents(parent: string): Generator<TarEntry, void, undefined> {
    const missing: string[] = [];
    for (let path = parent; !this.directories.has(path); path = dirname(path)) {
      missing.push(path);
    }
    for (const path of missing.reverse()) {
      yield this.directory(path, tarEntry({ name: path, type: 'directory', ...this.below(path) }));
    }
  }

  /** The folder these parts lead to when the layer's own links are followed with its root as `/`. */
  private follow(parts: readonly string[], name: string): string {
    const todo = [...parts];
    const done: string[] = [];
    let followed = 0;
    for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
      if (part === '..') {
        done.pop();
        continue;
      }
      const path = join(done.join('/'), part);
      const target = this.links.get(path)?.linkName;
      if (target === undefined) {
        done.push(part);
        continue;
      }
      followed += 1;
      if (followed > MAX_LINKS_FOLLOWED) {
        throw new LayerRefusedError(`${shown(name)} goes through too many symbolic links`);
      }
      if (target.startsWith('/')) {
        done.length = 0;
      }
      todo.unshift(...target.split('/').filter((step) => step !== '' && step !== '.'));
      if (todo.length > MAX_PATH_BYTES) {
        throw new LayerRefusedError(`${shown(name)} goes through too many symbolic links`);
      }
    }
    return done.join('/');
  }
}

function splitPath(name: string): string[] {
  if (name.includes('\0') || name.length >= MAX_PATH_BYTES) {
    throw new LayerRefusedError(`${shown(name)} is an impossible path`);
  }
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    throw new LayerRefusedError(`${shown(name)} leads out of the image`);
  }
  return parts;
}

/**
 * File capabilities and the user's own attributes. Everything else would steer the overlay filesystem (`trusted.overlay.*`,
 * `user.overlay.*`) or belongs to the machine the image was made on.
 */
function keptXattrs(xattrs: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  return new Map(
    [...xattrs].filter(
      ([name]) => name === 'security.capability' || (name.startsWith('user.') && !name.startsWith('user.overlay.')),
    ),
  );
}

function isHarmless(entry: TarEntry): boolean {
  return entry.type === 'character-device' && HARMLESS_DEVICES.has(`${entry.deviceMajor}:${entry.deviceMinor}`);
}

function join(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`;
}

function dirname(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

function shown(name: string): string {
  return JSON.stringify(Buffer.from(name.slice(0, 200), 'latin1').toString('utf8'));
}
