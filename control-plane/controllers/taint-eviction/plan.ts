/** How long a pod may stay on a node, given the node's NoExecute taints and the pod's tolerations. */
import { type Taint, tolerates } from '../../../lib/taints.ts';
import type { corev1 } from '../../../proto/index.ts';

/** The taints that drive pods off a node. */
export function evictingTaints(node: corev1.Node): readonly Taint[] {
  return (node.spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute');
}

/**
 * Milliseconds the pod may stay: 0 when some taint is not tolerated, undefined when all are tolerated without limit,
 * otherwise the shortest of the limits.
 */
export function stayMs(pod: corev1.Pod, taints: readonly Taint[]): number | undefined {
  let shortest: number | undefined;
  for (const taint of taints) {
    const matching = (pod.spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    for (const { tolerationSeconds } of matching) {
      if (tolerationSeconds === undefined) continue;
      const limitMs = Math.max(0, tolerationSeconds) * 1000;
      shortest = shortest === undefined ? limitMs : Math.min(shortest, limitMs);
    }
  }
  return shortest;
}
