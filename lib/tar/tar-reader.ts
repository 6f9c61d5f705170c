/** Reading tar archives of any origin: ustar, GNU and PAX, in one pass, with bounded memory. */

import { TAR_BLOCK_BYTES, type TarEntry, type TarEntryType } from './tar-entry.ts';

/** An entry together with its content, which must be read, or left, before the next entry is asked for. */
export interface TarMember {
  readonly entry: TarEntry;
  /** The content; can be read once. What is left unread is skipped. */
  readonly body: AsyncIterable<Buffer>;
}

/** An archive that is damaged or uses a form this reader does not know. */
export class TarFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TarFormatError';
  }
}

/** Extended headers (names, attributes) of more bytes than this are refused: they are held in memory. */
const MAX_EXTENDED_BYTES = 1024 * 1024;

const TYPES: Readonly<Record<string, TarEntryType>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
};

/**
 * The members of a tar archive in order. Ends at the end mark or at the end of the bytes; what follows the end mark is
 * not read. Throws {@link TarFormatError} for damage, for sparse files and for unknown entry types.
 */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarMember, void, undefined> {
  const bytes = new ByteReader(source);
  const globals = new Map<string, Buffer>();
  let extended = new Map<string, Buffer>();
  while (true) {
    const block = await bytes.take(TAR_BLOCK_BYTES, { mayEnd: true });
    if (block === undefined || isZero(block)) {
      return;
    }
    const header = parseBlock(block);
    if ('xgLK'.includes(header.flag)) {
      const content = await readExtended(bytes, header);
      if (header.flag === 'x') {
        extended = new Map([...extended, ...parsePax(content)]);
      } else if (header.flag === 'g') {
        for (const [key, value] of parsePax(content)) {
          globals.set(key, value);
        }
      } else {
        extended.set(header.flag === 'L' ? 'path' : 'linkpath', untilNul(content));
      }
      continue;
    }
    const entry = toEntry(header, new Map([...globals, ...extended]));
    extended = new Map();
    const content = new Content(bytes, entry.sizeBytes);
    yield { entry, body: content };
    await content.skipRest();
  }
}

/** A reader that hands out exactly as many bytes as asked from chunks of any size. */
class ByteReader {
  private readonly iterator: AsyncIterator<Buffer>;
  private chunk: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.iterator = source[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `maxBytes`; undefined at the end. */
  async some(maxBytes: number): Promise<Buffer | undefined> {
    while (this.chunk.length === 0) {
      const next = await this.iterator.next();
      if (next.done === true) {
        return undefined;
      }
      this.chunk = next.value;
    }
    const part = this.chunk.subarray(0, maxBytes);
    this.chunk = this.chunk.subarray(part.length);
    return part;
  }

  /** Exactly `count` bytes; undefined only at the very end and only with `mayEnd`. */
  async take(count: number, options: { readonly mayEnd: boolean }): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let missing = count;
    while (missing > 0) {
      const part = await this.some(missing);
      if (part === undefined) {
        if (options.mayEnd && missing === count) {
          return undefined;
        }
        throw new TarFormatError('the archive ends in the middle of an entry');
      }
      parts.push(part);
      missing -= part.length;
    }
    const [first] = parts;
    return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
  }
}

class Content implements AsyncIterable<Buffer> {
  private readonly bytes: ByteReader;
  private left: number;
  private padding: number;

