/** What the type of a service entails: which fields it needs, and which it may not have. */
import type { corev1 } from '../../proto/index.ts';

type Spec = corev1.ServiceSpec | undefined;

/** What stands in place of an address when a service has none. */
export const NO_ADDRESS = 'None';

/** Whether the service has a place in the cluster's service addresses (or says that it wants none). */
export function needsClusterIP(spec: Spec): boolean {
  return spec?.type !== 'ExternalName';
}

/** A service without address: its name stands for the pods themselves. */
export function isHeadless(spec: Spec): boolean {
  return needsClusterIP(spec) && (spec?.clusterIPs?.[0] === NO_ADDRESS || spec?.clusterIP === NO_ADDRESS);
}

/** Whether the service's ports are open on every node. */
export function needsNodePorts(spec: Spec): boolean {
  if (spec?.type === 'NodePort') return true;
  return spec?.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false;
}

/** Whether the service's ports may have node ports. */
export function mayHaveNodePorts(spec: Spec): boolean {
  return spec?.type === 'NodePort' || spec?.type === 'LoadBalancer';
}

/** Whether traffic from outside may come to the service. */
export function isReachedFromOutside(spec: Spec): boolean {
  if (mayHaveNodePorts(spec)) return true;
  return spec?.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0;
}

/** Whether nodes say on a port of their own whether they have pods of the service. */
export function needsHealthCheckPort(spec: Spec): boolean {
  return spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}
