/**
 * Writes pod statuses: the newest of each pod, one write per pod at a time. What changes while a write is under way goes out
 * with the next. A pod that is merely being made waits a moment, as it will have more to say; everything else goes at once.
 * A lost server costs nothing: the newest status waits and is written when it is back.
 */

import { setMaxListeners } from 'node:events';
import { aborted } from '../../lib/aborted.ts';
import { Backoff } from '../../lib/backoff.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { hasReason } from '../../lib/errors.ts';
import { compareVersions } from '../../lib/resource-version.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import type { AgentLog } from './environment.ts';

/** What it is made of. */
export interface StatusWriterOptions {
  readonly client: ResourceClient;
  readonly clock: Clock;
  readonly log: AgentLog;
}

interface Entry {
  /** The newest object we know of, from a watch or a write. */
  pod: corev1.Pod;
  wanted: corev1.PodStatus;
  writing: Promise<void> | null;
  /** Cancels the write that is put off. */
  later: (() => void) | null;
}

/** How long news of progress may wait for what comes next. A pod whose image is present is running by then, even of many. */
const PROGRESS_DELAY_MS = 2000;
/** A container that waits for one of these is on its way. */
const PROGRESS_REASONS: ReadonlySet<string | undefined> = new Set(['ContainerCreating', 'PodInitializing']);

/** See the top of the file. Used by all pod workers; each pod's calls come from its own worker. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #stop = new AbortController();
  #retryNow = new AbortController();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    // Every write under way listens to it.
    setMaxListeners(0, this.#stop.signal);
  }

  /** Makes `status` the one to be reported for `pod` (its newest known object). Writes nothing when it is there already. */
  put(pod: corev1.Pod, status: corev1.PodStatus): void {
    const uid = pod.metadata?.uid ?? '';
    const entry = this.#entries.get(uid);
    if (entry === undefined) {
      const made: Entry = { pod, wanted: status, writing: null, later: null };
      this.#entries.set(uid, made);
      this.#schedule(uid, made);
      return;
    }
    if (isNewer(pod, entry.pod)) entry.pod = pod;
    entry.wanted = status;
    this.#schedule(uid, entry);
  }

  /** Resolves when nothing is left to write for the pod, or it cannot be written because the pod is gone. */
  async flush(uid: string, signal: AbortSignal): Promise<void> {
    const waiting = this.#entries.get(uid);
    if (waiting?.later != null) this.#write(uid, waiting);
    for (let entry = this.#entries.get(uid); entry?.writing != null; entry = this.#entries.get(uid)) {
      if (signal.aborted) return;
      await Promise.race([entry.writing, aborted(signal)]);
    }
  }

  /** The pod is gone. */
  forget(uid: string): void {
    this.#entries.get(uid)?.later?.();
    this.#entries.delete(uid);
  }

  /** The server may be back: do not wait for the back-off. */
  retryNow(): void {
    this.#retryNow.abort();
    this.#retryNow = new AbortController();
    setMaxListeners(0, this.#retryNow.signal);
  }

  /** Ends all writing. */
  close(): void {
    this.#stop.abort();
    this.#retryNow.abort();
    for (const entry of this.#entries.values()) entry.later?.();
    this.#entries.clear();
  }

  #schedule(uid: string, entry: Entry): void {
    if (!isProgress(entry.wanted)) {
      this.#write(uid, entry);
    } else if (entry.later === null && entry.writing === null && !sameStatus(entry.pod.status, entry.wanted)) {
      entry.later = this.#options.clock.setTimer(() => this.#write(uid, entry), PROGRESS_DELAY_MS);
    }
  }

  #write(uid: string, entry: Entry): void {
    entry.later?.();
    entry.later = null;
    if (entry.writing !== null || this.#stop.signal.aborted) return;
    if (sameStatus(entry.pod.status, entry.wanted)) return;
    entry.writing = this.#writeUntilSame(uid, entry).finally(() => {
      entry.writing = null;
      if (this.#entries.get(uid) === entry) this.#schedule(uid, entry);
    });
  }

  async #writeUntilSame(uid: string, entry: Entry): Promise<void> {
    const { clock, log } = this.#options;
    const backoff = new Backoff({ initialMs: 200, maxMs: 10_000, jitter: 0.2 });
    while (this.#entries.get(uid) === entry && !sameStatus(entry.pod.status, entry.wanted)) {
      try {
        await this.#writeOnce(entry);
        backoff.reset();
      } catch (err) {
        if (this.#stop.signal.aborted) return;
        if (isGone(err)) {
          this.#entries.delete(uid);
          return;
        }
        if (hasReason(err, 'Conflict')) {
          if (!(await this.#reread(uid, entry))) return;
          continue;
        }
        if (backoff.failures === 0) log.warn({ uid, err }, 'pod status not written, trying again');
        await sleep(clock, backoff.next(), this.#retryNow.signal);
        if (this.#stop.signal.aborted) return;
      }
    }
  }

  async #writeOnce(entry: Entry): Promise<void> {
    const status = withForeignConditions(entry.wanted, entry.pod.status);
    const { signal } = this.#stop;
    const written = await this.#options.client.update(
      KINDS.Pod,
      { ...entry.pod, status },
      { subresource: 'status', signal },
    );
    // Whatever the server made of it counts as said: comparing with its form again and again would never end.
    if (written.metadata?.uid === entry.pod.metadata?.uid) entry.pod = { ...written, status };
  }

  /** False when the pod is gone. */
  async #reread(uid: string, entry: Entry): Promise<boolean> {
    const { namespace, name = '' } = entry.pod.metadata ?? {};
    try {
      const pod = await this.#options.client.get(KINDS.Pod, { namespace, name }, this.#stop.signal);
      if (pod.metadata?.uid === uid) {
        entry.pod = pod;
        return true;
      }
      this.#entries.delete(uid);
      return false;
    } catch (err) {
      if (isGone(err)) {
        this.#entries.delete(uid);
        return false;
      }
      return true;
    }
  }
}

