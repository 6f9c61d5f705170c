import type { IKeyValue } from 'etcd3';

const FIRST_PAGE = 64;
const MAX_PAGE = 5_000;
const GROWTH = 8;
const TARGET_BYTES = 4 * 1024 * 1024;

/** Chooses how many keys to ask for next, so that a page stays near 4 MiB whatever the objects' sizes. */
export class PageSizer {
  #left: number;
  #page = FIRST_PAGE;

  /** `limit`: entries wanted in all; everything when undefined or 0. */
  constructor(limit: number | undefined) {
    this.#left = limit === undefined || limit === 0 ? Number.POSITIVE_INFINITY : limit;
  }

  /** Keys to ask for; 0 when as many as wanted have been read. */
  get limit(): number {
    return Math.min(this.#page, this.#left);
  }

  /** Learns from the page just read. */
  read(kvs: readonly IKeyValue[]): void {
    this.#left -= kvs.length;
    if (kvs.length === 0) return;
    const bytes = kvs.reduce((sum, kv) => sum + kv.key.byteLength + kv.value.byteLength, 0);
    const fitting = Math.max(1, Math.floor(TARGET_BYTES / (bytes / kvs.length)));
    this.#page = Math.min(MAX_PAGE, this.#page * GROWTH, fitting);
  }
}
