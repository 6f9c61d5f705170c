import { ApiError } from '../../lib/errors.ts';
import { isJsonList, isJsonObject, type JsonValue } from '../manifest/json-value.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { formatProblem } from '../manifest/manifest-error.ts';

/** What can be done about fields that others own; printed once, after all conflicts. */
export const CONFLICT_ADVICE = `Somebody else manages these fields and gave them other values. Either
  - take them over: apply again with --force-conflicts; or
  - leave them to the other: remove them from the file; or
  - agree: give them the live value in the file, then both manage them.`;

/** Whether the error says that other managers own what the configuration sets. */
export function isOwnershipConflict(err: unknown): err is ApiError {
  return err instanceof ApiError && err.reason === 'Conflict' && err.causes.some(isConflictCause);
}

function isConflictCause({ reason }: { readonly reason: string }): boolean {
  return reason === 'FieldManagerConflict';
}

/** The conflicts as kubectl words them, each field shown at its place in the file. */
export function conflictText(manifest: Manifest, err: ApiError): string {
  const places = err.causes.filter(isConflictCause).map(({ field, message }) => {
    const path = fieldPath(field, manifest.value);
    return formatProblem(manifest.problemAt(path, message.includes(field) ? message : `${message}: ${field}`));
  });
  return [err.message.split('\n')[0] ?? '', ...places].join('\n');
}

/** `.spec.containers[name="web"].image` as a path of this object, with list positions: `spec.containers[0].image`. */
export function fieldPath(ownership: string, value: JsonValue): string {
  const steps = ownership.match(/\.[^.[\]]+|\[[^\]]*\]/g) ?? [];
  let path = '';
  let at: JsonValue | undefined = value;
  for (const step of steps) {
    if (step.startsWith('.')) {
      const name = step.slice(1);
      path = path === '' ? name : `${path}.${name}`;
      at = isJsonObject(at) ? at[name] : undefined;
      continue;
    }
    const index: number = isJsonList(at) ? at.findIndex((item) => isMeant(item, step)) : -1;
    if (index === -1) return path;
    path = `${path}[${index}]`;
    at = isJsonList(at) ? at[index] : undefined;
  }
  return path;
}

/** Whether a list's element is the one that `[name="web",port=80]` or, of a set, `[="web"]` means. */
function isMeant(item: JsonValue, step: string): boolean {
  const pairs = [...step.slice(1, -1).matchAll(/([^=,]*)=("(?:[^"\\]|\\.)*"|[^,]*)/g)];
  return pairs.every(([, key = '', text = '']) => {
    const value = key === '' ? item : isJsonObject(item) ? item[key] : undefined;
    return value !== undefined && JSON.stringify(value) === text;
  });
}