/** The pod is no more: there is none of its name, or only one that another node runs. */
function isGone(err: unknown): boolean {
  return hasReason(err, 'NotFound', 'Forbidden');
}

/** Whether the status only says that the pod is being made. */
function isProgress({ phase, initContainerStatuses = [], containerStatuses = [] }: corev1.PodStatus): boolean {
  if (phase !== 'Pending' || initContainerStatuses.some(({ state }) => state?.waiting === undefined)) return false;
  const all = [...initContainerStatuses, ...containerStatuses];
  return all.every(({ state }) => state?.waiting !== undefined && PROGRESS_REASONS.has(state.waiting.reason));
}

function isNewer(pod: corev1.Pod, than: corev1.Pod): boolean {
  const [a, b] = [pod.metadata?.resourceVersion ?? '', than.metadata?.resourceVersion ?? ''];
  if (a === '' || b === '') return b === '';
  return compareVersions(a, b) > 0;
}

/** Conditions that only others know are theirs: the newest stored ones stay. */
function withForeignConditions(wanted: corev1.PodStatus, stored: corev1.PodStatus | undefined): corev1.PodStatus {
  const own = new Set((wanted.conditions ?? []).map(({ type }) => type));
  const foreign = (stored?.conditions ?? []).filter(({ type }) => !own.has(type));
  return foreign.length === 0 ? wanted : { ...wanted, conditions: [...(wanted.conditions ?? []), ...foreign] };
}

/** Whether both say the same; unset, empty and zero are one. Conditions only `stored` has do not count. */
export function sameStatus(stored: corev1.PodStatus | undefined, wanted: corev1.PodStatus): boolean {
  if (stored === wanted) return true;
  return canonical(stored ?? {}) === canonical(withForeignConditions(wanted, stored));
}

function canonical(value: unknown): string {
  return JSON.stringify(prune(value)) ?? '';
}

function prune(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(prune);
  if (typeof value !== 'object' || value === null) {
    return value === '' || value === 0 || value === false || value === null ? undefined : value;
  }
  const entries = Object.entries(value)
    .filter(([key]) => key !== '_unknownFields')
    .map(([key, inner]) => [key, prune(inner)] as const)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
