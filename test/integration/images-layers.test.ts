import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage, buildLayer, buildRawTar, encodeOciArchive, sha256Digest } from '../../lib/oci-image-writer.ts';
import { OverlayImageStore } from '../../node-agent/images/overlay-image-store.ts';

import { isRoot, LayerWorld, type Member, noRegistry } from './layer-world.ts';

const hasZstd = (() => {
  try {
    execFileSync('zstd', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** cap_net_raw and cap_setuid, permitted and effective: bytes that are no UTF-8. */
const CAPABILITY = Buffer.from('0100000280a00000000000000000000000000000', 'hex');

describe.skipIf(!isRoot)('image layers on a real overlay (needs root)', () => {
  let world: LayerWorld;

  beforeEach(async () => {
    world = await LayerWorld.start();
  });
  afterEach(() => world.stop());

  it('keeps owners, modes, times, links, capabilities and special files', async () => {
    const root = await world.mountLayers([
      { name: 'bin/', type: 'directory', mode: 0o755 },
      { name: 'bin/su', type: 'file', mode: 0o4755, uid: 7, gid: 8, mtimeSeconds: 1_000_000_000, content: 'su' },
      {
        name: 'bin/ping',
        type: 'file',
        mode: 0o755,
        xattrs: new Map([['security.capability', CAPABILITY]]),
      },
      { name: 'bin/hard', type: 'hardlink', linkName: 'bin/su' },
      { name: 'bin/soft', type: 'symlink', linkName: '/bin/su' },
      { name: 'tmp/', type: 'directory', mode: 0o1777 },
      { name: 'pipe', type: 'fifo' },
      { name: 'var/lib/null', type: 'character-device', deviceMajor: 1, deviceMinor: 3, mode: 0o666 },
      { name: `long/${'n'.repeat(200)}/${'m'.repeat(200)}`, type: 'file', content: 'long' },
    ]);
    const su = statSync(join(root, 'bin/su'));
    expect([su.mode & 0o7777, su.uid, su.gid, su.mtimeMs, su.nlink]).toEqual([0o4755, 7, 8, 1e12, 2]);
    expect(statSync(join(root, 'tmp')).mode & 0o7777).toBe(0o1777);
    expect(readlinkSync(join(root, 'bin/soft'))).toBe('/bin/su');
    expect(lstatSync(join(root, 'pipe')).isFIFO()).toBe(true);
    expect(lstatSync(join(root, 'var/lib/null')).isCharacterDevice()).toBe(true);
    expect(readFileSync(join(root, 'long', 'n'.repeat(200), 'm'.repeat(200)), 'utf8')).toBe('long');
    const ping = execFileSync('tar', [
      '--xattrs',
      '--xattrs-include=*',
      '--format=pax',
      '-C',
      join(root, 'bin'),
      '-c',
      'ping',
    ]);
    expect(ping.includes(CAPABILITY)).toBe(true);
    expect(statSync(root).mode & 0o7777).toBe(0o755);
  });

  it('stacks layers: a later file wins, a whiteout hides, an opaque folder starts empty', async () => {
    const root = await world.mountLayers(
      [
        { name: 'a', type: 'file', content: 'old' },
        { name: 'b', type: 'file', content: 'old' },
        { name: 'dir/', type: 'directory', mode: 0o700, uid: 5 },
        { name: 'dir/old', type: 'file' },
        { name: 'late/', type: 'directory' },
        { name: 'late/old', type: 'file' },
        { name: 'gone/', type: 'directory' },
        { name: 'gone/x', type: 'file' },
      ],
      [
        { name: 'a', type: 'file', content: 'new' },
        { name: '.wh.b', type: 'file' },
        { name: '.wh.gone', type: 'file' },
        { name: 'dir/', type: 'directory', mode: 0o750, uid: 6 },
        { name: 'dir/.wh..wh..opq', type: 'file' },
        { name: 'dir/new', type: 'file' },
        { name: 'late/.wh..wh..opq', type: 'file' },
        { name: 'late/', type: 'directory', mode: 0o711 },
        { name: 'late/new', type: 'file' },
      ],
    );
    expect((await readdir(root)).sort()).toEqual(['a', 'dir', 'late']);
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe('new');
    expect(await readdir(join(root, 'dir'))).toEqual(['new']);
    expect(await readdir(join(root, 'late'))).toEqual(['new']);
    expect([statSync(join(root, 'dir')).mode & 0o777, statSync(join(root, 'dir')).uid]).toEqual([0o750, 6]);
    expect(statSync(join(root, 'late')).mode & 0o777).toBe(0o711);
  });

  it('keeps mode and owner of folders that a later layer uses without bringing them', async () => {
    const root = await world.mountLayers(
      [
        { name: 'tmp/', type: 'directory', mode: 0o1777 },
        { name: 'home/', type: 'directory' },
        { name: 'home/web/', type: 'directory', mode: 0o700, uid: 33, gid: 34 },
        { name: 'host', type: 'symlink', linkName: '/etc' },
      ],
      [{ name: 'between', type: 'file' }],
      [
        { name: 'tmp/file', type: 'file' },
        { name: 'home/web/new/file', type: 'file' },
        { name: 'host/ssl/file', type: 'file' },
      ],
    );
    const web = statSync(join(root, 'home/web'));
    expect([web.mode & 0o7777, web.uid, web.gid]).toEqual([0o700, 33, 34]);
    expect(statSync(join(root, 'tmp')).mode & 0o7777).toBe(0o1777);
    expect(statSync(join(root, 'home/web/new')).mode & 0o7777).toBe(0o755);
    expect(lstatSync(join(root, 'host')).isDirectory()).toBe(true);
  });

  it('loads an archive from a stream', async () => {
    const bytes = encodeOciArchive([buildImage({ references: ['stream:1'], layers: [], config: {} })]);
    const [image] = await world.store.load(Readable.from([bytes.subarray(0, 700), bytes.subarray(700)]));
    expect(image?.references).toEqual(['docker.io/library/stream:1']);
    const broken = new Readable({ read: () => undefined });
    const loading = world.store.load(broken);
    broken.destroy(new Error('the caller went away'));
    await expect(loading).rejects.toThrow('the caller went away');
  });

  it('mounts 120 layers', async () => {
    const layers = Array.from({ length: 120 }, (_, i) => [{ name: `f${i}`, type: 'file' as const, content: `${i}` }]);
    const root = await world.mountLayers(...layers);
    expect(await readdir(root)).toHaveLength(120);
  });

  it('mounts an image without layers', async () => {
    expect(await readdir(await world.mountLayers())).toEqual([]);
  });

  it('shares layers between images and keeps what containers write apart', async () => {
    const first = await world.mountLayers([{ name: 'shared', type: 'file', content: 'x' }]);
    const second = await world.mountLayers([{ name: 'shared', type: 'file', content: 'x' }]);
    await writeFile(join(first, 'shared'), 'changed');
    expect(await readFile(join(second, 'shared'), 'utf8')).toBe('x');
    expect((await readdir(join(world.folder, 'images', 'layers'))).length).toBe(1);
  });

  it('adopts a mount with what was written there after a restart, and removes a writable layer that lost its mount', async () => {
    const root = await world.mountLayers([{ name: 'a', type: 'file' }]);
    await writeFile(join(root, 'written'), 'yes');
    const other = await world.mountLayers([{ name: 'a', type: 'file' }]);
    execFileSync('umount', [other]);
    world.store = new OverlayImageStore({
      directory: join(world.folder, 'images'),
      registry: noRegistry,
      syncToDisk: false,
    });
    expect(await world.store.sweep()).toEqual({ adopted: ['c0'], removed: ['c1'] });
    const image = await world.store.resolve('test:1');
    expect(image).toBeDefined();
    if (image !== undefined) {
      expect(await world.store.mountRootfs(image, 'c0')).toEqual({ path: root });
      await expect(world.store.remove('test:1')).rejects.toThrow('container c0 uses it');
    }
    expect(await readFile(join(root, 'written'), 'utf8')).toBe('yes');
  });

  it('removes half-unpacked layers and stray content at start, and unpacks again what was lost', async () => {
    await world.loadLayers([buildRawTar([{ name: 'a', type: 'file' }])]);
    const layers = join(world.folder, 'images', 'layers');
    const [whole] = await readdir(layers);
    await mkdir(join(layers, '.new-abc', 'fs'), { recursive: true });
    await mkdir(join(layers, 'norecord', 'fs'), { recursive: true });
    await writeFile(join(world.folder, 'images', 'blobs', 'sha256', 'f'.repeat(64)), 'stray');
    await rm(join(layers, whole ?? '', 'layer.json'));
    world.store = await world.openStore();
    expect(await readdir(layers)).toEqual([whole]);
    expect((await readdir(join(world.folder, 'images', 'blobs', 'sha256'))).includes('f'.repeat(64))).toBe(false);
    expect(await world.store.resolve('test:1')).toBeDefined();
  });

  it('forgets an image whose content is damaged, at start', async () => {
    const image = await world.loadLayers([buildRawTar([{ name: 'a', type: 'file' }])]);
    await writeFile(join(world.folder, 'images', 'blobs', 'sha256', image.id.slice(7)), '{}');
    world.store = await world.openStore();
    expect(await world.store.list()).toEqual([]);
    expect(await readdir(join(world.folder, 'images', 'layers'))).toEqual([]);
  });

  it('unpacks gzip layers', async () => {
    const path = join(world.folder, 'gzip.tar');
    const layers = [[{ kind: 'file' as const, path: 'a', content: 'x'.repeat(100_000) }]];
    const built = buildImage({ references: ['gzip:1'], layers, config: {}, compression: 'gzip' });
    await writeFile(path, gzipSync(encodeOciArchive([built])));
    const [image] = await world.store.load(path);
    expect(image?.references).toEqual(['docker.io/library/gzip:1']);
  });

  it.skipIf(!hasZstd)('unpacks zstd layers (needs the zstd program or a newer Node.js)', async () => {
    const built = buildImage({
      references: ['zstd:1'],
      layers: [[{ kind: 'file', path: 'a', content: 'x' }]],
      config: {},
    });
    const [plainDigest] = built.layerDigests;
    const plain = built.blobs.get(plainDigest ?? '') ?? Buffer.alloc(0);
    const packed = execFileSync('zstd', ['-q', '-c'], { input: plain });
    const manifest = Buffer.from(
      built.manifest
        .toString()
        .replace(plainDigest ?? '', sha256Digest(packed))
        .replace(`"size":${plain.length}`, `"size":${packed.length}`),
    );
    const blobs = new Map(
      [...built.blobs].filter(([digest]) => digest !== plainDigest && digest !== built.manifestDigest),
    );
    blobs.set(sha256Digest(packed), packed).set(sha256Digest(manifest), manifest);
    const path = join(world.folder, 'zstd.tar');
    await writeFile(path, encodeOciArchive([{ ...built, manifest, manifestDigest: sha256Digest(manifest), blobs }]));
    expect((await world.store.load(path))[0]?.references).toEqual(['docker.io/library/zstd:1']);
  });

  describe('a docker archive', () => {
    it('is loaded with all images and tags, layers shared by links', async () => {
      const layer = buildLayer([{ kind: 'file', path: 'a', content: 'x' }]);
      const config = (cmd: string): string =>
        JSON.stringify({
          os: 'linux',
          architecture: '',
          config: { Cmd: [cmd] },
          rootfs: { type: 'layers', diff_ids: [sha256Digest(layer)] },
        });
      const tar = buildRawTar([
        { name: 'l1/', type: 'directory' },
        { name: 'l1/layer.tar', type: 'file', content: layer },
        { name: 'l2/', type: 'directory' },
        { name: 'l2/layer.tar', type: 'symlink', linkName: '../l1/layer.tar' },
        { name: 'one.json', type: 'file', content: config('one') },
        { name: 'two.json', type: 'file', content: config('two') },
        {
          name: 'manifest.json',
          type: 'file',
          content: JSON.stringify([
            { Config: 'one.json', RepoTags: ['nginx:1.16.1', 'nginx:latest'], Layers: ['l1/layer.tar'] },
            { Config: 'two.json', RepoTags: null, Layers: ['l2/layer.tar'] },
          ]),
        },
      ]);
      const path = join(world.folder, 'docker.tar');
      await writeFile(path, tar);
      const images = await world.store.load(path);
      expect(images.map((image) => [image.id, image.references])).toEqual([
        [sha256Digest(config('one')), ['docker.io/library/nginx:1.16.1', 'docker.io/library/nginx:latest']],
        [sha256Digest(config('two')), []],
      ]);
    });

    it.each([
      ['no index at all', [{ name: 'x', type: 'file', content: '' }], 'neither manifest.json'],
      [
        'a missing layer',
        [
          { name: 'manifest.json', type: 'file', content: '[{"Config":"c","Layers":["l"]}]' },
          { name: 'c', type: 'file', content: '{}' },
        ],
        'the file "l" is missing',
      ],
      ['names that climb out', [{ name: '../../evil', type: 'file', content: '' }], 'leads outside'],
      [
        'a link out instead of its configuration',
        [
          { name: 'manifest.json', type: 'file', content: '[{"Config":"c","Layers":[]}]' },
          { name: 'c', type: 'symlink', linkName: '/etc/passwd' },
        ],
        'the file "c" is missing',
      ],
      ['text for an index', [{ name: 'manifest.json', type: 'file', content: 'hello' }], 'not JSON'],
    ] satisfies [string, Member[], string][])('is refused with %s', async (_name, members, message) => {
      const path = join(world.folder, 'bad.tar');
      await writeFile(path, buildRawTar(members));
      await expect(world.store.load(path)).rejects.toThrow(message);
      expect(await world.store.list()).toEqual([]);
    });
  });
});
