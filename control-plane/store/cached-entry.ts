import type { ResourceVersion, StoreEntry } from './store.ts';

/** How a cache reads stored bytes. `version` is for a decoder that puts it into the object. */
export type Decode<T> = (key: string, bytes: Uint8Array, version: ResourceVersion) => T;

/** The decoder of a cache, and whom to tell when it throws. */
export interface Decoder<T> {
  readonly decode: Decode<T>;
  readonly onUndecodable: (key: string, err: unknown) => void;
}

const NOT_YET = Symbol('not decoded yet');

/** One object in a cache: its stored bytes, and its decoded value from the first time someone asks. Immutable. */
export class CachedEntry<T> implements StoreEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: ResourceVersion;
  /** Free for the one who serves this entry to keep encoded bytes in; whatever is here dies with the entry. */
  memo: unknown = undefined;
  readonly #decoder: Decoder<T>;
  #object: T | undefined | typeof NOT_YET = NOT_YET;

  constructor(entry: StoreEntry, decoder: Decoder<T>) {
    this.key = entry.key;
    this.value = entry.value;
    this.version = entry.version;
    this.#decoder = decoder;
  }

  /** The decoded object, the same one each time: not to be changed. Undefined when the bytes cannot be decoded. */
  get object(): T | undefined {
    if (this.#object === NOT_YET) this.#object = this.#decodeOrReport();
    return this.#object;
  }

  /** Decodes anew when next asked: what decoding means has changed. */
  forgetDecoded(): void {
    this.#object = NOT_YET;
    this.memo = undefined;
  }

  #decodeOrReport(): T | undefined {
    try {
      return this.#decoder.decode(this.key, this.value, this.version);
    } catch (err) {
      this.#decoder.onUndecodable(this.key, err);
      return undefined;
    }
  }
}

/** One change as a cache hands it to every watcher: the same instance, so that it need be encoded only once. */
export class CachedEvent<T> {
  readonly type: 'put' | 'delete';
  /** The new entry; for a deletion, the last value at the deletion's version. */
  readonly entry: CachedEntry<T>;
  /** The entry before the change; undefined when the change created it. */
  readonly previous: CachedEntry<T> | undefined;
  /** When the cache saw it, on the monotonic clock. */
  readonly seenAtMs: number;
  /** Free for the one who serves this event to keep its encoded bytes in. */
  memo: unknown = undefined;

  constructor(type: 'put' | 'delete', entry: CachedEntry<T>, previous: CachedEntry<T> | undefined, seenAtMs: number) {
    this.type = type;
    this.entry = entry;
    this.previous = previous;
    this.seenAtMs = seenAtMs;
  }

  /** The change's place in the store's order. */
  get version(): ResourceVersion {
    return this.entry.version;
  }

  /** Bytes this event keeps in memory, generously: its value may be shared with the entry or with a neighbour. */
  get bytes(): number {
    const overhead = 256;
    return overhead + this.entry.value.byteLength + (this.previous?.value.byteLength ?? 0);
  }
}
