import { lstatSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage, buildRawTar, encodeOciArchive, sha256Digest } from '../../lib/oci-image-writer.ts';

import { isRoot, LayerWorld } from './layer-world.ts';

/** cap_net_raw and cap_setuid, permitted and effective: bytes that are no UTF-8. */
const _CAPABILITY = Buffer.from('0100000280a00000000000000000000000000000', 'hex');

describe.skipIf(!isRoot)('image layers on a real overlay (needs root)', () => {
  let world: LayerWorld;

  beforeEach(async () => {
    world = await LayerWorld.start();
  });
  afterEach(() => world.stop());

  describe('a hostile layer', () => {
    let canary: string;

    beforeEach(async () => {
      canary = join(world.folder, 'canary');
      await mkdir(canary);
      await writeFile(join(canary, 'file'), 'untouched', { mode: 0o600 });
    });

    afterEach(async () => {
      expect(await readdir(canary)).toEqual(['file']);
      expect(await readFile(join(canary, 'file'), 'utf8')).toBe('untouched');
      expect(statSync(join(canary, 'file')).mode & 0o777).toBe(0o600);
      expect((await readdir(join(world.folder, 'images', 'layers'))).filter((name) => name.startsWith('.'))).toEqual(
        [],
      );
      expect(await readdir(join(world.folder, 'images', 'staging'))).toEqual([]);
    });

    it.each([
      ['../evil', 'leads out'],
      ['a/../../evil', 'leads out'],
      ['a/..', 'leads out'],
      ['/../evil', 'leads out'],
    ])('cannot name %s', async (name, because) => {
      expect(await world.refusal([{ name, type: 'file', content: 'evil' }])).toContain(because);
    });

    it('has absolute names below its own root', async () => {
      const root = await world.mountLayers([{ name: join(canary, 'evil'), type: 'file', content: 'x' }]);
      expect(readFileSync(join(root, canary, 'evil'), 'utf8')).toBe('x');
    });

    it('writes through its links only inside', async () => {
      const root = await world.mountLayers([
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
      const root = await world.mountLayers([
        { name: 'l', type: 'symlink', linkName: join(canary, 'file') },
        { name: 'l', type: 'file', content: 'mine' },
      ]);
      expect(lstatSync(join(root, 'l')).isFile()).toBe(true);
    });

    it('replaces its link by a folder, and a file by a link', async () => {
      const root = await world.mountLayers([
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
      const message = await world.refusal([
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
      const message = await world.refusal([
        { name: 'h', type: 'hardlink', linkName: link(join(canary, 'file')) },
        { name: 'h', type: 'file', content: 'evil' },
      ]);
      expect(message).toMatch(/leads out|No such file/);
    });

    it('cannot take a file of the host by hard link through its own symbolic link', async () => {
      const message = await world.refusal([
        { name: 'd', type: 'symlink', linkName: canary },
        { name: 'h', type: 'hardlink', linkName: 'd/file' },
      ]);
      expect(message).toContain('No such file');
    });

    it('cannot write through a hard link to a symbolic link', async () => {
      const root = await world.mountLayers([
        { name: 's', type: 'symlink', linkName: canary },
        { name: 'h', type: 'hardlink', linkName: 's' },
        { name: 'h/evil', type: 'file', content: 'x' },
      ]);
      expect(await readdir(join(root, canary))).toEqual(['evil']);
    });

    it.each(['.wh...', 'a/.wh...', '.wh..', '.wh.'])('cannot delete by %s', async (name) => {
      expect(await world.refusal([{ name, type: 'file' }])).toContain('it deletes');
    });

    it('gets no device but the harmless ones, and no overlay attributes of its own', async () => {
      const root = await world.mountLayers(
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
      world.store = await world.openStore({ layerLimits: { maxBytes: 10_000, maxEntries: 50 } });
      expect(
        await world.refusal(gzipSync(buildRawTar([{ name: 'bomb', type: 'file', content: Buffer.alloc(1_000_000) }]))),
      ).toBeDefined();
      expect(await world.refusal([{ name: 'bomb', type: 'file', content: Buffer.alloc(20_000) }])).toContain(
        'more than 10000 bytes',
      );
      const many = Array.from({ length: 60 }, (_, i) => ({ name: `${i}`, type: 'file' as const }));
      expect(await world.refusal(many)).toContain('more than 50 entries');
    });

    it('is refused when its content is not what its digest says', async () => {
      const built = buildImage({
        references: ['lie:1'],
        layers: [buildRawTar([{ name: 'a', type: 'file' }])],
        config: {},
      });
      const digest = built.layerDigests[0] ?? '';
      const other = buildRawTar([{ name: 'b', type: 'file' }]);
      const path = join(world.folder, 'lie.tar');
      await writeFile(path, encodeOciArchive([{ ...built, blobs: new Map([...built.blobs, [digest, other]]) }]));
      await expect(world.store.load(path)).rejects.toThrow('has the digest');
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
      const path = join(world.folder, 'lie.tar');
      await writeFile(path, encodeOciArchive([{ ...honest, manifest, manifestDigest: sha256Digest(manifest), blobs }]));
      await expect(world.store.load(path)).rejects.toThrow('instead of');
      expect(await readdir(join(world.folder, 'images', 'layers'))).toEqual([]);
    });

    it('is refused when it is cut short or no archive at all', async () => {
      const whole = buildRawTar([{ name: 'a', type: 'file', content: 'x'.repeat(2000) }]);
      expect(await world.refusal(whole.subarray(0, 1000))).toContain('middle of a file');
      expect(await world.refusal(Buffer.alloc(4096, 'hello'))).toContain('Cannot unpack the layer');
      expect(await world.refusal(gzipSync(whole).subarray(0, 40))).toContain('Cannot unpack the layer');
    });
  });
});
