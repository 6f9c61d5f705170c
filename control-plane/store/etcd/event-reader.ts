import type { IEvent, IKeyValue, IWatchResponse } from 'etcd3';
import { LAST_INDEX, type StoreEvent, type StoreWatchBatch, versionOf } from '../store.ts';
import { open } from './envelope.ts';
import type { KeySpace } from './key-space.ts';

/** Told about a stored value that is not in our format. */
export type OnUndecodable = (key: string, err: unknown) => void;

/**
 * Turns the responses of one etcd watch into batches. It numbers the events of each transaction, which a deletion's
 * event does not carry, and holds back the last transaction of a response that etcd has split.
 */
export class EventReader {
  readonly #keys: KeySpace;
  readonly #previous: boolean;
  readonly #onUndecodable: OnUndecodable;
  #revision = 0;
  #index = 0;
  #held: StoreEvent[] = [];

  constructor(keys: KeySpace, options: { previous: boolean; onUndecodable: OnUndecodable }) {
    this.#keys = keys;
    this.#previous = options.previous;
    this.#onUndecodable = options.onUndecodable;
  }

  /** The batch that `response` completes. */
  read(response: IWatchResponse): StoreWatchBatch {
    const events = this.#held;
    this.#held = [];
    let complete = events.length;
    for (const raw of response.events) {
      const revision = Number(raw.kv.mod_revision);
      if (revision === this.#revision) {
        this.#index += 1;
      } else {
        this.#revision = revision;
        this.#index = 0;
        complete = events.length;
      }
      const event = this.#event(raw, revision);
      if (event !== undefined) events.push(event);
    }
    if (!response.fragment) {
      // Without events this is a progress notice: etcd has nothing for us up to the header's revision.
      if (response.events.length === 0) this.#revision = Number(response.header.revision);
      return { events, version: versionOf(this.#revision, LAST_INDEX) };
    }
    this.#held = events.splice(complete);
    return { events, version: versionOf(this.#revision - 1, LAST_INDEX) };
  }

  #event(raw: IEvent, revision: number): StoreEvent | undefined {
    const key = this.#keys.toKey(raw.kv.key);
    if (key === undefined) return undefined;
    // Beyond LAST_INDEX only somebody else's transaction goes; its tail shares one version, and one batch.
    const version = versionOf(revision, Math.min(this.#index, LAST_INDEX));
    const previous = this.#previous ? this.#value(key, raw.prev_kv) : undefined;
    const value = raw.type === 'Delete' ? undefined : this.#value(key, raw.kv);
    // A put that cannot be read is, for every reader, an object that is not there.
    if (value === undefined) return { type: 'delete', key, value: previous, previous, version };
    return { type: 'put', key, value, previous, version };
  }

  #value(key: string, kv: IKeyValue | null | undefined): Uint8Array | undefined {
    if (kv === null || kv === undefined || Number(kv.mod_revision) === 0) return undefined;
    try {
      return open(key, kv.value).value;
    } catch (err) {
      this.#onUndecodable(key, err);
      return undefined;
    }
  }
}
