/** Where Ingresses are reached. Pure. */
import { INGRESS_READY } from '../../../lib/ingress-class.ts';
import type { corev1 } from '../../../proto/index.ts';

/** Addresses of the nodes that are Ready and say that they serve Ingresses, sorted; external ones where a node has one. */
export function ingressAddresses(nodes: readonly corev1.Node[]): string[] {
  const serving = nodes.filter(({ status }) =>
    ['Ready', INGRESS_READY].every((type) =>
      status?.conditions?.some((condition) => condition.type === type && condition.status === 'True'),
    ),
  );
  const addresses = serving.flatMap(({ status }) => {
    const all = status?.addresses ?? [];
    const best = all.find(({ type }) => type === 'ExternalIP') ?? all.find(({ type }) => type === 'InternalIP');
    return best?.address ?? [];
  });
  return [...new Set(addresses)].sort();
}
