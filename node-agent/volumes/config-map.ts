import { writeFilesAtomically } from './atomic-files.ts';
import { configMapFiles, DEFAULT_MODE } from './object-files.ts';
import type { VolumeRequest, VolumeType } from './volume.ts';

/** The keys of a ConfigMap as files, following its changes. */
export const configMapVolume: VolumeType = {
  field: 'configMap',
  readOnly: true,
  follows: true,
  async setUp(request: VolumeRequest): Promise<string> {
    const source = request.volume.configMap ?? {};
    const files = configMapFiles(source.name ?? '', request.config, {
      items: source.items ?? [],
      optional: source.optional === true,
      mode: source.defaultMode ?? DEFAULT_MODE,
    });
    await writeFilesAtomically(request.runDir, files, request.fsGroup);
    return request.runDir;
  },
};
