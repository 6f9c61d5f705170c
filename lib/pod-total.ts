/** What a pod takes as a whole, from what each of its containers takes. */
import type { corev1 } from '../proto/index.ts';

/** How amounts are combined. Both functions are pure; `zero` changes nothing in either. */
export interface Arithmetic<T> {
  readonly zero: T;
  readonly plus: (a: T, b: T) => T;
  readonly max: (a: T, b: T) => T;
}

/** An init container that keeps running beside the others (`restartPolicy: Always`). */
export function isSidecar(container: corev1.Container): boolean {
  return container.restartPolicy === 'Always';
}

/**
 * The larger of what the containers take together, sidecars included, and what starting them takes: init containers run one
 * after the other, beside the sidecars before them.
 */
export function podTotal<T>(
  spec: corev1.PodSpec | undefined,
  amountOf: (container: corev1.Container) => T,
  { zero, plus, max }: Arithmetic<T>,
): T {
  let sidecars = zero;
  let peak = zero;
  for (const container of spec?.initContainers ?? []) {
    const needed = plus(sidecars, amountOf(container));
    if (isSidecar(container)) sidecars = needed;
    peak = max(peak, needed);
  }
  const containers = (spec?.containers ?? []).reduce((sum, container) => plus(sum, amountOf(container)), zero);
  return max(plus(containers, sidecars), peak);
}

/** {@link podTotal} of amounts by name, each name for itself; what is not there counts as nothing. */
export function podTotals<T>(
  spec: corev1.PodSpec | undefined,
  amountsOf: (container: corev1.Container) => ReadonlyMap<string, T>,
  { plus, max }: Pick<Arithmetic<T>, 'plus' | 'max'>,
): Map<string, T> {
  const total = podTotal<ReadonlyMap<string, T>>(spec, amountsOf, {
    zero: new Map(),
    plus: (a, b) => combined(a, b, plus),
    max: (a, b) => combined(a, b, max),
  });
  return new Map(total);
}

/** The amounts of both; `combine` decides where both have one. */
function combined<T>(
  a: ReadonlyMap<string, T>,
  b: ReadonlyMap<string, T>,
  combine: (a: T, b: T) => T,
): ReadonlyMap<string, T> {
  if (b.size === 0) return a;
  if (a.size === 0) return b;
  const both = new Map(a);
  for (const [name, amount] of b) {
    const known = both.get(name);
    both.set(name, known === undefined ? amount : combine(known, amount));
  }
  return both;
}
