/**
 * Pods waiting for a node.
 *
 *   add ──▶ active ──take──▶ (in the scheduler's hands) ──bound──▶ forgotten
 *             ▲                     │
 *             │ back-off over       │ no node fits / an error
 *             └──── waiting ◀───────┘
 *
 * Active pods come out by priority, then by age. A pod that fitted nowhere waits until something happens that may help it,
 * and in any case no shorter than its back-off of 1 to 10 seconds.
 */
import { type BackoffOptions, backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { corev1 } from '../../proto/index.ts';
import { IndexedHeap } from './indexed-heap.ts';
import { templateKey } from './template-key.ts';

/** A pod in the queue. */
export interface QueuedPod {
  readonly uid: string;
  /** The newest version seen. */
  pod: corev1.Pod;
  templateKey: string;
  readonly priority: number;
  /** Order of arrival. */
  readonly order: number;
  attempts: number;
  /** Monotonic milliseconds before which it is not tried again. */
  notBeforeMs: number;
  /** The last reason it was told, so that it is told only once. */
  lastMessage: string;
}

const BACKOFF: BackoffOptions = { initialMs: 1_000, maxMs: 10_000 };

/** See the top of the file. */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #pods = new Map<string, QueuedPod>();
  readonly #active = new IndexedHeap<QueuedPod>((a, b) =>
    a.priority === b.priority ? a.order < b.order : a.priority > b.priority,
  );
  /** Pods that fitted nowhere, by template. */
  readonly #waiting = new Map<string, Set<QueuedPod>>();
  readonly #timers = new Map<string, () => void>();
  #order = 0;
  #wake: () => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Pods ready to be tried. */
  get activeCount(): number {
    return this.#active.size;
  }

  /** Templates of the pods that wait for something to happen. */
  waitingTemplates(): string[] {
    return [...this.#waiting.keys()];
  }

  /** A pod without a node came or changed. A change of what it asks makes it active at once. */
  add(pod: corev1.Pod): void {
    const uid = pod.metadata?.uid ?? '';
    const key = templateKey(pod.spec ?? {});
    const known = this.#pods.get(uid);
    if (known !== undefined) {
      known.pod = pod;
      if (known.templateKey === key) return;
      const waited = this.#stopWaiting(known);
      known.templateKey = key;
      if (waited) this.#activate(known);
      return;
    }
    const priority = pod.spec?.priority ?? 0;
    const queued: QueuedPod = {
      uid,
      pod,
      templateKey: key,
      priority,
      order: this.#order,
      attempts: 0,
      notBeforeMs: 0,
      lastMessage: '',
    };
    this.#order += 1;
    this.#pods.set(uid, queued);
    this.#activate(queued);
  }

  /** The pod is bound or gone. */
  remove(uid: string): void {
    const queued = this.#pods.get(uid);
    if (queued === undefined) return;
    this.#pods.delete(uid);
    this.#active.delete(uid);
    this.#stopWaiting(queued);
  }

  /** Whether the pod is still to be bound. */
  has(uid: string): boolean {
    return this.#pods.has(uid);
  }

  /** Up to `count` pods to try. Each is given back by {@link fittedNowhere} or {@link retry}, or is removed. */
  take(count: number): QueuedPod[] {
    const taken: QueuedPod[] = [];
    while (taken.length < count) {
      const next = this.#active.pop();
      if (next === undefined) break;
      next.attempts += 1;
      taken.push(next);
    }
    return taken;
  }

  /** No node could take it: it waits for {@link reconsider}. */
  fittedNowhere(queued: QueuedPod): void {
    if (!this.#pods.has(queued.uid)) return;
    queued.notBeforeMs = this.#clock.monotonicMs() + backoffMs(BACKOFF, queued.attempts);
    const set = this.#waiting.get(queued.templateKey) ?? new Set();
    set.add(queued);
    this.#waiting.set(queued.templateKey, set);
  }

  /** Something went wrong that time may mend: it is tried again after its back-off. */
  retry(queued: QueuedPod): void {
    if (!this.#pods.has(queued.uid)) return;
    queued.notBeforeMs = this.#clock.monotonicMs() + backoffMs(BACKOFF, queued.attempts);
    this.#activateLater(queued);
  }

  /** Pods of the template may fit now: each becomes active when its back-off is over. */
  reconsider(key: string): void {
    const set = this.#waiting.get(key);
    this.#waiting.delete(key);
    for (const queued of set ?? []) this.#activateLater(queued);
  }

  /** Resolves when there is something to take, on {@link nudge}, or when `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#active.size > 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        signal.removeEventListener('abort', finish);
        this.#wake = () => undefined;
        resolve();
      };
      this.#wake = finish;
      signal.addEventListener('abort', finish, { once: true });
    });
  }

  /** Ends a {@link wait}. */
  nudge(): void {
    this.#wake();
  }

  /** Cancels all timers. */
  close(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #activate(queued: QueuedPod): void {
    this.#active.set(queued.uid, queued);
    this.#wake();
  }

  #activateLater(queued: QueuedPod): void {
    const leftMs = queued.notBeforeMs - this.#clock.monotonicMs();
    if (leftMs <= 0) {
      this.#activate(queued);
      return;
    }
    this.#timers.get(queued.uid)?.();
    const cancel = this.#clock.setTimer(() => {
      this.#timers.delete(queued.uid);
      if (this.#pods.get(queued.uid) === queued) this.#activate(queued);
    }, leftMs);
    this.#timers.set(queued.uid, cancel);
  }

  #stopWaiting(queued: QueuedPod): boolean {
    const cancel = this.#timers.get(queued.uid);
    cancel?.();
    this.#timers.delete(queued.uid);
    const set = this.#waiting.get(queued.templateKey);
    const waited = set?.delete(queued) ?? false;
    if (set?.size === 0) this.#waiting.delete(queued.templateKey);
    return waited || cancel !== undefined;
  }
}
