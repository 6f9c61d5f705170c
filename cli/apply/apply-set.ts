import { type Clock, sleep, systemClock } from '../../lib/clock.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { inApplyOrder } from './apply-order.ts';

/** How a set is applied. */
export interface ApplySetOptions<T> {
  /** Applies one object. */
  readonly apply: (manifest: Manifest) => Promise<T>;
  /** Whether a failure only says that something else of the set is not there yet. */
  readonly isNotYet: (manifest: Manifest, err: unknown) => boolean;
  /** Whether a failure is the object's own, so that the others are still worth trying. */
  readonly concernsOneObject: (err: unknown) => boolean;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** What became of a set. */
export interface AppliedSet<T> {
  readonly applied: readonly { readonly manifest: Manifest; readonly result: T }[];
  readonly failed: readonly { readonly manifest: Manifest; readonly err: unknown }[];
}

/** How long objects may wait in all for what they need of the same set. */
const MAX_WAIT_MS = 30_000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;

/**
 * Applies all manifests, what others need first. An object refused only because something of the same set is not there yet is
 * tried again, less and less often, for half a minute in all after the rest is done; it does not wait for what has failed.
 */
export async function applySet<T>(manifests: readonly Manifest[], options: ApplySetOptions<T>): Promise<AppliedSet<T>> {
  const { apply, isNotYet, concernsOneObject, signal, clock = systemClock } = options;
  const applied: { manifest: Manifest; result: T }[] = [];
  const failed: { manifest: Manifest; err: unknown }[] = [];
  const startMs = clock.monotonicMs();
  let pending = inApplyOrder(manifests);
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    const refused: { manifest: Manifest; err: unknown }[] = [];
    for (const manifest of pending) {
      try {
        applied.push({ manifest, result: await apply(manifest) });
      } catch (err) {
        if (isNotYet(manifest, err)) refused.push({ manifest, err });
        else failed.push({ manifest, err });
        if (!concernsOneObject(err)) return { applied, failed };
      }
    }
    pending = refused.map(({ manifest }) => manifest);
    const needed = failed.some(({ manifest }) => manifest.kind === 'Namespace' || isDefinition(manifest));
    const late = clock.monotonicMs() - startMs + waitMs > MAX_WAIT_MS;
    if (pending.length === 0 || needed || late || signal.aborted) {
      return { applied, failed: [...failed, ...refused] };
    }
    await sleep(clock, waitMs, signal);
  }
}

function isDefinition({ kind }: Manifest): boolean {
  return kind === 'CustomResourceDefinition';
}
