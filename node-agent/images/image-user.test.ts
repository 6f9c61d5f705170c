import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isImageError } from './image-store.ts';
import { numericUser, resolveUser } from './image-user.ts';
import { checkRootfs } from './rootfs-check.ts';

describe('a root folder', () => {
  let folder: string;
  let root: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skiff-user-'));
    root = join(folder, 'root');
    await mkdir(join(root, 'etc'), { recursive: true });
    await writeFile(
      join(root, 'etc/passwd'),
      [
        'root:x:0:0::/root:/bin/sh',
        'web:x:33:34::/:',
        '1000:x:0:0:root in disguise:/:',
        'huge:x:4294967296:0::/:',
        'bad:x:no:0::/:',
        'short',
        '',
      ].join('\n'),
    );
    await writeFile(join(root, 'etc/group'), 'root:x:0:\nweb:x:34:\naudio:x:29:web,other\nvideo:x:44: web \n');
  });
  afterEach(() => rm(folder, { recursive: true }));

  describe('gives a user', () => {
    it.each([
      [undefined, { uid: 0, gid: 0, additionalGids: [0] }],
      ['', { uid: 0, gid: 0, additionalGids: [0] }],
      ['web', { uid: 33, gid: 34, additionalGids: [34, 29, 44] }],
      ['33', { uid: 33, gid: 34, additionalGids: [34, 29, 44] }],
      ['033', { uid: 33, gid: 34, additionalGids: [34, 29, 44] }],
      ['web:audio', { uid: 33, gid: 29, additionalGids: [29, 44] }],
      ['web:5', { uid: 33, gid: 5, additionalGids: [5, 29, 44] }],
      ['4000', { uid: 4000, gid: 0, additionalGids: [0] }],
      ['4000:4001', { uid: 4000, gid: 4001, additionalGids: [4001] }],
      ['1000', { uid: 1000, gid: 0, additionalGids: [0] }],
      ['2147483647', { uid: 2147483647, gid: 0, additionalGids: [0] }],
      ['00:00', { uid: 0, gid: 0, additionalGids: [0] }],
    ])('for %j', async (spec, user) => {
      expect(await resolveUser(root, spec)).toEqual(user);
    });

    it.each([
      ['nobody', 'no user nobody'],
      ['web:nogroup', 'no group nogroup'],
      ['2147483648', '0 to 2147483647'],
      ['4294967296', '0 to 2147483647'],
      ['0:4294967296', '0 to 2147483647'],
      ['huge', '0 to 2147483647'],
      ['bad', '0 to 2147483647'],
      ['-1', 'no user -1'],
      ['+0', 'no user +0'],
      [' 0', 'no user  0'],
      ['0x0', 'no user 0x0'],
      [':', 'must be'],
      ['web:', 'must be'],
      [':web', 'must be'],
      ['a:b:c', 'must be'],
      ['9'.repeat(400), '0 to 2147483647'],
    ])('but not for %j', async (spec, because) => {
      const refused = resolveUser(root, spec);
      await expect(refused).rejects.toThrow(because);
      await expect(refused).rejects.toSatisfy((err) => isImageError(err, 'InvalidImage'));
    });

    it('without passwd and group files', async () => {
      await rm(join(root, 'etc'), { recursive: true });
      expect(await resolveUser(root, '7:8')).toEqual({ uid: 7, gid: 8, additionalGids: [8] });
    });
  });

  it('is not left through a link to another passwd', async () => {
    await writeFile(join(folder, 'outside'), 'web:x:0:0::/:\n');
    await rm(join(root, 'etc/passwd'));
    for (const target of [join(folder, 'outside'), '../../outside', '/../../../outside']) {
      await symlink(target, join(root, 'etc/passwd'));
      await expect(resolveUser(root, 'web'), target).rejects.toThrow('no user web');
      await rm(join(root, 'etc/passwd'));
    }
    await symlink('/usr/passwd', join(root, 'etc/passwd'));
    await mkdir(join(root, 'usr'));
    await writeFile(join(root, 'usr/passwd'), 'web:x:77:78::/:\n');
    expect((await resolveUser(root, 'web')).uid).toBe(77);
  });

  it('with a giant, endless or special passwd is refused, at once', async () => {
    await writeFile(join(root, 'etc/passwd'), 'x'.repeat(1024 * 1024 + 1));
    await expect(resolveUser(root, 'web')).rejects.toThrow('is the limit');
    await rm(join(root, 'etc/passwd'));
    execFileSync('mkfifo', [join(root, 'etc/passwd')]);
    await expect(resolveUser(root, 'web')).rejects.toThrow('not a file');
    await rm(join(root, 'etc/passwd'));
    await symlink('passwd', join(root, 'etc/passwd'));
    await expect(resolveUser(root, 'web')).rejects.toThrow('too many symbolic links');
  });

  it('tells a number from a name without looking into the image', () => {
    expect([numericUser(undefined), numericUser('33:34'), numericUser('web'), numericUser('00')]).toEqual([
      0,
      33,
      undefined,
      0,
    ]);
    expect(() => numericUser('4294967296')).toThrow('0 to 2147483647');
  });

  it('is fit to mount upon when the places are folders or missing', async () => {
    await mkdir(join(root, 'proc'));
    await mkdir(join(root, 'dev/pts'), { recursive: true });
    await checkRootfs(root);
  });

  it.each(['proc', 'sys', 'dev', 'dev/pts', 'dev/null', 'dev/console'])(
    'is refused when /%s is a link',
    async (path) => {
      await mkdir(join(root, path, '..'), { recursive: true });
      await symlink(join(folder, 'elsewhere'), join(root, path));
      await expect(checkRootfs(root)).rejects.toThrow(`its /${path} is a symbolic link`);
    },
  );

  it('is refused when /proc is a file', async () => {
    await writeFile(join(root, 'proc'), '');
    await expect(checkRootfs(root)).rejects.toThrow('its /proc is not a directory');
  });
});
