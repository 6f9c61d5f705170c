import { writeFilesAtomically } from './atomic-files.ts';
import { DEFAULT_MODE, downwardFiles } from './object-files.ts';
import type { VolumeRequest, VolumeType } from './volume.ts';

/** Fields of the pod as files, following changes of its labels and annotations. */
export const downwardApiVolume: VolumeType = {
  field: 'downwardAPI',
  readOnly: true,
  follows: true,
  async setUp(request: VolumeRequest): Promise<string> {
    const source = request.volume.downwardAPI ?? {};
    const files = downwardFiles(source.items ?? [], request.fields, source.defaultMode ?? DEFAULT_MODE);
    await writeFilesAtomically(request.runDir, files, request.fsGroup);
    return request.runDir;
  },
};
