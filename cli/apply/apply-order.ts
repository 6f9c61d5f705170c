import type { Manifest } from '../manifest/manifest.ts';

/**
 * What others need comes first: scopes, definitions of kinds, identities, classes, configuration, rights, storage; what may
 * get in the way of everything else comes last. Kinds not named here stand between, in the order of the files.
 */
const ORDER: readonly (readonly string[])[] = [
  ['Namespace'],
  ['CustomResourceDefinition'],
  ['ServiceAccount'],
  ['PriorityClass', 'RuntimeClass', 'StorageClass', 'IngressClass', 'CSIDriver'],
  ['ResourceQuota', 'LimitRange'],
  ['ConfigMap', 'Secret'],
  ['ClusterRole', 'Role'],
  ['ClusterRoleBinding', 'RoleBinding'],
  ['PersistentVolume', 'PersistentVolumeClaim'],
];

const LAST: readonly string[] = ['APIService', 'MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'];

const RANKS: ReadonlyMap<string, number> = new Map(
  ORDER.flatMap((kinds, rank) => kinds.map((kind) => [kind, rank] as const)),
);

/** The manifests in the order in which they are best applied; within a rank, as they were. */
export function inApplyOrder<T extends Pick<Manifest, 'kind'>>(manifests: readonly T[]): T[] {
  return manifests.toSorted((a, b) => rankOf(a.kind) - rankOf(b.kind));
}

function rankOf(kind: string): number {
  return RANKS.get(kind) ?? (LAST.includes(kind) ? ORDER.length + 1 : ORDER.length);
}
