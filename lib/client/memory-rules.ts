/** What the fake API does to single objects: the same as the real one for the kinds that controllers and the agent write. */
import type { appsv1, corev1, KubeObject, metav1, ResourceType } from '../../proto/index.ts';
import type { DeleteOptions } from './resource-client.ts';

type Loose = Record<string, unknown>;

/** Finalizers the garbage collector acts on. */
const ORPHAN = 'orphan';
const FOREGROUND = 'foregroundDeletion';

/** Fresh status and server-owned parts of a new object, in place. A Node keeps the status it comes with, as its agent reports it. */
export function prepareForCreate(type: ResourceType, object: KubeObject): void {
  const loose = object as Loose;
  switch (type.kind) {
    case 'Pod':
      loose.status = { phase: 'Pending' } satisfies corev1.PodStatus;
      break;
    case 'Namespace':
      loose.status = { phase: 'Active' } satisfies corev1.NamespaceStatus;
      loose.spec = { finalizers: ['kubernetes'] } satisfies corev1.NamespaceSpec;
      break;
    case 'Deployment':
    case 'ReplicaSet':
      loose.spec = { replicas: 1, ...(object as appsv1.ReplicaSet).spec };
      delete loose.status;
      break;
    default:
  }
}

/** Whether the kind has a generation, which counts changes of what is wanted. */
export function hasGeneration(type: ResourceType): boolean {
  return type.kind === 'Pod' || type.kind === 'Deployment' || type.kind === 'ReplicaSet';
}

/** Whether the two differ outside metadata and status. */
export function specDiffers(a: KubeObject, b: KubeObject): boolean {
  return !sameValue(desired(a as Loose), desired(b as Loose));
}

function desired(object: Loose): Loose {
  return { ...object, metadata: undefined, status: undefined, apiVersion: undefined, kind: undefined };
}

/** Whether status writes are kept apart from the others. */
export function hasStatus(type: ResourceType): boolean {
  return ['Pod', 'Namespace', 'Node', 'Deployment', 'ReplicaSet', 'Service'].includes(type.kind);
}

/** Structural equality that reads a missing property and an undefined one as the same. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Loose;
  const right = b as Loose;
  for (const key of Object.keys(left)) if (!sameValue(left[key], right[key])) return false;
  for (const key of Object.keys(right)) if (right[key] !== undefined && left[key] === undefined) return false;
  return true;
}

/** Seconds a deleted object is left to end by itself; 0 for kinds that go at once. */
export function graceSeconds(type: ResourceType, object: KubeObject, asked: number | undefined): number {
  if (type.kind !== 'Pod') return 0;
  const { spec, status } = object as corev1.Pod;
  if ((spec?.nodeName ?? '') === '' || status?.phase === 'Succeeded' || status?.phase === 'Failed') return 0;
  return Math.max(0, asked ?? spec?.terminationGracePeriodSeconds ?? 30);
}

/** Finalizers after a deletion request with that propagation policy. */
export function finalizersForDeletion(
  metadata: metav1.ObjectMeta,
  policy: DeleteOptions['propagationPolicy'],
): string[] {
  const present = metadata.finalizers ?? [];
  if (policy === undefined) return present;
  const others = present.filter((name) => name !== ORPHAN && name !== FOREGROUND);
  if (policy === 'Orphan') return [...others, ORPHAN];
  return policy === 'Foreground' ? [...others, FOREGROUND] : others;
}

/** Whether something still holds an object that is marked for deletion. */
export function isHeld(type: ResourceType, object: KubeObject): boolean {
  if ((object.metadata?.finalizers ?? []).length > 0) return true;
  if (type.kind === 'Namespace') return ((object as corev1.Namespace).spec?.finalizers ?? []).length > 0;
  return (object.metadata?.deletionGracePeriodSeconds ?? 0) > 0;
}

/** The value of a field such as `status.phase` as a field selector sees it. */
export function fieldValue(object: KubeObject, path: string): string {
  let value: unknown = object;
  for (const part of path.split('.')) value = (value as Loose | undefined)?.[part];
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}

/** Freezes an object and everything in it, so that a caller that changes a shared object is found out at once. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
  return value;
}
