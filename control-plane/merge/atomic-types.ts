/**
 * Objects and maps that Kubernetes owns as a whole although they have members: references, selectors, and their like. Everything
 * else is owned member by member.
 */

/** Full names of the messages. */
export const ATOMIC_MESSAGES: ReadonlySet<string> = new Set([
  'skiff.meta.v1.LabelSelector',
  'skiff.meta.v1.OwnerReference',
  'skiff.core.v1.ConfigMapKeySelector',
  'skiff.core.v1.EndpointAddress',
  'skiff.core.v1.EndpointPort',
  'skiff.core.v1.FileKeySelector',
  'skiff.core.v1.LocalObjectReference',
  'skiff.core.v1.NodeSelector',
  'skiff.core.v1.NodeSelectorTerm',
  'skiff.core.v1.ObjectFieldSelector',
  'skiff.core.v1.ObjectReference',
  'skiff.core.v1.ResourceFieldSelector',
  'skiff.core.v1.ScopeSelector',
  'skiff.core.v1.ScopedResourceSelectorRequirement',
  'skiff.core.v1.SecretKeySelector',
  'skiff.core.v1.SecretReference',
  'skiff.core.v1.TopologySelectorTerm',
  'skiff.core.v1.TypedLocalObjectReference',
  'skiff.autoscaling.v1.CrossVersionObjectReference',
  'skiff.autoscaling.v2.CrossVersionObjectReference',
  'skiff.discovery.v1.EndpointPort',
  'skiff.networking.v1.ServiceBackendPort',
  'skiff.rbac.v1.RoleRef',
  'skiff.rbac.v1.Subject',
]);

/** Fields that are maps, as `message.field`. */
export const ATOMIC_FIELDS: ReadonlySet<string> = new Set([
  'skiff.core.v1.PodSpec.nodeSelector',
  'skiff.core.v1.ReplicationControllerSpec.selector',
  'skiff.core.v1.ServiceSpec.selector',
  'skiff.node.v1.Scheduling.nodeSelector',
]);
