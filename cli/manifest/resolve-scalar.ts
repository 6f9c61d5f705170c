/**
 * What a plain YAML scalar means to Kubernetes: the 1.2 core schema with 1.1's booleans and leading-zero octals, `0o`, `0b`
 * and underscores in numbers; no base-60 numbers and no dates. The rules were checked against kubectl 1.32.
 */

const WORDS: ReadonlyMap<string, null | boolean> = new Map([
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
]);

const INTEGER = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const NOT_FINITE = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** A scalar that JSON cannot express, such as `.inf`. The message has no place; the caller knows it. */
export class ScalarError extends Error {
  override readonly name = 'ScalarError';
}

/** The value of an unquoted scalar. Throws {@link ScalarError} for infinities and NaN. */
export function resolvePlain(text: string): null | boolean | number | bigint | string {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(text)) return text;
  if (NOT_FINITE.test(text)) throw new ScalarError(`${text} is not a number JSON can hold; quote it if it is text`);
  return resolveNumber(text) ?? text;
}

/** The number that `text` spells, exact if whole; undefined when it spells none. */
export function resolveNumber(text: string): number | bigint | undefined {
  const plain = text.replaceAll('_', '');
  const integer = INTEGER.exec(plain);
  if (integer !== null) {
    const [, sign, hex, binary, octal, decimal] = integer;
    const digits =
      hex !== undefined
        ? `0x${hex}`
        : binary !== undefined
          ? `0b${binary}`
          : octal !== undefined
            ? `0o${octal}`
            : decimal;
    const magnitude = BigInt(digits ?? 0);
    return smallest(sign === '-' ? -magnitude : magnitude);
  }
  if (!FLOAT.test(plain)) return undefined;
  const number = Number(plain);
  // Beyond the range of a double it stays text, as Kubernetes has it. Adding 0 turns -0 into 0.
  return Number.isFinite(number) ? number + 0 : undefined;
}

function smallest(whole: bigint): number | bigint {
  const number = Number(whole);
  return Number.isSafeInteger(number) ? number : whole;
}
