/** Taints of nodes and tolerations of pods, as the scheduler, the eviction of pods and the agent read them. */
import type { corev1 } from '../proto/index.ts';

/** A taint. */
export type Taint = corev1.Taint;

/** Whether `toleration` tolerates `taint`. An empty key with `Exists` tolerates everything; an empty effect every effect. */
export function tolerates(toleration: corev1.Toleration, taint: Taint): boolean {
  const { key = '', operator = 'Equal', value = '', effect = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  switch (operator) {
    case '':
    case 'Equal':
      return key !== '' && value === (taint.value ?? '');
    case 'Exists':
      return true;
    case 'Gt':
      return isInteger(taint.value) && isInteger(value) && BigInt(taint.value) > BigInt(value);
    case 'Lt':
      return isInteger(taint.value) && isInteger(value) && BigInt(taint.value) < BigInt(value);
    default:
      return false;
  }
}

/** The first taint with one of `effects` that no toleration tolerates. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly corev1.Toleration[] | undefined,
  effects: readonly string[],
): Taint | undefined {
  return taints?.find(
    (taint) => effects.includes(taint.effect ?? '') && !(tolerations ?? []).some((t) => tolerates(t, taint)),
  );
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d+$/.test(text);
}
