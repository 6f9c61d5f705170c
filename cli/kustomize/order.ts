import type { Resource } from './resource.ts';

const FIRST = [
  'Namespace',
  'ResourceQuota',
  'StorageClass',
  'CustomResourceDefinition',
  'ServiceAccount',
  'PodSecurityPolicy',
  'Role',
  'ClusterRole',
  'RoleBinding',
  'ClusterRoleBinding',
  'ConfigMap',
  'Secret',
  'Endpoints',
  'Service',
  'LimitRange',
  'PriorityClass',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'Deployment',
  'StatefulSet',
  'CronJob',
  'PodDisruptionBudget',
];
const LAST = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'];

/** The resources in the order in which kustomize prints them: by kind, then by group, version, namespace and name. */
export function inPrintedOrder(resources: readonly Resource[]): Resource[] {
  return resources
    .map((resource) => ({ resource, rank: rankOf(resource.kind), key: keyOf(resource) }))
    .sort((a, b) => a.rank - b.rank || (a.key < b.key ? -1 : 1))
    .map(({ resource }) => resource);
}

function rankOf(kind: string): number {
  const first = FIRST.indexOf(kind);
  if (first !== -1) return first - FIRST.length;
  return LAST.includes(kind) ? LAST.indexOf(kind) + 1 : 0;
}

/** What is empty comes after everything that is not: a tilde is after all letters. */
function keyOf({ group, version, kind, namespace, name }: Resource): string {
  return `${group || '~G'}_${version || '~V'}_${kind}|${namespace || '~X'}|${name || '~N'}`;
}
