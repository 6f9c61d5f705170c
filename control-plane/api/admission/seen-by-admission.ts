import { KINDS } from '../../../proto/index.ts';
import type { ResourceVersion } from '../../store/store.ts';
import type { Target } from '../request/target.ts';
import type { ApiServices } from '../services.ts';

/** Kinds that admission reads from the cache. */
const READ_BY_ADMISSION: ReadonlySet<string> = new Set(
  [
    KINDS.Namespace,
    KINDS.ResourceQuota,
    KINDS.LimitRange,
    KINDS.ServiceAccount,
    KINDS.PriorityClass,
    KINDS.StorageClass,
    KINDS.IngressClass,
  ].map((type) => type.messageName),
);

/** The watch is milliseconds behind; when it is cut, nobody waits longer than this. */
const LONGEST_MS = 2_000;

/**
 * Resolves when admission on this server goes by the version just written, if its kind is one that admission goes by: who has
 * written a quota finds it in force for the next write.
 */
export async function seenByAdmission(services: ApiServices, target: Target, version: ResourceVersion): Promise<void> {
  const { definition, subresource } = target;
  if (subresource !== '' || !READ_BY_ADMISSION.has(definition.type.messageName)) return;
  await services.cache.waitFor(version, AbortSignal.timeout(LONGEST_MS)).catch(() => undefined);
}
