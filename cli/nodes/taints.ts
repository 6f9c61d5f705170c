import { CliError } from '../errors/cli-error.ts';

/** A taint of a node. */
export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
}

/** Taints to set and to remove. Removing without an effect removes the key with every effect. */
export interface TaintChange {
  readonly set: readonly Taint[];
  readonly remove: readonly { readonly key: string; readonly effect?: string }[];
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** Splits arguments into nodes and taint changes: `key=value:Effect`, `key:Effect`, `key:Effect-`, `key-`. */
export function parseTaints(args: readonly string[]): { nodes: string[]; change: TaintChange } {
  const isTaint = (arg: string): boolean => arg.includes(':') || arg.includes('=') || arg.endsWith('-');
  const first = args.findIndex((arg) => isTaint(arg));
  if (first === -1) throw new CliError('at least one taint update is required, such as key=value:NoSchedule');
  const set: Taint[] = [];
  const remove: { key: string; effect?: string }[] = [];
  for (const arg of args.slice(first)) {
    const [, key, value, effect, minus] = /^([^=:]+?)(?:=([^:]*))?(?::([A-Za-z]+))?(-)?$/.exec(arg) ?? [];
    if (key === undefined || (minus === undefined && effect === undefined))
      throw new CliError(`invalid taint spec: ${arg}`);
    if (effect !== undefined && !EFFECTS.includes(effect)) {
      throw new CliError(
        `invalid taint effect: ${effect}, unsupported taint effect (it must be ${EFFECTS.join(', ')})`,
      );
    }
    if (minus !== undefined) remove.push(effect === undefined ? { key } : { key, effect });
    else set.push({ key, ...(value === undefined || value === '' ? {} : { value }), effect: effect ?? '' });
  }
  return { nodes: args.slice(0, first), change: { set, remove } };
}

/**
 * The taints a node then has, and the word for it. Throws a {@link CliError} when one to remove is not there, or one to set is
 * there with another value and `overwrite` is not given.
 */
export function changeTaints(
  node: string,
  current: readonly Taint[],
  change: TaintChange,
  overwrite: boolean,
): { taints: readonly Taint[]; word: 'tainted' | 'untainted' | 'modified' } {
  let taints = [...current];
  for (const { key, effect } of change.remove) {
    const kept = taints.filter((taint) => taint.key !== key || (effect !== undefined && taint.effect !== effect));
    if (kept.length === taints.length)
      throw new CliError(`taint "${effect === undefined ? key : `${key}:${effect}`}" not found`);
    taints = kept;
  }
  for (const taint of change.set) {
    const same = (other: Taint): boolean => other.key === taint.key && other.effect === taint.effect;
    if (taints.some((other) => same(other)) && !overwrite) {
      throw new CliError(`node ${node} already has ${taint.key} taint(s) with same effect(s) and --overwrite is false`);
    }
    taints = [...taints.filter((other) => !same(other)), taint];
  }
  const word = change.set.length === 0 ? 'untainted' : change.remove.length === 0 ? 'tainted' : 'modified';
  return { taints, word };
}
