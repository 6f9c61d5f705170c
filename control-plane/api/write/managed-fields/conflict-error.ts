/** Conflicts between managers, in Kubernetes' words. */
import { ApiError } from '../../../../lib/errors.ts';
import { printPath } from '../../../merge/fields-v1.ts';
import type { FieldConflict, Writer } from '../../../merge/owners.ts';

/** The refusal of an apply whose fields others own with other values: one cause per field. */
export function applyConflict(conflicts: readonly FieldConflict[]): ApiError {
  const causes = conflicts.map(({ owner, path }) => ({
    field: printPath(path),
    reason: 'FieldManagerConflict',
    message: `conflict with ${describe(owner)}`,
  }));
  return new ApiError('Conflict', messageOf(conflicts), { causes });
}

function messageOf(conflicts: readonly FieldConflict[]): string {
  const [first] = conflicts;
  if (conflicts.length === 1 && first !== undefined) {
    return `Apply failed with 1 conflict: conflict with ${describe(first.owner)}: ${printPath(first.path)}`;
  }
  const byOwner = new Map<string, string[]>();
  for (const { owner, path } of conflicts) {
    const name = describe(owner);
    byOwner.set(name, [...(byOwner.get(name) ?? []), `- ${printPath(path)}`]);
  }
  const lines = [...byOwner.keys()].sort().flatMap((name) => [`conflicts with ${name}:`, ...(byOwner.get(name) ?? [])]);
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

/** `"web"` for an applier, `"hpa" with subresource "scale" using apps/v1` for an updater. */
function describe({ manager, operation, apiVersion, subresource }: Writer): string {
  const through = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(manager)}${through}${operation === 'Update' ? ` using ${apiVersion}` : ''}`;
}
