/** Sums of quantities by the name of what is counted, exact. */
import { formatQuantity, parseQuantity, type Quantity } from '../../lib/quantity.ts';
import { sortedKeys } from '../resources/sorted-keys.ts';

/** Amounts by name. */
export type Amounts = ReadonlyMap<string, Quantity>;

/** Nothing. */
export const ZERO: Quantity = { nano: 0n, family: 'decimal' };

/** So many whole things. */
export function whole(count: number): Quantity {
  return { nano: BigInt(count) * 1_000_000_000n, family: 'decimal' };
}

/** The sum, written in the family of the first unless that is zero. */
export function plus(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, family: a.nano === 0n ? b.family : a.family };
}

/** The larger of the two; the first when they are equal. */
export function larger(a: Quantity, b: Quantity): Quantity {
  return a.nano < b.nano ? b : a;
}

/** Adds `amounts` to `into`, in place. */
export function addAll(into: Map<string, Quantity>, amounts: Amounts): void {
  for (const [name, amount] of amounts) into.set(name, plus(into.get(name) ?? ZERO, amount));
}

/** Raises `into` to at least `amounts`, in place. */
export function raiseTo(into: Map<string, Quantity>, amounts: Amounts): void {
  for (const [name, amount] of amounts) {
    const known = into.get(name);
    into.set(name, known === undefined ? amount : larger(known, amount));
  }
}

/** The amounts of a resource list of the API; what is no quantity is left out. */
export function readAmounts(list: Readonly<Record<string, string>> | undefined): Map<string, Quantity> {
  const amounts = new Map<string, Quantity>();
  for (const [name, text] of Object.entries(list ?? {})) {
    const quantity = parseQuantity(text);
    if (quantity !== undefined) amounts.set(name, quantity);
  }
  return amounts;
}

/** A resource list of the API, with its keys in order. */
export function writeAmounts(amounts: Amounts): Record<string, string> {
  return sortedKeys(Object.fromEntries([...amounts].map(([name, amount]) => [name, formatQuantity(amount)])));
}

/** `cpu=1,pods=2`: for messages. */
export function amountsText(amounts: Amounts): string {
  return Object.entries(writeAmounts(amounts))
    .map(([name, text]) => `${name}=${text}`)
    .join(',');
}
