import { writeFilesAtomically } from './atomic-files.ts';
import { DEFAULT_MODE, secretFiles } from './object-files.ts';
import type { VolumeRequest, VolumeType } from './volume.ts';

/** The keys of a Secret as files below /run, which is memory; following its changes. */
export const secretVolume: VolumeType = {
  field: 'secret',
  readOnly: true,
  follows: true,
  async setUp(request: VolumeRequest): Promise<string> {
    const source = request.volume.secret ?? {};
    const files = secretFiles(source.secretName ?? '', request.config, {
      items: source.items ?? [],
      optional: source.optional === true,
      mode: source.defaultMode ?? DEFAULT_MODE,
    });
    await writeFilesAtomically(request.runDir, files, request.fsGroup);
    return request.runDir;
  },
};
