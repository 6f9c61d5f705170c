import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { corev1 } from '../../proto/index.ts';
import type { PodConfig } from '../pods/pod-config.ts';
import { writeFilesAtomically } from './atomic-files.ts';
import { configMapFiles } from './object-files.ts';
import { openBelow } from './sub-path.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skiff-volumes-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const files = (entries: Record<string, string>, mode = 0o644) =>
  new Map(Object.entries(entries).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));

describe('files exchanged all at once', () => {
  const volume = (): string => join(dir, 'v');

  test('appear under links to one folder, with their modes', async () => {
    expect(await writeFilesAtomically(volume(), files({ a: '1', 'd/e/f': '2' }, 0o400), undefined)).toBe(true);
    expect(readFileSync(join(volume(), 'a'), 'utf8')).toBe('1');
    expect(readFileSync(join(volume(), 'd/e/f'), 'utf8')).toBe('2');
    expect(readlinkSync(join(volume(), 'a'))).toBe('..data/a');
    expect(readlinkSync(join(volume(), 'd'))).toBe('..data/d');
    expect(statSync(join(volume(), 'a')).mode & 0o777).toBe(0o400);
  });

  test('are left alone when they are the same', async () => {
    await writeFilesAtomically(volume(), files({ a: '1' }), undefined);
    const before = readlinkSync(join(volume(), '..data'));
    expect(await writeFilesAtomically(volume(), files({ a: '1' }), undefined)).toBe(false);
    expect(readlinkSync(join(volume(), '..data'))).toBe(before);
  });

  test('change together; what is gone goes, and no old folder stays', async () => {
    await writeFilesAtomically(volume(), files({ a: '1', b: '1' }), undefined);
    expect(await writeFilesAtomically(volume(), files({ a: '2', c: '2' }), undefined)).toBe(true);
    expect(
      readdirSync(volume())
        .filter((name) => !name.startsWith('..'))
        .sort(),
    ).toEqual(['a', 'c']);
    expect(readFileSync(join(volume(), 'a'), 'utf8')).toBe('2');
    expect(readdirSync(volume()).filter((name) => name.startsWith('..')).length).toBe(2);
  });

  test.each(['/etc/passwd', '../x', 'a/../../x', '..data', '..x/y', 'a//b', './a', '', 'a\0b'])(
    'the path %j is refused',
    async (path) => {
      await expect(writeFilesAtomically(volume(), files({ [path]: 'x' }), undefined)).rejects.toThrow(
        'must be relative',
      );
    },
  );
});

describe('the files of a ConfigMap', () => {
  const config: PodConfig = {
    configMaps: new Map<string, corev1.ConfigMap>([
      ['m', { data: { a: '1', b: '2' }, binaryData: { bin: Buffer.from([0, 255]) } }],
    ]),
    secrets: new Map(),
  };
  const of = (items: { key: string; path: string; mode?: number }[], optional = false) =>
    configMapFiles('m', config, { items, optional, mode: 0o644 });

  test('are all its keys', () => {
    expect([...of([]).keys()]).toEqual(['a', 'b', 'bin']);
  });

  test('or those chosen, with paths and modes of their own', () => {
    expect(of([{ key: 'b', path: 'x/y', mode: 0o600 }])).toEqual(
      new Map([['x/y', { data: Buffer.from('2'), mode: 0o600 }]]),
    );
  });

  test('a key that is not there is refused unless optional', () => {
    expect(() => of([{ key: 'no', path: 'x' }])).toThrow('configmap references non-existent config key: no');
    expect(of([{ key: 'no', path: 'x' }], true).size).toBe(0);
    expect(() => configMapFiles('absent', config, { items: [], optional: false, mode: 0 })).toThrow(
      'configmap "absent" not found',
    );
  });
});

describe('a subPath', () => {
  async function resolved(subPath: string): Promise<string> {
    const handle = await openBelow(join(dir, 'root'), subPath);
    try {
      return readlinkSync(`/proc/self/fd/${handle.fd}`).slice(dir.length);
    } finally {
      await handle.close();
    }
  }
  beforeEach(() => {
    mkdirSync(join(dir, 'root/a/b'), { recursive: true });
    mkdirSync(join(dir, 'secret'));
    writeFileSync(join(dir, 'root/a/file'), 'x');
    symlinkSync('a/b', join(dir, 'root/inside'));
    symlinkSync('../..', join(dir, 'root/a/up'));
    symlinkSync('/etc', join(dir, 'root/absolute'));
    symlinkSync('loop', join(dir, 'root/loop'));
    symlinkSync('../a/file', join(dir, 'root/a/again'));
  });

  test.each([
    ['a/b', '/root/a/b'],
    ['a/file', '/root/a/file'],
    ['inside', '/root/a/b'],
    ['a/again', '/root/a/file'],
    ['new/folder', '/root/new/folder'],
    ['.', '/root'],
  ])('%j is %j', async (subPath, expected) => {
    expect(await resolved(subPath)).toBe(expected);
  });

  test.each([
    ['../secret', 'must be relative'],
    ['/etc', 'must be relative'],
    ['a/../../secret', 'must be relative'],
    ['a/up/secret', 'leads out of the volume'],
    ['absolute/passwd', 'leads out of the volume'],
    ['loop', 'too many links'],
    ['a/file/x', 'cannot be opened'],
  ])('%j is refused: %s', async (subPath, message) => {
    await expect(resolved(subPath)).rejects.toThrow(message);
  });
});
