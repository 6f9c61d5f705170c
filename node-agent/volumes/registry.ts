/** The volume types this node knows. One more is its file and its line here. */
import { configMapVolume } from './config-map.ts';
import { downwardApiVolume } from './downward-api.ts';
import { emptyDirVolume } from './empty-dir.ts';
import { hostPathVolume } from './host-path.ts';
import { projectedVolume } from './projected.ts';
import { secretVolume } from './secret.ts';
import type { VolumeType } from './volume.ts';

/** By the field of `Volume` that names the type. */
export const VOLUME_TYPES: ReadonlyMap<string, VolumeType> = byField([
  configMapVolume,
  downwardApiVolume,
  emptyDirVolume,
  hostPathVolume,
  projectedVolume,
  secretVolume,
]);

function byField(types: readonly VolumeType[]): ReadonlyMap<string, VolumeType> {
  const map = new Map<string, VolumeType>();
  for (const type of types) {
    if (map.has(type.field)) throw new Error(`two volume types are called ${type.field}`);
    map.set(type.field, type);
  }
  return map;
}
