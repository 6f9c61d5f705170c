import type { CachedEvent } from './cached-entry.ts';
import type { ResourceVersion } from './store.ts';

/** Forgotten slots are given back once they are this many and half of the array. */
const COMPACT_AFTER = 1_024;

/**
 * The recent events of one resource. Readers keep a place in it (a sequence number that never changes its meaning)
 * instead of a queue of their own, so a slow reader costs nothing: it finds its place forgotten.
 */
export class EventWindow<T> {
  #events: (CachedEvent<T> | undefined)[] = [];
  #head = 0;
  #firstSeq = 0;
  #startVersion: ResourceVersion;
  #bytes = 0;

  /** An empty window in which every event after `startVersion` will be found. */
  constructor(startVersion: ResourceVersion) {
    this.#startVersion = startVersion;
  }

  /** Every event after this version is still here. */
  get startVersion(): ResourceVersion {
    return this.#startVersion;
  }

  /** The oldest event's sequence number. */
  get firstSeq(): number {
    return this.#firstSeq;
  }

  /** The sequence number the next event will have. */
  get endSeq(): number {
    return this.#firstSeq + this.length;
  }

  get length(): number {
    return this.#events.length - this.#head;
  }

  /** Bytes kept alive, as events count them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest event. */
  get oldest(): CachedEvent<T> | undefined {
    return this.#events[this.#head];
  }

  push(event: CachedEvent<T>): void {
    this.#events.push(event);
    this.#bytes += event.bytes;
  }

  /** Puts what happened before in front: `events` are all there were after `startVersion` until the window began. */
  prepend(events: readonly CachedEvent<T>[], startVersion: ResourceVersion): void {
    this.#events = [...events, ...this.#events.slice(this.#head)];
    this.#head = 0;
    this.#firstSeq -= events.length;
    this.#startVersion = startVersion;
    for (const event of events) this.#bytes += event.bytes;
  }

  /** The event with that sequence number, if it is here. */
  at(seq: number): CachedEvent<T> | undefined {
    return seq < this.#firstSeq ? undefined : this.#events[this.#head + seq - this.#firstSeq];
  }

  /** Forgets the oldest event; gives the bytes freed. */
  dropOldest(): number {
    const event = this.#events[this.#head];
    if (event === undefined) return 0;
    this.#events[this.#head] = undefined;
    this.#head += 1;
    this.#firstSeq += 1;
    this.#startVersion = event.version;
    this.#bytes -= event.bytes;
    if (this.#head >= COMPACT_AFTER && this.#head * 2 >= this.#events.length) {
      this.#events = this.#events.slice(this.#head);
      this.#head = 0;
    }
    return event.bytes;
  }

  /** The sequence number of the first event after `version`; undefined when it may have been forgotten. */
  seqAfter(version: ResourceVersion): number | undefined {
    if (version < this.#startVersion) return undefined;
    let low = this.#firstSeq;
    let high = this.endSeq;
    while (low < high) {
      // Numbers below zero are those of events put in front.
      const middle = Math.floor((low + high) / 2);
      if ((this.at(middle)?.version ?? 0) > version) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
