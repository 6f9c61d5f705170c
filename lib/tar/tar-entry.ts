/**
 * One tar member as a value, and its bytes: ustar headers with PAX records where ustar has no room.
 *
 * Names and link targets are *byte strings*: one character per byte (latin1), because a file name in a tar is bytes in
 * no particular encoding and must come out as it went in. Use {@link toByteString} for text.
 */

/** What kind of file an entry makes. */
export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character-device' | 'block-device' | 'fifo';

/** One member of a tar archive without its content. */
export interface TarEntry {
  readonly name: string;
  readonly type: TarEntryType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content that follow; 0 for everything but files. */
  readonly sizeBytes: number;
  /** Seconds since 1970, whole. */
  readonly mtimeSeconds: number;
  /** Target of a link; empty for others. */
  readonly linkName: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Extended attributes by name; values are raw bytes. */
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

export const TAR_BLOCK_BYTES = 512;

const TYPE_FLAGS: Readonly<Record<TarEntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};

const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;

/** Text as the byte string of its UTF-8 form. */
export function toByteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Zero bytes that fill content of this size up to a whole block. */
export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc((TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES);
}

/** The two empty blocks that end an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * TAR_BLOCK_BYTES);
}

/** An entry with the usual values for what is not given. */
export function tarEntry(entry: Pick<TarEntry, 'name' | 'type'> & Partial<TarEntry>): TarEntry {
  return {
    mode: entry.type === 'directory' ? 0o755 : entry.type === 'symlink' ? 0o777 : 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    mtimeSeconds: 0,
    linkName: '',
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: new Map(),
    ...entry,
  };
}

/** The header blocks of an entry: a PAX header first when something does not fit into ustar's fields. */
export function encodeTarHeader(entry: TarEntry): Buffer {
  const name = entry.type === 'directory' && !entry.name.endsWith('/') ? `${entry.name}/` : entry.name;
  const records: Buffer[] = [];
  const split = splitName(name);
  if (split === undefined) {
    records.push(paxRecord('path', Buffer.from(name, 'latin1')));
  }
  if (entry.linkName.length > 100) {
    records.push(paxRecord('linkpath', Buffer.from(entry.linkName, 'latin1')));
  }
  if (entry.sizeBytes > MAX_OCTAL_11) {
    records.push(paxRecord('size', Buffer.from(String(entry.sizeBytes))));
  }
  if (entry.uid > MAX_OCTAL_7) {
    records.push(paxRecord('uid', Buffer.from(String(entry.uid))));
  }
  if (entry.gid > MAX_OCTAL_7) {
    records.push(paxRecord('gid', Buffer.from(String(entry.gid))));
  }
  if (entry.mtimeSeconds < 0 || entry.mtimeSeconds > MAX_OCTAL_11) {
    records.push(paxRecord('mtime', Buffer.from(String(entry.mtimeSeconds))));
  }
  for (const [key, value] of [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    records.push(paxRecord(`SCHILY.xattr.${key}`, value));
  }
  const fields = split ?? { prefix: '', name: name.slice(0, 100) };
  const header = ustarBlock({ ...entry, ...fields, typeFlag: TYPE_FLAGS[entry.type] });
  if (records.length === 0) {
    return header;
  }
  const pax = Buffer.concat(records);
  const paxHeader = ustarBlock({
    ...tarEntry({ name: '', type: 'file', sizeBytes: pax.length }),
    prefix: '',
    name: 'PaxHeader',
    typeFlag: 'x',
  });
  return Buffer.concat([paxHeader, pax, tarPadding(pax.length), header]);
}

/** `<length> key=value\n`, where length counts itself. */
function paxRecord(key: string, value: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`, 'latin1'), value, Buffer.from('\n')]);
  let length = body.length + 1;
  while (length !== body.length + String(length).length) {
    length = body.length + String(length).length;
  }
  return Buffer.concat([Buffer.from(String(length)), body]);
}

/** Where a name is cut so that 155 bytes of prefix and 100 of name hold it; undefined when they cannot. */
function splitName(name: string): { readonly prefix: string; readonly name: string } | undefined {
  if (name.length <= 100) {
    return { prefix: '', name };
  }
  const cut = name.indexOf('/', name.length - 101);
  if (cut <= 0 || cut > 155 || cut === name.length - 1) {
    return undefined;
  }
  return { prefix: name.slice(0, cut), name: name.slice(cut + 1) };
}

function ustarBlock(fields: TarEntry & { readonly prefix: string; readonly typeFlag: string }): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write(fields.name, 0, 100, 'latin1');
  block.write(octal(fields.mode & 0o7777, 7), 100, 'latin1');
  block.write(octal(Math.min(fields.uid, MAX_OCTAL_7), 7), 108, 'latin1');
  block.write(octal(Math.min(fields.gid, MAX_OCTAL_7), 7), 116, 'latin1');
  block.write(octal(fields.sizeBytes > MAX_OCTAL_11 ? 0 : fields.sizeBytes, 11), 124, 'latin1');
  block.write(octal(Math.min(Math.max(fields.mtimeSeconds, 0), MAX_OCTAL_11), 11), 136, 'latin1');
  block.write(' '.repeat(8), 148, 'latin1');
  block.write(fields.typeFlag, 156, 'latin1');
  block.write(fields.linkName.slice(0, 100), 157, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  block.write(octal(fields.deviceMajor, 7), 329, 'latin1');
  block.write(octal(fields.deviceMinor, 7), 337, 'latin1');
  block.write(fields.prefix, 345, 155, 'latin1');
  let sum = 0;
  for (const byte of block) {
    sum += byte;
  }
  block.write(`${octal(sum, 6)}\u0000 `, 148, 'latin1');
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
