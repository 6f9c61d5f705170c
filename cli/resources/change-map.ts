import { CliError } from '../errors/cli-error.ts';

/** Changes to a map of labels or annotations: keys to set, keys to remove. */
export interface MapChange {
  readonly set: ReadonlyMap<string, string>;
  readonly remove: ReadonlySet<string>;
}

/**
 * Splits arguments into those that name objects and those that change a map: `key=value` and `key-`. Changes come last.
 * `what` is `label` or `annotation`, for messages. Throws a {@link CliError} when there is none or one contradicts another.
 */
export function splitMapChange(args: readonly string[], what: string): { names: string[]; change: MapChange } {
  const isChange = (arg: string): boolean => arg.includes('=') || arg.endsWith('-');
  const first = args.findIndex((arg) => isChange(arg));
  const names = first === -1 ? [...args] : args.slice(0, first);
  const set = new Map<string, string>();
  const remove = new Set<string>();
  for (const arg of first === -1 ? [] : args.slice(first)) {
    if (!isChange(arg)) throw new CliError(`all resources must be specified before ${what} changes: ${arg}`);
    const equals = arg.indexOf('=');
    if (equals > 0) set.set(arg.slice(0, equals), arg.slice(equals + 1));
    else if (equals === -1) remove.add(arg.slice(0, -1));
    else throw new CliError(`invalid ${what} spec: ${arg}`);
  }
  for (const key of set.keys()) {
    if (remove.has(key)) throw new CliError(`can not both modify and remove a ${what} in the same command: ${key}`);
  }
  return { names, change: { set, remove } };
}

/** What a change does to a map as it is. */
export interface MapDifference {
  /** For a merge patch: text sets, null removes. Empty when nothing changes. */
  readonly patch: Readonly<Record<string, string | null>>;
  /** Keys to remove that are not there. */
  readonly missing: readonly string[];
  /** Whether anything is set; otherwise keys are only removed. */
  readonly sets: boolean;
}

/** Compares. Throws a {@link CliError} when a key has another value and `overwrite` is not given. */
export function diffMap(change: MapChange, current: ReadonlyMap<string, string>, overwrite: boolean): MapDifference {
  const patch: Record<string, string | null> = {};
  for (const [key, value] of change.set) {
    const before = current.get(key);
    if (before === value) continue;
    if (before !== undefined && !overwrite)
      throw new CliError(`'${key}' already has a value (${before}), and --overwrite is false`);
    patch[key] = value;
  }
  const sets = Object.keys(patch).length > 0;
  const missing: string[] = [];
  for (const key of change.remove) {
    if (current.has(key)) patch[key] = null;
    else missing.push(key);
  }
  return { patch, missing, sets };
}
