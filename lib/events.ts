/**
 * Recording Events about objects, for the control plane and the agent.
 *
 * Recording never waits and never fails the caller. What repeats is counted on one Event instead of making new ones; many
 * Events that differ only in their message become one "(combined from similar events)"; an object that floods is cut off
 * for a while. Writing happens in {@link EventRecorder.run}; what cannot be written after some tries is dropped and logged.
 */
import { type corev1, KINDS, type KubeObject } from '../proto/index.ts';
import type { ResourceClient } from './client/resource-client.ts';
import { type Clock, rfc3339, sleep, systemClock } from './clock.ts';
import { hasReason } from './errors.ts';

/** An Event's type. */
export type EventType = 'Normal' | 'Warning';

/** Records Events. */
export interface EventSink {
  /**
   * Records that something happened to `object`. `reason` is a short CamelCase word, `message` a sentence for people.
   * `fieldPath` names the part concerned, such as `spec.containers{web}`.
   */
  record(object: KubeObject, type: EventType, reason: string, message: string, fieldPath?: string): void;
}

/** The part of a pino logger the recorder needs. */
export interface EventLog {
  warn(fields: object, message: string): void;
}

/** What an {@link EventRecorder} is made of. */
export interface EventRecorderOptions {
  readonly client: ResourceClient;
  /** Who reports, as in `kubectl describe`: `deployment-controller`, `kubelet`. */
  readonly component: string;
  /** The node it reports from. */
  readonly host?: string;
  readonly clock?: Clock;
  readonly log?: EventLog;
}

/** Different messages of one reason about one object within the window after which they are combined. */
const COMBINE_AFTER = 10;
const COMBINE_WINDOW_MS = 600_000;
/** Events about one object from one component: this many at once, then one per interval. */
const BURST = 25;
const REFILL_MS = 300_000;
/** Things remembered of each sort; the longest unused are forgotten. */
const REMEMBERED = 4096;
/** Events waiting to be written; more are dropped. */
const BACKLOG = 2000;
const TRIES = 5;
/** The API's limit of a name; an Event is called after its object, whose name may be that long by itself. */
const MAX_NAME = 253;
const WRITERS = 4;
/** Writes: this many at once, then so many a second. News of work must not slow the work down; kubelet paces likewise. */
const WRITE_BURST = 20;
const WRITES_PER_SECOND = 40;

interface Pending {
  readonly key: string;
  readonly event: corev1.Event;
  /** Occurrences since the last write. */
  occurrences: number;
  lastTimestamp: string;
}

interface Written {
  readonly namespace: string;
  readonly name: string;
  count: number;
}

interface Bucket {
  tokens: number;
  filledMs: number;
}

interface Similar {
  messages: Set<string>;
  sinceMs: number;
}

