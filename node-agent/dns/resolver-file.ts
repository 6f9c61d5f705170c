/** The node's own resolver settings: which file they are in, what stands in it, and its servers as they change. */
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../lib/clock.ts';

/** A resolv.conf. Options keep their order; a value is undefined for those that have none. */
export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: ReadonlyMap<string, string | undefined>;
}

/** A server names are asked of. */
export interface Upstream {
  readonly ip: string;
  readonly port: number;
}

const PLAIN_FILE = '/etc/resolv.conf';
const FILE_BEHIND = '/run/systemd/resolve/resolv.conf';
/** The file is looked at again when it is needed, but not more often. */
const CHECK_EVERY_MS = 2000;

/** A stub resolver of the node's own listens on its loopback, which pods cannot reach: take what stands behind it. */
export async function resolverFile(): Promise<string> {
  const text = await readFile(PLAIN_FILE, 'utf8').catch(() => '');
  const { nameservers } = parseResolvConf(text);
  const stub = nameservers.length > 0 && nameservers.every((server) => server.startsWith('127.'));
  return stub && (await readFile(FILE_BEHIND, 'utf8').catch(() => '')) !== '' ? FILE_BEHIND : PLAIN_FILE;
}

/** Reads a resolv.conf as glibc does: the last `search` or `domain` counts, options add up, comments and the rest are passed over. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let searches: string[] = [];
  const options = new Map<string, string | undefined>();
  for (const line of text.split('\n')) {
    const [keyword = '', ...values] = line.trim().split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined) nameservers.push(values[0]);
    if (keyword === 'domain') searches = values.slice(0, 1);
    if (keyword === 'search') searches = values;
    if (keyword === 'options') {
      for (const option of values) {
        const colon = option.indexOf(':');
        options.set(colon < 0 ? option : option.slice(0, colon), colon < 0 ? undefined : option.slice(colon + 1));
      }
    }
  }
  return { nameservers, searches: searches.map((name) => (name === '.' ? name : name.replace(/\.$/, ''))), options };
}

/** The servers of a resolv.conf, read again when the file has changed. Nothing runs in between. */
export class NodeResolvers {
  readonly #path: string;
  readonly #clock: Clock;
  #stamp = '';
  #checkedMs = Number.NEGATIVE_INFINITY;
  #upstreams: readonly Upstream[] = [];

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** In the order of the file; empty when it cannot be read. The same array as long as nothing changes. */
  get upstreams(): readonly Upstream[] {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#checkedMs < CHECK_EVERY_MS) return this.#upstreams;
    this.#checkedMs = nowMs;
    try {
      const { mtimeMs, ino, size } = statSync(this.#path);
      const stamp = `${mtimeMs} ${ino} ${size}`;
      if (stamp === this.#stamp) return this.#upstreams;
      const { nameservers } = parseResolvConf(readFileSync(this.#path, 'utf8'));
      this.#upstreams = nameservers.filter((ip) => isIP(ip.split('%')[0] ?? '') !== 0).map((ip) => ({ ip, port: 53 }));
      this.#stamp = stamp;
    } catch {
      // Half-written or gone for a moment: what was known stays.
    }
    return this.#upstreams;
  }
}
