import { LAST_APPLIED } from '../create/last-applied.ts';
import { isJsonObject, type JsonObject } from '../manifest/json-value.ts';

/** One object as it is and as it would be; undefined where there is none. */
export interface ObjectPair {
  readonly live: JsonObject | undefined;
  readonly merged: JsonObject | undefined;
}

/**
 * What a person is to see of the two: without the bookkeeping of apply, and with the values of a Secret masked, so that one
 * only sees that they differ.
 */
export function shownPair(pair: ObjectPair, options: { readonly managedFields: boolean }): ObjectPair {
  const live = pair.live === undefined ? undefined : withoutBookkeeping(pair.live, options.managedFields);
  const merged = pair.merged === undefined ? undefined : withoutBookkeeping(pair.merged, options.managedFields);
  const { kind, apiVersion } = merged ?? live ?? {};
  return kind === 'Secret' && apiVersion === 'v1' ? masked({ live, merged }) : { live, merged };
}

function withoutBookkeeping(object: JsonObject, managedFields: boolean): JsonObject {
  if (!isJsonObject(object.metadata)) return object;
  const { annotations, ...metadata } = object.metadata;
  if (!managedFields) Reflect.deleteProperty(metadata, 'managedFields');
  if (!isJsonObject(annotations)) return { ...object, metadata };
  // What was applied last repeats what the difference shows, and holds secrets in clear.
  const { [LAST_APPLIED]: _, ...rest } = annotations;
  const kept = Object.keys(rest).length === 0 ? {} : { annotations: rest };
  return { ...object, metadata: { ...metadata, ...kept } };
}

function masked({ live, merged }: ObjectPair): ObjectPair {
  const [before, after] = [dataOf(live), dataOf(merged)];
  const mask = (object: JsonObject | undefined, data: JsonObject, mark: string): JsonObject | undefined => {
    if (object === undefined || Object.keys(data).length === 0) return object;
    const hidden = Object.keys(data).map((key) => {
      const differs = Object.hasOwn(before, key) && Object.hasOwn(after, key) && before[key] !== after[key];
      return [key, differs ? `*** (${mark})` : '***'] as const;
    });
    return { ...object, data: Object.fromEntries(hidden) };
  };
  return { live: mask(live, before, 'before'), merged: mask(merged, after, 'after') };
}

function dataOf(object: JsonObject | undefined): JsonObject {
  return isJsonObject(object?.data) ? object.data : {};
}
