import type { corev1 } from '../../proto/index.ts';
import { type VolumeFile, writeFilesAtomically } from './atomic-files.ts';
import { configMapFiles, DEFAULT_MODE, downwardFiles, secretFiles } from './object-files.ts';
import { VolumeError, type VolumeRequest, type VolumeType } from './volume.ts';

/** Several sources in one folder; of two with one path the later wins. */
export const projectedVolume: VolumeType = {
  field: 'projected',
  readOnly: true,
  follows: true,
  async setUp(request: VolumeRequest): Promise<string> {
    const { sources = [], defaultMode = DEFAULT_MODE } = request.volume.projected ?? {};
    const files = new Map<string, VolumeFile>();
    for (const source of sources) {
      for (const [path, file] of sourceFiles(source, request, defaultMode)) files.set(path, file);
    }
    await writeFilesAtomically(request.runDir, files, request.fsGroup);
    return request.runDir;
  },
};

function sourceFiles(source: corev1.VolumeProjection, request: VolumeRequest, mode: number): Map<string, VolumeFile> {
  if (source.configMap !== undefined) {
    const { name = '', items = [], optional } = source.configMap;
    return configMapFiles(name, request.config, { items, optional: optional === true, mode });
  }
  if (source.secret !== undefined) {
    const { name = '', items = [], optional } = source.secret;
    return secretFiles(name, request.config, { items, optional: optional === true, mode });
  }
  if (source.downwardAPI !== undefined) return downwardFiles(source.downwardAPI.items ?? [], request.fields, mode);
  const type = Object.keys(source).find((key) => key !== '_unknownFields') ?? 'unknown';
  throw new VolumeError(`projected source ${type} is not supported by this node`);
}