  constructor(bytes: ByteReader, sizeBytes: number) {
    this.bytes = bytes;
    this.left = sizeBytes;
    this.padding = (TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    while (this.left > 0) {
      const part = await this.bytes.some(this.left);
      if (part === undefined) {
        throw new TarFormatError('the archive ends in the middle of a file');
      }
      this.left -= part.length;
      yield part;
    }
  }

  async skipRest(): Promise<void> {
    for await (const _ of this) {
      // Only the position matters.
    }
    if (this.padding > 0) {
      await this.bytes.take(this.padding, { mayEnd: false });
      this.padding = 0;
    }
  }
}

interface RawHeader {
  readonly flag: string;
  readonly name: string;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

function parseBlock(block: Buffer): RawHeader {
  let sum = 8 * 32;
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) {
    sum += i >= 148 && i < 156 ? 0 : (block[i] ?? 0);
  }
  if (sum !== number(block, 148, 8)) {
    throw new TarFormatError('a header has a wrong checksum: this is not a tar archive, or it is damaged');
  }
  const magic = block.toString('latin1', 257, 263);
  const prefix = magic === 'ustar\0' ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  const device = magic.startsWith('ustar');
  return {
    flag: String.fromCharCode(block[156] ?? 0),
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: text(block, 157, 100),
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    sizeBytes: number(block, 124, 12),
    mtimeSeconds: number(block, 136, 12),
    deviceMajor: device ? number(block, 329, 8) : 0,
    deviceMinor: device ? number(block, 337, 8) : 0,
  };
}

function toEntry(header: RawHeader, pax: ReadonlyMap<string, Buffer>): TarEntry {
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of pax) {
    if (key.startsWith('SCHILY.xattr.')) {
      xattrs.set(key.slice('SCHILY.xattr.'.length), value);
    } else if (key.startsWith('GNU.sparse.')) {
      throw new TarFormatError('sparse files are not supported');
    }
  }
  const name = pax.get('path')?.toString('latin1') ?? header.name;
  const known = TYPES[header.flag];
  if (known === undefined) {
    throw new TarFormatError(`entry ${printable(name)} has the unknown type ${printable(header.flag)}`);
  }
  // Before ustar, a directory was a file whose name ends in a slash.
  const type = known === 'file' && name.endsWith('/') ? 'directory' : known;
  const sizeBytes = decimal(pax, 'size') ?? header.sizeBytes;
  return {
    name,
    type,
    mode: header.mode,
    uid: decimal(pax, 'uid') ?? header.uid,
    gid: decimal(pax, 'gid') ?? header.gid,
    // Some writers repeat the target's size on a hard link although no content follows.
    sizeBytes: type === 'file' ? sizeBytes : 0,
    mtimeSeconds: decimal(pax, 'mtime') ?? header.mtimeSeconds,
    linkName: pax.get('linkpath')?.toString('latin1') ?? header.linkName,
    deviceMajor: header.deviceMajor,
    deviceMinor: header.deviceMinor,
    xattrs,
  };
}

async function readExtended(bytes: ByteReader, header: RawHeader): Promise<Buffer> {
  if (header.sizeBytes > MAX_EXTENDED_BYTES) {
    throw new TarFormatError(
      `an extended header of ${header.sizeBytes} bytes is over the limit of ${MAX_EXTENDED_BYTES}`,
    );
  }
  if (header.sizeBytes === 0) {
    return Buffer.alloc(0);
  }
  const padded = Math.ceil(header.sizeBytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
  const content = await bytes.take(padded, { mayEnd: false });
  return (content ?? Buffer.alloc(0)).subarray(0, header.sizeBytes);
}

/** `<length> key=value\n` records. Values are bytes: an attribute may hold anything. */
function parsePax(content: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  let at = 0;
  while (at < content.length) {
    const space = content.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(content.toString('latin1', at, space));
    const end = at + length;
    const equals = content.indexOf(0x3d, space);
    if (
      !Number.isSafeInteger(length) ||
      end > content.length ||
      equals < 0 ||
      equals >= end ||
      content[end - 1] !== 0x0a
    ) {
      throw new TarFormatError('an extended header cannot be read');
    }
    records.set(content.toString('latin1', space + 1, equals), Buffer.from(content.subarray(equals + 1, end - 1)));
    at = end;
  }
  return records;
}

function decimal(pax: ReadonlyMap<string, Buffer>, key: string): number | undefined {
  const value = pax.get(key)?.toString('latin1');
  if (value === undefined || value === '') {
    return undefined;
  }
  if (!/^-?\d+(\.\d*)?$/.test(value)) {
    throw new TarFormatError(`an extended header has the ${key} ${printable(value)}`);
  }
  const parsed = Math.floor(Number(value));
  if (!Number.isSafeInteger(parsed) || (parsed < 0 && key !== 'mtime')) {
    throw new TarFormatError(`an extended header has the ${key} ${printable(value)}`);
  }
  return parsed;
}

/** A numeric field: octal text, or base 256 when the first bit is set. */
function number(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if ((first & 0x80) !== 0) {
    const negative = (first & 0x40) !== 0;
    let value = negative ? (first & 0x3f) - 0x40 : first & 0x3f;
    for (let i = offset + 1; i < offset + length; i++) {
      value = value * 256 + (block[i] ?? 0);
    }
    if (!Number.isSafeInteger(value) || (value < 0 && offset !== 136)) {
      throw new TarFormatError('a header has a number out of range');
    }
    return value;
  }
  const digits = text(block, offset, length).trim();
  if (digits === '') {
    return 0;
  }
  if (!/^[0-7]+$/.test(digits)) {
    throw new TarFormatError('a header has a number that is not octal');
  }
  return Number.parseInt(digits, 8);
}

function text(block: Buffer, offset: number, length: number): string {
  return untilNul(block.subarray(offset, offset + length)).toString('latin1');
}

function untilNul(bytes: Buffer): Buffer {
  const nul = bytes.indexOf(0);
  return Buffer.from(nul < 0 ? bytes : bytes.subarray(0, nul));
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function printable(value: string): string {
  return JSON.stringify(Buffer.from(value.slice(0, 200), 'latin1').toString('utf8'));
}
