/**
 * The one loop that drives every controller: takes keys from a queue and calls a reconciler with each.
 *
 * The reconciler reads current state itself; it is never told what happened. The loop owns de-duplication (the queue), one
 * reconcile per key at a time, back-off after a throw, the time limit, and the fields of log lines.
 */

import { setMaxListeners } from 'node:events';
import { type Clock, systemClock } from './clock.ts';
import { errorMessage, hasReason } from './errors.ts';
import type { WorkQueue } from './work-queue.ts';

/** What a reconcile came to: nothing left to do now, or look again after some milliseconds. Failing is throwing. */
export type Outcome = { readonly kind: 'done' } | { readonly kind: 'after'; readonly delayMs: number };

/** Nothing to do until something changes. */
export const done: Outcome = { kind: 'done' };

/** Look again after `delayMs`, without counting as a failure. */
export function after(delayMs: number): Outcome {
  return { kind: 'after', delayMs };
}

/** The part of a pino logger the loop needs. */
export interface LoopLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What {@link runReconcileLoop} is given. */
export interface ReconcileLoopOptions {
  /** Name in log lines. */
  readonly name: string;
  readonly queue: WorkQueue;
  /** Keys reconciled at the same time; 4 unless said. */
  readonly workers?: number;
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Outcome>;
  /** Milliseconds one reconcile may take before its signal aborts; 60,000 unless said. */
  readonly timeoutMs?: number;
  readonly log: LoopLog;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Runs until `signal` aborts and every reconcile under way has settled; closes the queue then. Never rejects. */
export async function runReconcileLoop(options: ReconcileLoopOptions): Promise<void> {
  const { queue, signal } = options;
  const close = (): void => queue.close();
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  await Promise.all(Array.from({ length: options.workers ?? 4 }, () => work(options)));
  signal.removeEventListener('abort', close);
}

async function work(options: ReconcileLoopOptions): Promise<void> {
  for (let key = await options.queue.take(); key !== undefined; key = await options.queue.take()) {
    try {
      await reconcileOnce(options, key);
    } finally {
      options.queue.done(key);
    }
  }
}

async function reconcileOnce(options: ReconcileLoopOptions, key: string): Promise<void> {
  const { queue, name, log } = options;
  const clock = options.clock ?? systemClock;
  const startMs = clock.monotonicMs();
  const limit = new AbortController();
  setMaxListeners(0, limit.signal);
  const abort = (): void => limit.abort(options.signal.reason);
  options.signal.addEventListener('abort', abort, { once: true });
  const timeoutMs = options.timeoutMs ?? 60_000;
  const cancelTimer = clock.setTimer(() => limit.abort(new Error(`no end after ${timeoutMs} ms`)), timeoutMs);
  try {
    const outcome = await options.reconcile(key, limit.signal);
    queue.forget(key);
    if (outcome.kind === 'after') queue.addAfter(key, outcome.delayMs);
    log.debug(
      { controller: name, key, durationMs: clock.monotonicMs() - startMs, outcome: outcome.kind },
      'reconciled',
    );
  } catch (err) {
    if (options.signal.aborted) return;
    const retryMs = queue.addRateLimited(key);
    const fields = { controller: name, key, durationMs: clock.monotonicMs() - startMs, retryMs, err };
    // A conflict is how two writers take turns: the next look reads the newer object.
    if (hasReason(err, 'Conflict')) log.debug({ ...fields, err: errorMessage(err) }, 'reconcile met a newer version');
    else log.warn(fields, 'cannot reconcile');
  } finally {
    cancelTimer();
    options.signal.removeEventListener('abort', abort);
  }
}
