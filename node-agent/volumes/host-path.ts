import type { Stats } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { VolumeError, type VolumeRequest, type VolumeType } from './volume.ts';

/** Type → what must be there, in the words of the refusal. */
const CHECKS: Readonly<Record<string, readonly [string, (stats: Stats) => boolean]>> = {
  Directory: ['a directory', (stats) => stats.isDirectory()],
  DirectoryOrCreate: ['a directory', (stats) => stats.isDirectory()],
  File: ['a file', (stats) => stats.isFile()],
  FileOrCreate: ['a file', (stats) => stats.isFile()],
  Socket: ['a socket file', (stats) => stats.isSocket()],
  CharDevice: ['a character device', (stats) => stats.isCharacterDevice()],
  BlockDevice: ['a block device', (stats) => stats.isBlockDevice()],
};

/** A path of the node itself. Its owner and mode are never changed. */
export const hostPathVolume: VolumeType = {
  field: 'hostPath',
  readOnly: false,
  follows: false,
  async setUp(request: VolumeRequest): Promise<string> {
    const { path = '', type = '' } = request.volume.hostPath ?? {};
    if (!path.startsWith('/') || path.split('/').includes('..')) {
      throw new VolumeError(`hostPath ${JSON.stringify(path)} must be absolute and without ".."`);
    }
    let found = await stat(path).catch(() => undefined);
    if (found === undefined && (type === '' || type === 'DirectoryOrCreate')) {
      await mkdir(path, { recursive: true, mode: 0o755 });
      found = await stat(path);
    } else if (found === undefined && type === 'FileOrCreate') {
      await (await open(path, 'a', 0o644)).close();
      found = await stat(path);
    }
    const check = CHECKS[type];
    if (type !== '' && (check === undefined || found === undefined || !check[1](found))) {
      throw new VolumeError(`hostPath type check failed: ${path} is not ${check?.[0] ?? `of type ${type}`}`);
    }
    return path;
  },
};
