import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage, buildLayer, buildRawTar, encodeOciArchive, sha256Digest } from '../../lib/oci-image-writer.ts';
import { type Image, isImageError } from '../../node-agent/images/image-store.ts';
import { OverlayImageStore, type OverlayImageStoreOptions } from '../../node-agent/images/overlay-image-store.ts';
import type { ImageRegistry } from '../../node-agent/images/registry.ts';

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const hasZstd = (() => {
  try {
    execFileSync('zstd', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const noRegistry: ImageRegistry = {
  fetch: () => Promise.reject(new Error('this test has no registry')),
};

/** cap_net_raw and cap_setuid, permitted and effective: bytes that are no UTF-8. */
const CAPABILITY = Buffer.from('0100000280a00000000000000000000000000000', 'hex');

type Member = Parameters<typeof buildRawTar>[0][number];

function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder));
}

describe.skipIf(!isRoot)('image layers on a real overlay (needs root)', () => {
  let folder: string;
  let store: OverlayImageStore;
  const mounted = new Set<string>();

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skiff-layers-'));
    store = await openStore();
  });

  afterEach(async () => {
    for (const id of mounted) {
      await store.unmountRootfs(id);
    }
    mounted.clear();
    const left = mountsBelow(folder);
    await rm(folder, { recursive: true });
    expect(left).toEqual([]);
  });

  async function openStore(options: Partial<OverlayImageStoreOptions> = {}): Promise<OverlayImageStore> {
    const opened = new OverlayImageStore({
      directory: join(folder, 'images'),
      registry: noRegistry,
      syncToDisk: false,
      ...options,
    });
    await opened.sweep();
    return opened;
  }

  async function loadLayers(layers: readonly Buffer[], into = store): Promise<Image> {
    const path = join(folder, 'archive.tar');
    await writeFile(path, encodeOciArchive([buildImage({ references: ['test:1'], layers, config: {} })]));
    const [image] = await into.load(path);
    if (image === undefined) {
      throw new Error('nothing was loaded');
    }
    return image;
  }

  async function mountLayers(...layers: readonly (readonly Member[])[]): Promise<string> {
    const image = await loadLayers(layers.map((members) => buildRawTar(members)));
    const id = `c${mounted.size}`;
    mounted.add(id);
    return (await store.mountRootfs(image, id)).path;
  }

  /** What went wrong with one layer; fails when nothing did. */
  async function refusal(members: readonly Member[] | Buffer): Promise<string> {
    try {
      await loadLayers([Buffer.isBuffer(members) ? members : buildRawTar(members)]);
    } catch (err) {
      expect(isImageError(err, 'InvalidImage'), String(err)).toBe(true);
      return err instanceof Error ? err.message : '';
    }
    throw new Error('the layer was taken');
  }

  it('keeps owners, modes, times, links, capabilities and special files', async () => {
    const root = await mountLayers([
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
    const root = await mountLayers(
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
    const root = await mountLayers(
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
    const [image] = await store.load(Readable.from([bytes.subarray(0, 700), bytes.subarray(700)]));
    expect(image?.references).toEqual(['docker.io/library/stream:1']);
    const broken = new Readable({ read: () => undefined });
    const loading = store.load(broken);
    broken.destroy(new Error('the caller went away'));
    await expect(loading).rejects.toThrow('the caller went away');
  });

  it('mounts 120 layers', async () => {
    const layers = Array.from({ length: 120 }, (_, i) => [{ name: `f${i}`, type: 'file' as const, content: `${i}` }]);
    const root = await mountLayers(...layers);
    expect(await readdir(root)).toHaveLength(120);
  });

  it('mounts an image without layers', async () => {
    expect(await readdir(await mountLayers())).toEqual([]);
  });

  it('shares layers between images and keeps what containers write apart', async () => {
    const first = await mountLayers([{ name: 'shared', type: 'file', content: 'x' }]);
    const second = await mountLayers([{ name: 'shared', type: 'file', content: 'x' }]);
    await writeFile(join(first, 'shared'), 'changed');
    expect(await readFile(join(second, 'shared'), 'utf8')).toBe('x');
    expect((await readdir(join(folder, 'images', 'layers'))).length).toBe(1);
  });

  it('adopts a mount with what was written there after a restart, and removes a writable layer that lost its mount', async () => {
    const root = await mountLayers([{ name: 'a', type: 'file' }]);
    await writeFile(join(root, 'written'), 'yes');
    const other = await mountLayers([{ name: 'a', type: 'file' }]);
    execFileSync('umount', [other]);
    store = new OverlayImageStore({ directory: join(folder, 'images'), registry: noRegistry, syncToDisk: false });
    expect(await store.sweep()).toEqual({ adopted: ['c0'], removed: ['c1'] });
    const image = await store.resolve('test:1');
    expect(image).toBeDefined();
    if (image !== undefined) {
      expect(await store.mountRootfs(image, 'c0')).toEqual({ path: root });
      await expect(store.remove('test:1')).rejects.toThrow('container c0 uses it');
    }
    expect(await readFile(join(root, 'written'), 'utf8')).toBe('yes');
  });

  it('removes half-unpacked layers and stray content at start, and unpacks again what was lost', async () => {
    await loadLayers([buildRawTar([{ name: 'a', type: 'file' }])]);
    const layers = join(folder, 'images', 'layers');
    const [whole] = await readdir(layers);
    await mkdir(join(layers, '.new-abc', 'fs'), { recursive: true });
    await mkdir(join(layers, 'norecord', 'fs'), { recursive: true });
    await writeFile(join(folder, 'images', 'blobs', 'sha256', 'f'.repeat(64)), 'stray');
    await rm(join(layers, whole ?? '', 'layer.json'));
    store = await openStore();
    expect(await readdir(layers)).toEqual([whole]);
    expect((await readdir(join(folder, 'images', 'blobs', 'sha256'))).includes('f'.repeat(64))).toBe(false);
    expect(await store.resolve('test:1')).toBeDefined();
  });

  it('forgets an image whose content is damaged, at start', async () => {
    const image = await loadLayers([buildRawTar([{ name: 'a', type: 'file' }])]);
    await writeFile(join(folder, 'images', 'blobs', 'sha256', image.id.slice(7)), '{}');
    store = await openStore();
    expect(await store.list()).toEqual([]);
    expect(await readdir(join(folder, 'images', 'layers'))).toEqual([]);
  });

  it('unpacks gzip layers', async () => {
    const path = join(folder, 'gzip.tar');
    const layers = [[{ kind: 'file' as const, path: 'a', content: 'x'.repeat(100_000) }]];
    const built = buildImage({ references: ['gzip:1'], layers, config: {}, compression: 'gzip' });
    await writeFile(path, gzipSync(encodeOciArchive([built])));
    const [image] = await store.load(path);
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
    const path = join(folder, 'zstd.tar');
    await writeFile(path, encodeOciArchive([{ ...built, manifest, manifestDigest: sha256Digest(manifest), blobs }]));
    expect((await store.load(path))[0]?.references).toEqual(['docker.io/library/zstd:1']);
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
      const path = join(folder, 'docker.tar');
      await writeFile(path, tar);
      const images = await store.load(path);
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
      const path = join(folder, 'bad.tar');
      await writeFile(path, buildRawTar(members));
      await expect(store.load(path)).rejects.toThrow(message);
      expect(await store.list()).toEqual([]);
    });
  });

  describe('a hostile layer', () => {
    let canary: string;

    beforeEach(async () => {
      canary = join(folder, 'canary');
      await mkdir(canary);
      await writeFile(join(canary, 'file'), 'untouched', { mode: 0o600 });
    });

    afterEach(async () => {
      expect(await readdir(canary)).toEqual(['file']);
      expect(await readFile(join(canary, 'file'), 'utf8')).toBe('untouched');
      expect(statSync(join(canary, 'file')).mode & 0o777).toBe(0o600);
      expect((await readdir(join(folder, 'images', 'layers'))).filter((name) => name.startsWith('.'))).toEqual([]);
      expect(await readdir(join(folder, 'images', 'staging'))).toEqual([]);
    });

    it.each([
      ['../evil', 'leads out'],
      ['a/../../evil', 'leads out'],
      ['a/..', 'leads out'],
      ['/../evil', 'leads out'],
    ])('cannot name %s', async (name, because) => {
      expect(await refusal([{ name, type: 'file', content: 'evil' }])).toContain(because);
    });

    it('has absolute names below its own root', async () => {
      const root = await mountLayers([{ name: join(canary, 'evil'), type: 'file', content: 'x' }]);
      expect(readFileSync(join(root, canary, 'evil'), 'utf8')).toBe('x');
    });

    it('writes through its links only inside', async () => {
      const root = await mountLayers([
        { name: 'abs', type: 'symlink', linkName: canary },
        { name: 'abs/evil', type: 'file', content: 'x' },
        { name: 'up', type: 'symlink', linkName: `${'../'.repeat(20)}${canary}` },
        { name: 'up/evil2', type: 'file', content: 'x' },
        { name: 'chain', type: 'symlink', linkName: 'up' },
        { name: 'chain/evil3', type: 'file', content: 'x' },
      ]);
      expect((await readdir(join(root, canary))).sort()).toEqual(['evil', 'evil2', 'evil3']);
    });

    it('overwrites the link, not its target', async () => {
      const root = await mountLayers([
        { name: 'l', type: 'symlink', linkName: join(canary, 'file') },
        { name: 'l', type: 'file', content: 'mine' },
      ]);
      expect(lstatSync(join(root, 'l')).isFile()).toBe(true);
    });

    it('replaces its link by a folder, and a file by a link', async () => {
      const root = await mountLayers([
        { name: 'd', type: 'symlink', linkName: canary },
        { name: 'd/', type: 'directory', mode: 0o777 },
        { name: 'd/evil', type: 'file', content: 'x' },
        { name: 'f', type: 'file', content: 'x' },
        { name: 'f', type: 'symlink', linkName: 'a' },
        { name: 'f', type: 'symlink', linkName: '/b' },
      ]);
      expect(lstatSync(join(root, 'd')).isDirectory()).toBe(true);
      expect(readlinkSync(join(root, 'f'))).toBe('/b');
    });

    it('goes in circles only so long', async () => {
      const message = await refusal([
        { name: 'a', type: 'symlink', linkName: 'b' },
        { name: 'b', type: 'symlink', linkName: 'a' },
        { name: 'a/evil', type: 'file' },
      ]);
      expect(message).toContain('too many symbolic links');
    });

    it.each([
      ['an absolute name', (path: string) => path],
      ['a climbing name', (path: string) => `${'../'.repeat(20)}${path}`],
    ])('cannot take a file of the host by hard link with %s', async (_name, link) => {
      const message = await refusal([
        { name: 'h', type: 'hardlink', linkName: link(join(canary, 'file')) },
        { name: 'h', type: 'file', content: 'evil' },
      ]);
      expect(message).toMatch(/leads out|No such file/);
    });

    it('cannot take a file of the host by hard link through its own symbolic link', async () => {
      const message = await refusal([
        { name: 'd', type: 'symlink', linkName: canary },
        { name: 'h', type: 'hardlink', linkName: 'd/file' },
      ]);
      expect(message).toContain('No such file');
    });

    it('cannot write through a hard link to a symbolic link', async () => {
      const root = await mountLayers([
        { name: 's', type: 'symlink', linkName: canary },
        { name: 'h', type: 'hardlink', linkName: 's' },
        { name: 'h/evil', type: 'file', content: 'x' },
      ]);
      expect(await readdir(join(root, canary))).toEqual(['evil']);
    });

    it.each(['.wh...', 'a/.wh...', '.wh..', '.wh.'])('cannot delete by %s', async (name) => {
      expect(await refusal([{ name, type: 'file' }])).toContain('it deletes');
    });

    it('gets no device but the harmless ones, and no overlay attributes of its own', async () => {
      const root = await mountLayers(
        [
          { name: 'below/', type: 'directory' },
          { name: 'below/file', type: 'file' },
        ],
        [
          { name: 'sda', type: 'block-device', deviceMajor: 8, deviceMinor: 0, mode: 0o666 },
          { name: 'mem', type: 'character-device', deviceMajor: 1, deviceMinor: 1, mode: 0o666 },
          { name: 'below/file', type: 'character-device', mode: 0 },
          {
            name: 'below/',
            type: 'directory',
            xattrs: new Map([
              ['trusted.overlay.opaque', Buffer.from('y')],
              ['trusted.overlay.redirect', Buffer.from('/etc')],
            ]),
          },
        ],
      );
      expect(await readdir(root)).toEqual(['below']);
      expect(await readdir(join(root, 'below'))).toEqual(['file']);
    });

    it('that is more than it may be is refused before it is unpacked whole', async () => {
      store = await openStore({ layerLimits: { maxBytes: 10_000, maxEntries: 50 } });
      expect(
        await refusal(gzipSync(buildRawTar([{ name: 'bomb', type: 'file', content: Buffer.alloc(1_000_000) }]))),
      ).toBeDefined();
      expect(await refusal([{ name: 'bomb', type: 'file', content: Buffer.alloc(20_000) }])).toContain(
        'more than 10000 bytes',
      );
      const many = Array.from({ length: 60 }, (_, i) => ({ name: `${i}`, type: 'file' as const }));
      expect(await refusal(many)).toContain('more than 50 entries');
    });

    it('is refused when its content is not what its digest says', async () => {
      const built = buildImage({
        references: ['lie:1'],
        layers: [buildRawTar([{ name: 'a', type: 'file' }])],
        config: {},
      });
      const digest = built.layerDigests[0] ?? '';
      const other = buildRawTar([{ name: 'b', type: 'file' }]);
      const path = join(folder, 'lie.tar');
      await writeFile(path, encodeOciArchive([{ ...built, blobs: new Map([...built.blobs, [digest, other]]) }]));
      await expect(store.load(path)).rejects.toThrow('has the digest');
    });

    it('is refused when it unpacks to something else than the configuration says', async () => {
      const honest = buildImage({
        references: ['lie:1'],
        layers: [buildRawTar([{ name: 'a', type: 'file' }])],
        config: {},
      });
      const other = buildRawTar([{ name: 'b', type: 'file' }]);
      const manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          config: { mediaType: '', digest: honest.id, size: 1 },
          layers: [{ mediaType: '', digest: sha256Digest(other), size: other.length }],
        }),
      );
      const blobs = new Map([...honest.blobs, [sha256Digest(other), other], [sha256Digest(manifest), manifest]]);
      const path = join(folder, 'lie.tar');
      await writeFile(path, encodeOciArchive([{ ...honest, manifest, manifestDigest: sha256Digest(manifest), blobs }]));
      await expect(store.load(path)).rejects.toThrow('instead of');
      expect(await readdir(join(folder, 'images', 'layers'))).toEqual([]);
    });

    it('is refused when it is cut short or no archive at all', async () => {
      const whole = buildRawTar([{ name: 'a', type: 'file', content: 'x'.repeat(2000) }]);
      expect(await refusal(whole.subarray(0, 1000))).toContain('middle of a file');
      expect(await refusal(Buffer.alloc(4096, 'hello'))).toContain('Cannot unpack the layer');
      expect(await refusal(gzipSync(whole).subarray(0, 40))).toContain('Cannot unpack the layer');
    });
  });
});
