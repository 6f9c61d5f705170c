import type { WriteResult } from '../../store/store.ts';
import type { ApiServices } from '../services.ts';
import { type CountedWrite, quotaLedgerOf } from './quota-ledger.ts';

/** What besides the write itself is asked. */
export interface CommitOptions {
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Commits one write, with what it changes of its namespace's quotas in the same transaction. Where no quota is concerned
 * this is the store's own grouped commit and costs one look into memory. A dry run only asks whether there is room; its
 * version is the one it was decided from. Throws `Forbidden` when there is none.
 */
export async function commitCounted(
  services: ApiServices,
  counted: CountedWrite,
  { dryRun, signal }: CommitOptions,
): Promise<WriteResult> {
  const ledger = quotaLedgerOf(services);
  const isConcerned = ledger.concerns(counted);
  if (dryRun) {
    if (isConcerned) await ledger.check(counted);
    return { ok: true, version: counted.write.ifVersion };
  }
  const { write, alongside = [] } = counted;
  if (!isConcerned && alongside.length === 0) return services.store.commitEach(write, signal);
  if (!isConcerned) {
    const [result, ...others] = await services.store.commit([write, ...alongside], signal);
    if (result === undefined) throw new Error(`no result of the write of ${write.key}`);
    // All or none: what stands in the way of the others, too, makes the caller decide anew.
    return others.every((other) => other.ok)
      ? result
      : { ok: false, current: result.ok ? counted.entry : result.current };
  }
  signal?.throwIfAborted();
  return ledger.commit(counted);
}
