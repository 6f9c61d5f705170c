/** Keys of ours that are no objects (leader, sync) start with this byte, which sorts before every object's key. */
const RESERVED = '!';
const AFTER_RESERVED = '"';

/**
 * Where our keys live in etcd. Store keys ("core/pods/default/web") are relative to `prefix`; reserved keys lie under the
 * same prefix, so that the one watch sees their changes too, and before all objects, so that no list does.
 */
export class KeySpace {
  /** The prefix, ending in a slash. */
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix.endsWith('/') ? prefix : `${prefix}/`;
  }

  /** The etcd key of the object at `key`. */
  toEtcd(key: string): Buffer {
    return Buffer.from(this.prefix + key);
  }

  /** The store key of an etcd key; undefined for a reserved one. */
  toKey(etcdKey: Buffer): string | undefined {
    const key = etcdKey.toString('utf8').slice(this.prefix.length);
    return key.startsWith(RESERVED) ? undefined : key;
  }

  /** The reserved etcd key called `name`. */
  reserved(name: string): string {
    return `${this.prefix}${RESERVED}${name}`;
  }

  /** Everything of ours, reserved keys included. */
  everything(): { key: Buffer; range_end: Buffer } {
    return { key: Buffer.from(this.prefix), range_end: rangeEnd(this.prefix) };
  }

  /** The objects under `keyPrefix`, and only those after the key `after` when that is given. */
  objects(keyPrefix: string, after?: string): { key: Buffer; range_end: Buffer } {
    const first = keyPrefix === '' ? AFTER_RESERVED : keyPrefix;
    const start = after !== undefined && after >= first ? `${after}\0` : first;
    return { key: this.toEtcd(start), range_end: rangeEnd(this.prefix + keyPrefix) };
  }
}

/** The first key after all that start with `prefix`. Our prefixes are ASCII, so the last byte can always be raised. */
function rangeEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end[last] = (end[last] ?? 0) + 1;
  return end;
}
