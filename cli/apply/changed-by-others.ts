import { LAST_APPLIED } from '../create/last-applied.ts';
import { isBuiltInGroup, mergeKeyOf } from '../kustomize/merge-keys.ts';
import { sameTree } from '../kustomize/tree.ts';
import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { textAt } from '../resources/fields.ts';

/** A field that the file sets, and that has got another value since it was applied last. */
export interface ChangedField {
  /** Its path in the file's object. */
  readonly path: string;
  readonly live: JsonValue;
}

/**
 * The fields of `modified` that applying would set back: somebody gave them a live value that is neither what was applied last
 * nor what the file says now. An object that was never applied has none.
 */
export function changedByOthers(live: JsonObject, modified: JsonObject): ChangedField[] {
  const last = lastApplied(live);
  if (last === undefined) return [];
  const { apiVersion } = modified;
  const group = typeof apiVersion === 'string' && apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
  const found: ChangedField[] = [];
  compare({ last, live, modified }, { path: '', around: '', listsMerge: isBuiltInGroup(group), found });
  return found;
}

function lastApplied(live: JsonObject): JsonObject | undefined {
  try {
    const last: unknown = JSON.parse(textAt(live, 'metadata', 'annotations', LAST_APPLIED));
    return isJsonObject(last) ? last : undefined;
  } catch {
    // Absent, or edited by hand: then nothing is known of what was applied.
    return undefined;
  }
}

interface Values {
  readonly last: JsonValue | undefined;
  readonly live: JsonValue | undefined;
  readonly modified: JsonValue;
}

interface Place {
  readonly path: string;
  /** The field around; elements of a list count as the list's field. */
  readonly around: string;
  readonly listsMerge: boolean;
  readonly found: ChangedField[];
}

function compare({ last, live, modified }: Values, place: Place): void {
  if (live === undefined || modified === null) return;
  if (isJsonObject(modified) && isJsonObject(live)) {
    const before = isJsonObject(last) ? last : {};
    for (const [key, value] of Object.entries(modified)) {
      const path = `${place.path}["${key.replace(/["\\]/g, '\\$&')}"]`;
      const values = { last: before[key], live: live[key], modified: value };
      if (isJsonList(value)) compareLists(values, key, { ...place, path });
      else compare(values, { ...place, path, around: key });
    }
  } else if (!sameTree(modified, live) && !sameTree(last, live)) place.found.push({ path: place.path, live });
}

function compareLists({ last, live, modified }: Values, field: string, place: Place): void {
  const key = place.listsMerge ? mergeKeyOf(place.around, field) : undefined;
  if (key === undefined || key === 'set' || !isJsonList(modified) || !isJsonList(live)) {
    // Elements the server has completed with defaults are not what somebody changed.
    if (key === undefined && isJsonList(modified) && modified.some((item) => isJsonObject(item))) return;
    compare({ last, live, modified }, place);
    return;
  }
  const same = (list: JsonValue | undefined, item: JsonObject): JsonValue | undefined =>
    isJsonList(list) ? list.find((one) => isJsonObject(one) && sameTree(one[key], item[key])) : undefined;
  for (const [index, item] of modified.entries()) {
    if (!isJsonObject(item)) continue;
    const values = { last: same(last, item), live: same(live, item), modified: item };
    compare(values, { ...place, path: `${place.path}[${index}]`, around: field });
  }
}
