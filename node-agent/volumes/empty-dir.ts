import { chmod, chown, mkdir } from 'node:fs/promises';
import { quantityUnits } from '../../lib/quantity.ts';
import { mountsBelow, mountTmpfs } from './mounts.ts';
import type { VolumeRequest, VolumeType } from './volume.ts';

/** Setgid, so that what containers make belongs to the group too; writable by all, as the group may be nobody's. */
const MODE = 0o777;
const GROUP_MODE = 0o2777;

/** A folder that lives as long as the pod: on disk, or with `medium: Memory` a tmpfs of at most `sizeLimit`. */
export const emptyDirVolume: VolumeType = {
  field: 'emptyDir',
  readOnly: false,
  follows: false,
  async setUp(request: VolumeRequest): Promise<string> {
    const { medium = '', sizeLimit } = request.volume.emptyDir ?? {};
    const inMemory = medium === 'Memory';
    const dir = inMemory ? request.runDir : request.dataDir;
    await mkdir(dir, { recursive: true });
    if (inMemory && !mountsBelow(dir).includes(dir)) {
      await mountTmpfs(dir, sizeLimit === undefined ? undefined : quantityUnits(sizeLimit));
    }
    if (request.fsGroup !== undefined) await chown(dir, 0, request.fsGroup);
    await chmod(dir, request.fsGroup === undefined ? MODE : GROUP_MODE);
    return dir;
  },
};
