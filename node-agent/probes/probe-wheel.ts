/** One timer for all probes of the node. */
import type { Clock } from '../../lib/clock.ts';

/** Probes due within the same slot run on one tick, so that a node with many of them wakes up rarely. */
const SLOT_MS = 50;

/** Calls functions at their time; nothing runs while nothing is planned. */
export class ProbeWheel {
  readonly #clock: Clock;
  /** Slot number → what is due in it. */
  readonly #slots = new Map<number, Set<() => void>>();
  #cancel: (() => void) | null = null;
  #armedSlot = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `callback` once, after at least `delayMs` and at most a slot (50 ms) later. Returns how to cancel. */
  after(delayMs: number, callback: () => void): () => void {
    const slot = Math.ceil((this.#clock.monotonicMs() + delayMs) / SLOT_MS);
    const due = this.#slots.get(slot) ?? new Set();
    due.add(callback);
    this.#slots.set(slot, due);
    if (slot < this.#armedSlot) this.#arm(slot);
    return () => {
      due.delete(callback);
      if (due.size === 0 && this.#slots.get(slot) === due) this.#slots.delete(slot);
    };
  }

  #arm(slot: number): void {
    this.#cancel?.();
    this.#armedSlot = slot;
    this.#cancel = this.#clock.setTimer(() => this.#tick(), slot * SLOT_MS - this.#clock.monotonicMs());
  }

  #tick(): void {
    this.#cancel = null;
    this.#armedSlot = Number.POSITIVE_INFINITY;
    const now = Math.floor(this.#clock.monotonicMs() / SLOT_MS);
    for (const [slot, due] of [...this.#slots]) {
      if (slot > now) continue;
      this.#slots.delete(slot);
      for (const callback of due) callback();
    }
    const next = Math.min(...this.#slots.keys());
    if (Number.isFinite(next) && next < this.#armedSlot) this.#arm(next);
  }
}