/** See the promises at the top of the file. One recorder serves a whole process. */
export class EventRecorder implements EventSink {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #pending = new Map<string, Pending>();
  readonly #written = new Map<string, Written>();
  readonly #buckets = new Map<string, Bucket>();
  readonly #similar = new Map<string, Similar>();
  #wake: () => void = () => undefined;
  #sequence = 0;
  readonly #pace: Bucket;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#pace = { tokens: WRITE_BURST, filledMs: this.#clock.monotonicMs() };
  }

  /** The same recorder speaking for another component. */
  as(component: string): EventSink {
    return {
      record: (object, type, reason, message, fieldPath) =>
        this.#record(component, object, { type, reason, message, fieldPath }),
    };
  }

  record(object: KubeObject, type: EventType, reason: string, message: string, fieldPath?: string): void {
    this.#record(this.#options.component, object, { type, reason, message, fieldPath });
  }

  /** Writes until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wake();
    signal.addEventListener('abort', onAbort, { once: true });
    while (!signal.aborted) {
      const batch = [...this.#pending.values()];
      if (batch.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = () => undefined;
        continue;
      }
      const queue = batch.values();
      await Promise.all(Array.from({ length: WRITERS }, () => this.#writeAll(queue, signal)));
    }
    signal.removeEventListener('abort', onAbort);
  }

  /** Whether everything recorded has been written. */
  get idle(): boolean {
    return this.#pending.size === 0;
  }

  #record(
    component: string,
    object: KubeObject,
    what: { type: EventType; reason: string; message: string; fieldPath: string | undefined },
  ): void {
    const nowMs = this.#clock.now();
    const uid = object.metadata?.uid ?? object.metadata?.name ?? '';
    if (!this.#admit(`${component} ${uid}`, nowMs)) return;
    const group = [component, uid, what.fieldPath, what.type, what.reason].join('\n');
    const combined = this.#combines(group, what.message, nowMs);
    const message = combined ? `(combined from similar events): ${what.message}` : what.message;
    const key = combined ? group : `${group}\n${what.message}`;
    const lastTimestamp = rfc3339(nowMs);
    const waiting = this.#pending.get(key);
    if (waiting !== undefined) {
      waiting.occurrences += 1;
      waiting.lastTimestamp = lastTimestamp;
      waiting.event.message = message;
      return;
    }
    if (this.#pending.size >= BACKLOG) return;
    const event = this.#event(component, object, { ...what, message }, lastTimestamp);
    this.#pending.set(key, { key, event, occurrences: 1, lastTimestamp });
    this.#wake();
  }

  #event(
    component: string,
    object: KubeObject,
    what: { type: EventType; reason: string; message: string; fieldPath: string | undefined },
    timestamp: string,
  ): corev1.Event {
    const { host } = this.#options;
    const { name = '', namespace, uid, resourceVersion } = object.metadata ?? {};
    this.#sequence += 1;
    const unique = (BigInt(Math.floor(this.#clock.now())) * 1_000_000n + BigInt(this.#sequence % 1_000_000)).toString(
      16,
    );
    const stem = name.slice(0, MAX_NAME - unique.length - 1).replace(/[-.]+$/, '');
    return {
      metadata: { name: `${stem}.${unique}`, namespace: namespace ?? 'default' },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        name,
        namespace,
        uid,
        resourceVersion,
        ...(what.fieldPath === undefined ? {} : { fieldPath: what.fieldPath }),
      },
      type: what.type,
      reason: what.reason,
      message: what.message,
      firstTimestamp: timestamp,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      ...(host === undefined ? {} : { reportingInstance: host }),
    };
  }

  /** Takes a token of the source's bucket; false when it is empty. */
  #admit(source: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(source) ?? { tokens: BURST, filledMs: nowMs };
    const refill = Math.floor(Math.max(0, nowMs - bucket.filledMs) / REFILL_MS);
    bucket.tokens = Math.min(BURST, bucket.tokens + refill);
    bucket.filledMs += refill * REFILL_MS;
    remember(this.#buckets, source, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #combines(group: string, message: string, nowMs: number): boolean {
    let similar = this.#similar.get(group);
    if (similar === undefined || nowMs - similar.sinceMs > COMBINE_WINDOW_MS) {
      similar = { messages: new Set(), sinceMs: nowMs };
    }
    similar.messages.add(message);
    remember(this.#similar, group, similar);
    return similar.messages.size >= COMBINE_AFTER;
  }

  async #writeAll(queue: IterableIterator<Pending>, signal: AbortSignal): Promise<void> {
    for (const pending of queue) {
      await this.#turn(signal);
      if (signal.aborted) return;
      this.#pending.delete(pending.key);
      await this.#writeWithRetries(pending, signal);
    }
  }

  /** Resolves when the pace allows one more write. */
  async #turn(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const filled = ((nowMs - this.#pace.filledMs) / 1000) * WRITES_PER_SECOND;
    this.#pace.tokens = Math.min(WRITE_BURST, this.#pace.tokens + filled) - 1;
    this.#pace.filledMs = nowMs;
    // Below zero the place in the queue is taken already: whoever comes next waits longer.
    if (this.#pace.tokens < 0) {
      await sleep(this.#clock, (-this.#pace.tokens / WRITES_PER_SECOND) * 1000, signal);
    }
  }

  async #writeWithRetries(pending: Pending, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await this.#write(pending, signal);
        return;
      } catch (err) {
        if (signal.aborted) return;
        // Nothing may be recorded in a namespace that is going; that is no loss.
        if (hasReason(err, 'Forbidden', 'NotFound')) return;
        if (attempt >= TRIES || hasReason(err, 'Invalid', 'BadRequest')) {
          this.#options.log?.warn({ err, reason: pending.event.reason }, 'event dropped');
          return;
        }
        await sleep(this.#clock, 500 * 2 ** attempt, signal);
      }
    }
  }

  async #write(pending: Pending, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const known = this.#written.get(pending.key);
    if (known !== undefined) {
      const count = known.count + pending.occurrences;
      const body = { count, lastTimestamp: pending.lastTimestamp, message: pending.event.message ?? '' };
      try {
        await client.patch(KINDS.Event, known, { type: 'merge', body }, { signal });
        remember(this.#written, pending.key, { ...known, count });
        return;
      } catch (err) {
        // It expired: begin a new one.
        if (!hasReason(err, 'NotFound')) throw err;
        this.#written.delete(pending.key);
      }
    }
    const event = { ...pending.event, count: pending.occurrences, lastTimestamp: pending.lastTimestamp };
    const made = await client.create(KINDS.Event, event, { signal });
    const { namespace = 'default', name = '' } = made.metadata ?? {};
    remember(this.#written, pending.key, { namespace, name, count: pending.occurrences });
  }
}

/** Sets a key as the most recently used and forgets the least recently used beyond the limit. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= REMEMBERED) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    break;
  }
}
