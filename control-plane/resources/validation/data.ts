/** Rules of the data of ConfigMaps and Secrets. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { joinPath } from '../../../proto/index.ts';
import { byRule, tooLong } from './field-errors.ts';
import { configKey } from './texts.ts';

/** Largest sum of all values, in bytes. */
const MAX_DATA_BYTES = 1024 * 1024;

/** What is wrong with the keys of the map called `field`. */
export function validateDataKeys(field: string, data: Readonly<Record<string, unknown>> | undefined): ErrorCause[] {
  return Object.keys(data ?? {}).flatMap((key) => byRule(joinPath(field, key), key, configKey));
}

/** An error when the values of `maps` together are too large. */
export function validateDataSize(
  field: string,
  ...maps: readonly (Readonly<Record<string, string | Uint8Array>> | undefined)[]
): ErrorCause[] {
  let bytes = 0;
  for (const map of maps) for (const value of Object.values(map ?? {})) bytes += Buffer.byteLength(value);
  return bytes > MAX_DATA_BYTES ? [tooLong(field, MAX_DATA_BYTES)] : [];
}
