import { CliError } from '../errors/cli-error.ts';

/** Collects a repeatable option whose values are taken whole, commas and all. */
export function collectWhole(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** A whole number within limits. Throws a {@link CliError} naming the flag. */
export function wholeNumber(text: string, flag: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text);
  if (/^-?\d{1,15}$/.test(text) && value >= min && value <= max) return value;
  throw new CliError(`invalid ${flag} "${text}": write a whole number from ${min} to ${max}`);
}

/** Limits of port numbers. */
export const PORTS = { min: 1, max: 65_535 } as const;

/** Limits of a 32-bit number that is not negative. */
export const COUNTS = { min: 0, max: 2_147_483_647 } as const;

/** `a=b` as a pair; the first `=` divides. Throws a {@link CliError} saying what `flag` expects. */
export function keyValue(text: string, flag: string): readonly [string, string] {
  const equals = text.indexOf('=');
  if (equals <= 0) throw new CliError(`invalid ${flag} "${text}": write it as key=value`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** The same text once each, in the order of their first occurrence. */
export function unique(values: readonly string[] | undefined): string[] {
  return [...new Set(values ?? [])];
}
