/**
 * Whom to ask for names outside the cluster: the node's own servers, unless ConfigMap `kube-system/kube-dns` says otherwise with the
 * keys Kubernetes documents: `stubDomains`, a JSON map from domain to servers, and `upstreamNameservers`, a JSON list of servers.
 */
import { isIP } from 'node:net';
import { errorMessage } from '../../lib/errors.ts';
import type { Upstream } from './resolver-file.ts';

/** The ConfigMap's namespace and name. */
export const DNS_CONFIG = { namespace: 'kube-system', name: 'kube-dns' } as const;

/** What the ConfigMap says. */
export interface DnsConfig {
  /** Domain, in small letters without a dot at the end → its servers. */
  readonly stubDomains: ReadonlyMap<string, readonly Upstream[]>;
  /** Undefined: the node's. */
  readonly upstreams: readonly Upstream[] | undefined;
}

/** Without a ConfigMap. */
export const NO_DNS_CONFIG: DnsConfig = { stubDomains: new Map(), upstreams: undefined };

const MAX_UPSTREAMS = 3;
const DOMAIN = /^(?=.{1,253}$)[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$/;

/** Reads the ConfigMap's data. Throws naming the key, the entry and what was expected. */
export function parseDnsConfig(data: Readonly<Record<string, string>>): DnsConfig {
  const stubDomains = new Map<string, readonly Upstream[]>();
  const stubs = readJson(data, 'stubDomains') ?? {};
  if (typeof stubs !== 'object' || stubs === null || Array.isArray(stubs))
    throw bad('stubDomains', 'must be a JSON map');
  for (const [key, servers] of Object.entries(stubs)) {
    const domain = key.toLowerCase().replace(/\.$/, '');
    if (!DOMAIN.test(domain)) throw bad('stubDomains', `${JSON.stringify(key)} is not a domain`);
    stubDomains.set(domain, readServers(servers, `stubDomains`, `of ${JSON.stringify(key)} `));
  }
  const listed = readJson(data, 'upstreamNameservers') ?? [];
  const upstreams = readServers(listed, 'upstreamNameservers', '');
  if (upstreams.length > MAX_UPSTREAMS)
    throw bad('upstreamNameservers', `at most ${MAX_UPSTREAMS} servers can be given`);
  return { stubDomains, upstreams: upstreams.length === 0 ? undefined : upstreams };
}

/** The servers for a name: those of the longest stub domain it lies in, else the general ones. */
export function upstreamsFor(name: string, config: DnsConfig, ofNode: readonly Upstream[]): readonly Upstream[] {
  for (let rest = name; rest !== '' && config.stubDomains.size > 0; ) {
    const found = config.stubDomains.get(rest);
    if (found !== undefined) return found;
    const dot = rest.indexOf('.');
    rest = dot < 0 ? '' : rest.slice(dot + 1);
  }
  return config.upstreams ?? ofNode;
}

function readJson(data: Readonly<Record<string, string>>, key: string): unknown {
  const text = data[key] ?? '';
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (err) {
    throw bad(key, `is not JSON (${errorMessage(err)})`, err);
  }
}

function readServers(value: unknown, key: string, whose: string): Upstream[] {
  if (!Array.isArray(value)) throw bad(key, `the servers ${whose}must be a JSON list`);
  return value.map((entry: unknown) => {
    const server = typeof entry === 'string' ? readServer(entry) : undefined;
    if (server === undefined) {
      throw bad(
        key,
        `${JSON.stringify(entry)} ${whose}is not a server: expected an address, such as 192.168.1.1 or 192.168.1.1:5353`,
      );
    }
    return server;
  });
}

function readServer(text: string): Upstream | undefined {
  if (isIP(text) !== 0) return { ip: text, port: 53 };
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const ip = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return isIP(ip) !== 0 && port > 0 && port < 65_536 ? { ip, port } : undefined;
}

function bad(key: string, because: string, cause?: unknown): Error {
  const { namespace, name } = DNS_CONFIG;
  return new Error(`Cannot use ${key} of ConfigMap ${namespace}/${name}: ${because}`, { cause });
}
