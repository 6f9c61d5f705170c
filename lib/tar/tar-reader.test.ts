import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { buildRawTar } from '../oci-image-writer.ts';
import { encodeTarHeader, type TarEntry, tarEnd, tarEntry } from './tar-entry.ts';
import { readTar, TarFormatError } from './tar-reader.ts';

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
  }
}

async function readAll(bytes: Buffer, chunk = 4096): Promise<{ entry: TarEntry; content: string }[]> {
  const members: { entry: TarEntry; content: string }[] = [];
  for await (const { entry, body } of readTar(inChunks(bytes, chunk))) {
    const parts: Buffer[] = [];
    for await (const part of body) {
      parts.push(Buffer.from(part));
    }
    members.push({ entry, content: Buffer.concat(parts).toString('latin1') });
  }
  return members;
}

describe('a tar entry', () => {
  const cases: readonly [string, TarEntry][] = [
    [
      'a plain file',
      tarEntry({ name: 'etc/passwd', type: 'file', mode: 0o4755, uid: 7, gid: 8, mtimeSeconds: 1_600_000_000 }),
    ],
    ['a name of 101 bytes', tarEntry({ name: `d/${'n'.repeat(99)}`, type: 'file' })],
    ['a name of 3000 bytes', tarEntry({ name: 'n'.repeat(3000), type: 'file' })],
    ['a deep name', tarEntry({ name: `${'directory/'.repeat(30)}file`, type: 'file' })],
    ['a directory', tarEntry({ name: 'var/', type: 'directory', mode: 0o1777 })],
    ['a long link', tarEntry({ name: 'l', type: 'symlink', linkName: 't'.repeat(400) })],
    ['a hard link', tarEntry({ name: 'l', type: 'hardlink', linkName: 'etc/passwd' })],
    ['a device', tarEntry({ name: 'null', type: 'character-device', deviceMajor: 1, deviceMinor: 3 })],
    ['a fifo', tarEntry({ name: 'p', type: 'fifo' })],
    ['ids beyond octal', tarEntry({ name: 'f', type: 'file', uid: 4_000_000_000, gid: 3_000_000_000 })],
    ['a time before 1970', tarEntry({ name: 'f', type: 'file', mtimeSeconds: -5 })],
    ['bytes that are no text', tarEntry({ name: '\xff\xfe', type: 'file' })],
    [
      'attributes with any bytes',
      tarEntry({
        name: 'f',
        type: 'file',
        xattrs: new Map([['security.capability', Buffer.from([0, 1, 0x80, 0xff, 0x0a, 0x3d])]]),
      }),
    ],
  ];

  it.each(cases)('comes back as it was: %s', async (_name, entry) => {
    const bytes = Buffer.concat([encodeTarHeader(entry), tarEnd()]);
    expect((await readAll(bytes)).map((member) => member.entry)).toEqual([entry]);
  });

  it('is read the same in chunks of every awkward size', async () => {
    const bytes = buildRawTar([
      { name: 'a', type: 'file', content: 'x'.repeat(700) },
      { name: 'n'.repeat(300), type: 'file', content: 'second' },
    ]);
    const whole = await readAll(bytes, bytes.length);
    for (const size of [1, 7, 511, 512, 513, 1000]) {
      expect(await readAll(bytes, size)).toEqual(whole);
    }
  });

  it('is skipped when its content is left unread', async () => {
    const names: string[] = [];
    const bytes = buildRawTar([
      { name: 'a', type: 'file', content: 'x'.repeat(5000) },
      { name: 'b', type: 'file' },
    ]);
    for await (const { entry } of readTar(inChunks(bytes, 100))) {
      names.push(entry.name);
    }
    expect(names).toEqual(['a', 'b']);
  });

  it.each(['gnu', 'pax', 'ustar'])('is read from GNU tar in %s format', async (format) => {
    const bytes = execFileSync('tar', [
      `--format=${format}`,
      '--numeric-owner',
      '-C',
      '/etc',
      '-c',
      'hostname',
      'passwd',
    ]);
    const members = await readAll(bytes);
    expect(members.map((member) => member.entry.name)).toEqual(['hostname', 'passwd']);
    expect(members[1]?.content).toContain('root:x:0:0');
  });
});

describe('a damaged archive', () => {
  const good = buildRawTar([{ name: 'a', type: 'file', content: 'x'.repeat(700) }]);
  const badSum = Buffer.from(good);
  badSum.write('b', 0);
  const unknownType = Buffer.from(encodeTarHeader(tarEntry({ name: 'a', type: 'file' })));
  unknownType.write('Z', 156);
  unknownType.write(
    `${unknownType
      .reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 32 : byte), 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );

  it.each([
    ['cut in a file', good.subarray(0, 700), 'middle of a file'],
    ['cut in a header', good.subarray(0, 100), 'middle of an entry'],
    ['a wrong checksum', badSum, 'checksum'],
    ['text instead of tar', Buffer.alloc(1024, 'hello'), 'octal'],
    ['an unknown type', unknownType, 'unknown type "Z"'],
  ])('is refused: %s', async (_name, bytes, message) => {
    await expect(readAll(Buffer.from(bytes))).rejects.toThrow(message);
    await expect(readAll(Buffer.from(bytes))).rejects.toBeInstanceOf(TarFormatError);
  });

  it('is refused when a header claims gigabytes of attributes, without reading them', async () => {
    const header = Buffer.from(encodeTarHeader(tarEntry({ name: 'x', type: 'file', sizeBytes: 2 * 1024 ** 3 })));
    header.write('x', 156);
    header.write(
      `${header
        .reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 32 : byte), 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    await expect(readAll(header)).rejects.toThrow('over the limit');
  });
});
