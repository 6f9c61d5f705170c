/** The conditions of a namespace that is going, from what was found in it. */
import type { corev1 } from '../../../proto/index.ts';

/** What is left of one kind. */
export interface Remaining {
  /** `pods`, or `replicasets.apps`. */
  readonly resource: string;
  readonly count: number;
  /** How many objects each finalizer still holds. */
  readonly finalizers: ReadonlyMap<string, number>;
}

/** What a pass over the namespace came to. */
export interface PassResult {
  readonly remaining: readonly Remaining[];
  /** Why something could not be deleted. */
  readonly failures: readonly string[];
}

type Condition = corev1.NamespaceCondition;

/** The status of a terminating namespace after a pass. */
export function terminatingStatus(
  old: corev1.NamespaceStatus | undefined,
  { remaining, failures }: PassResult,
  now: string,
): corev1.NamespaceStatus {
  const counts = remaining.filter((r) => r.count > 0).map((r) => `${r.resource} has ${r.count} resource instances`);
  const finalizers = new Map<string, number>();
  for (const { finalizers: held } of remaining) {
    for (const [name, count] of held) finalizers.set(name, (finalizers.get(name) ?? 0) + count);
  }
  const held = [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`);
  const wanted: Condition[] = [
    fine('NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered', 'All resources successfully discovered'),
    fine(
      'NamespaceDeletionGroupVersionParsingFailure',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    failures.length === 0
      ? fine(
          'NamespaceDeletionContentFailure',
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        )
      : trouble(
          'NamespaceDeletionContentFailure',
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${failures.length} remaining: ${failures.join(', ')}`,
        ),
    counts.length === 0
      ? fine('NamespaceContentRemaining', 'ContentRemoved', 'All content successfully removed')
      : trouble(
          'NamespaceContentRemaining',
          'SomeResourcesRemain',
          `Some resources are remaining: ${counts.join(', ')}`,
        ),
    held.length === 0
      ? fine('NamespaceFinalizersRemaining', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished')
      : trouble(
          'NamespaceFinalizersRemaining',
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${held.join(', ')}`,
        ),
  ];
  const conditions = wanted.map((condition) => {
    const before = old?.conditions?.find((c) => c.type === condition.type);
    const same = before !== undefined && before.status === condition.status && before.reason === condition.reason;
    return { ...condition, lastTransitionTime: same ? before.lastTransitionTime : now };
  });
  const others = (old?.conditions ?? []).filter((c) => !wanted.some((w) => w.type === c.type));
  return { phase: 'Terminating', conditions: [...others, ...conditions] };
}

function fine(type: string, reason: string, message: string): Condition {
  return { type, status: 'False', reason, message };
}

function trouble(type: string, reason: string, message: string): Condition {
  return { type, status: 'True', reason, message };
}
