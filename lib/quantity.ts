/**
 * Kubernetes quantities: "100m", "1.5", "1Gi", "2e3". Values are exact, in billionths (nano), as Kubernetes keeps them;
 * anything finer is rounded up.
 */

/** A parsed quantity. `suffix` tells in which family it prints: 1000s, 1024s, or an exponent. */
export interface Quantity {
  readonly nano: bigint;
  readonly family: 'decimal' | 'binary' | 'exponent';
}

const NANO = 1_000_000_000n;
const DECIMAL = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const;
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;
const PATTERN = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$/;
/** Largest magnitude Kubernetes represents: 2^63 - 1. */
const MAX_NANO = (2n ** 63n - 1n) * NANO;
const MAX_TEXT = 64;

/** Reads `text`; undefined when it is not a quantity. Values beyond ±(2^63−1) are capped, as in Kubernetes. */
export function parseQuantity(text: string): Quantity | undefined {
  if (text.length > MAX_TEXT) return undefined;
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const [, sign, number = '', exponent, suffix = ''] = match;
  const [whole = '', fraction = ''] = number.split('.');
  const digits = BigInt(whole + fraction === '' ? '0' : whole + fraction);
  let scale = -fraction.length;
  let nano: bigint;
  let family: Quantity['family'] = 'decimal';
  const binary = BINARY.indexOf(suffix as (typeof BINARY)[number]);
  if (exponent !== undefined) {
    family = 'exponent';
    scale += Number(exponent.slice(1));
    nano = scaled(digits, scale);
  } else if (suffix !== '' && binary > 0) {
    family = 'binary';
    nano = scaled(digits * 1024n ** BigInt(binary), scale);
  } else {
    scale += (DECIMAL.indexOf(suffix as (typeof DECIMAL)[number]) - 3) * 3;
    nano = scaled(digits, scale);
  }
  if (nano > MAX_NANO) nano = MAX_NANO;
  return { nano: sign === '-' ? -nano : nano, family };
}

/** digits × 10^scale in nano units, rounded up (away from zero). */
function scaled(digits: bigint, scale: number): bigint {
  const power = scale + 9;
  if (digits === 0n) return 0n;
  if (power >= 0) return power > 60 ? MAX_NANO + 1n : digits * 10n ** BigInt(power);
  const divisor = 10n ** BigInt(Math.min(-power, 200));
  return (digits + divisor - 1n) / divisor;
}

/** The canonical text: the largest suffix of the quantity's family that leaves no fraction. */
export function formatQuantity(quantity: Quantity): string {
  const { nano } = quantity;
  if (nano === 0n) return '0';
  const sign = nano < 0n ? '-' : '';
  const magnitude = nano < 0n ? -nano : nano;
  if (quantity.family === 'binary' && magnitude % NANO === 0n && magnitude / NANO >= 1024n) {
    let value = magnitude / NANO;
    let index = 0;
    while (index < BINARY.length - 1 && value % 1024n === 0n) {
      value /= 1024n;
      index += 1;
    }
    return `${sign}${value}${BINARY[index]}`;
  }
  let value = magnitude;
  let index = 0;
  while (index < DECIMAL.length - 1 && value % 1000n === 0n) {
    value /= 1000n;
    index += 1;
  }
  if (quantity.family !== 'exponent' || index === 3) return `${sign}${value}${DECIMAL[index]}`;
  return `${sign}${value}e${(index - 3) * 3}`;
}

/** `text` in canonical form; undefined when it is not a quantity. */
export function canonicalQuantity(text: string): string | undefined {
  const quantity = parseQuantity(text);
  return quantity === undefined ? undefined : formatQuantity(quantity);
}

/** The value in whole units, rounded up; 0 for undefined or unreadable text. For bytes and counts. */
export function quantityUnits(text: string | undefined): number {
  return ceilDiv(text, NANO);
}

/** The value in thousandths, rounded up; 0 for undefined or unreadable text. For CPU. */
export function quantityMilli(text: string | undefined): number {
  return ceilDiv(text, 1_000_000n);
}

/** The value as a number, whole units exact up to 2^53; undefined when `text` is not a quantity. To order, add up and show. */
export function quantityNumber(text: string): number | undefined {
  const quantity = parseQuantity(text);
  return quantity === undefined ? undefined : Number(quantity.nano / NANO) + Number(quantity.nano % NANO) / 1e9;
}

function ceilDiv(text: string | undefined, divisor: bigint): number {
  const nano = text === undefined ? 0n : (parseQuantity(text)?.nano ?? 0n);
  const quotient = nano / divisor;
  return Number(nano > 0n && nano % divisor !== 0n ? quotient + 1n : quotient);
}
