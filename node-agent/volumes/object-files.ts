/** Which files ConfigMaps, Secrets and the downward API become. Pure. */
import type { corev1 } from '../../proto/index.ts';
import { type FieldContext, fieldValue, resourceValue } from '../pods/field-reference.ts';
import type { PodConfig } from '../pods/pod-config.ts';
import type { VolumeFile } from './atomic-files.ts';
import { VolumeError } from './volume.ts';

/** Permission bits when neither the item nor the volume gives any. */
export const DEFAULT_MODE = 0o644;

/** Where a ConfigMap's or Secret's keys go. */
export interface KeyMapping {
  readonly items: readonly corev1.KeyToPath[];
  readonly optional: boolean;
  readonly mode: number;
}

/** The files of a ConfigMap. A missing one is an error unless it is optional. */
export function configMapFiles(name: string, config: PodConfig, mapping: KeyMapping): Map<string, VolumeFile> {
  const object = config.configMaps.get(name);
  if (object === undefined && !mapping.optional) throw new VolumeError(`configmap "${name}" not found`);
  const data = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(object?.data ?? {})) data.set(key, Buffer.from(text));
  for (const [key, bytes] of Object.entries(object?.binaryData ?? {})) data.set(key, bytes);
  return filesOf(data, mapping, 'configmap');
}

/** The files of a Secret. */
export function secretFiles(name: string, config: PodConfig, mapping: KeyMapping): Map<string, VolumeFile> {
  const object = config.secrets.get(name);
  if (object === undefined && !mapping.optional) throw new VolumeError(`secret "${name}" not found`);
  return filesOf(new Map(Object.entries(object?.data ?? {})), mapping, 'secret');
}

function filesOf(data: ReadonlyMap<string, Uint8Array>, mapping: KeyMapping, kind: string): Map<string, VolumeFile> {
  const files = new Map<string, VolumeFile>();
  if (mapping.items.length === 0) {
    for (const [key, bytes] of data) files.set(key, { data: bytes, mode: mapping.mode });
    return files;
  }
  for (const { key = '', path = '', mode } of mapping.items) {
    const bytes = data.get(key);
    if (bytes === undefined) {
      if (mapping.optional) continue;
      throw new VolumeError(`${kind} references non-existent config key: ${key}`);
    }
    files.set(path, { data: bytes, mode: mode ?? mapping.mode });
  }
  return files;
}

/** The files of the downward API. */
export function downwardFiles(
  items: readonly corev1.DownwardAPIVolumeFile[],
  fields: FieldContext,
  defaultMode: number,
): Map<string, VolumeFile> {
  const files = new Map<string, VolumeFile>();
  for (const item of items) {
    const value =
      item.fieldRef === undefined
        ? resourceValue(item.resourceFieldRef ?? {}, undefined, fields)
        : fieldValue(item.fieldRef.fieldPath ?? '', fields);
    if (value === undefined) {
      const what = item.fieldRef?.fieldPath ?? item.resourceFieldRef?.resource ?? '';
      throw new VolumeError(`the downward API has no ${what}`);
    }
    files.set(item.path ?? '', { data: Buffer.from(value), mode: item.mode ?? defaultMode });
  }
  return files;
}
