/**
 * What the cluster's own names mean: question and data in, answer out. Pure.
 *
 * After Kubernetes' "DNS-Based Service Discovery" 1.1.0. Below the cluster's domain:
 *
 *   <service>.<ns>.svc                  its address, or those of its ready endpoints when it has none (NXDOMAIN without any)
 *   <host>.<service>.<ns>.svc           an endpoint by its host name, or by its address with dashes
 *   _<port>._<proto>.<service>.<ns>.svc SRV of a named port
 *   <a-b-c-d>.<ns>.pod                  a pod of that namespace by its address
 *   dns-version, ns.dns                 the schema's version; this server
 */
import { isIP } from 'node:net';
import type { corev1 } from '../../proto/index.ts';
import { type DnsRecord, type Question, RCODE, type Rcode } from './message.ts';
import { clusterIps, isHeadless, type ZoneData, type ZoneEndpoint } from './zone-data.ts';

/** What does not change while the server runs. */
export interface ZoneFacts {
  /** In small letters, without a dot at the end. */
  readonly domain: string;
  readonly dnsAddress: string;
  /** Ranges in which every address is the cluster's: nobody else is asked for names of these. */
  readonly ownRanges: readonly string[];
  /** Of the SOA record. */
  readonly serial: number;
  /** In [0, 1); decides the order of several addresses. */
  readonly random: () => number;
}

/** An answer from the zone. */
export interface ZoneAnswer {
  readonly rcode: Rcode;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** The name the answers end at leads on: the same question is to be asked of it, and the answer appended. */
  readonly chase?: string;
}

interface Found {
  readonly answers: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
  readonly chase?: string;
}

/** Changes show after this long at most; negative answers too. */
export const TTL_SECONDS = 5;
const SCHEMA_VERSION = '1.1.0';
/** Weights of several equal SRV records share this. */
const SRV_WEIGHT = 100;
const NOTHING: Found = { answers: [] };

/** Whether a name is the zone's or below it. */
export function isInZone(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

/**
 * The answer; null when the question is not about the cluster and others are to be asked. Without data (nothing is known of the
 * cluster yet) whatever needs it is SERVFAIL, so that nobody takes a missing name for a fact.
 */
export function answerFromZone(question: Question, zone: ZoneData | undefined, facts: ZoneFacts): ZoneAnswer | null {
  const { name } = question;
  if (isInZone(name, facts.domain)) {
    const labels = name === facts.domain ? [] : name.slice(0, -facts.domain.length - 1).split('.');
    const found =
      fixedName(labels, question, facts) ?? (zone === undefined ? null : lookUp(labels, question, zone, facts));
    return found === null ? failed() : toAnswer(found, question, facts, facts.domain);
  }
  const reverse = reverseAddress(name);
  if (reverse === null) return null;
  const own = facts.ownRanges.find((range) => isWithin(reverse.octets, range));
  if (zone === undefined) return own === undefined ? null : failed();
  const complete = reverse.octets.length === 4;
  const targets = complete ? namesOf(reverse.octets.join('.'), zone, facts) : [];
  if (targets.length === 0 && own === undefined) return null;
  const answers = targets.map((data): DnsRecord => ({ type: 'PTR', name, ttlSeconds: TTL_SECONDS, data }));
  const origin = own === undefined ? name : reverseZone(reverse.octets, own);
  return toAnswer(complete && targets.length === 0 ? undefined : { answers }, question, facts, origin);
}

function failed(): ZoneAnswer {
  return { rcode: RCODE.SERVFAIL, answers: [], authorities: [], additionals: [] };
}

/** Undefined: no such name. Records of other types than asked for are dropped; none left is an answer too. */
function toAnswer(found: Found | undefined, question: Question, facts: ZoneFacts, origin: string): ZoneAnswer {
  if (found === undefined) {
    return { rcode: RCODE.NXDOMAIN, answers: [], authorities: [soa(facts, origin)], additionals: [] };
  }
  const { name, type } = question;
  if (type === 'ANY') {
    // RFC 8482: one record of no use instead of everything, which only helps to flood others.
    const answers: DnsRecord[] = [{ type: 'HINFO', name, ttlSeconds: TTL_SECONDS, data: { cpu: 'RFC8482', os: '' } }];
    return { rcode: RCODE.NOERROR, answers, authorities: [], additionals: [] };
  }
  const answers = found.answers.filter((record) => record.type === type || record.type === 'CNAME');
  const [first] = answers;
  return {
    rcode: RCODE.NOERROR,
    answers:
      first !== undefined && first.type !== 'CNAME' && answers.length > 1 ? shuffled(answers, facts.random) : answers,
    authorities: first === undefined ? [soa(facts, origin)] : [],
    additionals: first === undefined ? [] : (found.additionals ?? []),
    // Of other types the client follows by itself.
    ...(found.chase !== undefined && (type === 'A' || type === 'AAAA') ? { chase: found.chase } : {}),
  };
}

/** Names that need nothing of the cluster; null when it is none of them. */
function fixedName(labels: readonly string[], { name }: Question, facts: ZoneFacts): Found | null {
  const ttlSeconds = TTL_SECONDS;
  const server = `ns.dns.${facts.domain}`;
  switch (labels.join('.')) {
    case '':
      return {
        answers: [soa(facts, facts.domain), { type: 'NS', name, ttlSeconds, data: server }],
      };
    case 'dns':
      return NOTHING;
    case 'ns.dns':
      return { answers: [{ type: 'A', name, ttlSeconds, data: facts.dnsAddress }] };
    case 'dns-version':
      return { answers: [{ type: 'TXT', name, ttlSeconds, data: SCHEMA_VERSION }] };
    default:
      return null;
  }
}

/** Undefined: no such name; null: nobody can tell yet. */
function lookUp(
  labels: readonly string[],
  question: Question,
  zone: ZoneData,
  facts: ZoneFacts,
): Found | null | undefined {
  const [tree, namespace, ...below] = labels.toReversed();
  if (tree !== 'svc' && tree !== 'pod') return undefined;
  if (namespace === undefined) return NOTHING;
  if (below.length === 0) return zone.hasNamespace(namespace) ? NOTHING : undefined;
  if (tree === 'pod') return below.length === 1 ? podRecords(below[0] ?? '', namespace, question, zone) : undefined;
  const [name, ...inner] = below;
  const service = zone.service(`${namespace}/${name}`);
  if (service === undefined) return undefined;
  const [first = '', second = ''] = inner;
  if (inner.length === 0) return serviceRecords(service, question, zone, facts);
  if (inner.length === 1 && !first.startsWith('_')) return hostRecords(service, first, question, zone);
  if (inner.length === 1) return hasProtocol(service, first.slice(1)) ? NOTHING : undefined;
  if (inner.length === 2 && first.startsWith('_') && second.startsWith('_')) {
    return portRecords(service, { port: second.slice(1), protocol: first.slice(1) }, question, zone, facts);
  }
  return undefined;
}

function serviceRecords(
  service: corev1.Service,
  question: Question,
  zone: ZoneData,
  facts: ZoneFacts,
): Found | undefined {
  const { name, type } = question;
  const { externalName = '' } = service.spec ?? {};
  if (service.spec?.type === 'ExternalName') {
    const target = externalName.toLowerCase().replace(/\.$/, '');
    // An address is no name: nothing could follow it.
    if (target === '' || isIP(target) !== 0) return NOTHING;
    return { answers: [{ type: 'CNAME', name, ttlSeconds: TTL_SECONDS, data: target }], chase: target };
  }
  if (type === 'SRV') return portRecords(service, undefined, question, zone, facts);
  const ips = isHeadless(service) ? [...new Set(zone.endpoints(service).map(({ ip }) => ip))] : clusterIps(service);
  return isHeadless(service) && ips.length === 0 ? undefined : { answers: ips.map((ip) => address(name, ip)) };
}

function hostRecords(service: corev1.Service, host: string, { name }: Question, zone: ZoneData): Found | undefined {
  const ips = new Set(zone.endpoints(service).flatMap((endpoint) => (endpoint.name === host ? [endpoint.ip] : [])));
  return ips.size === 0 ? undefined : { answers: [...ips].map((ip) => address(name, ip)) };
}

function hasProtocol({ spec }: corev1.Service, protocol: string): boolean {
  return (spec?.ports ?? []).some((port) => (port.name ?? '') !== '' && protocolOf(port) === protocol);
}

function protocolOf({ protocol = 'TCP' }: { readonly protocol?: string | undefined }): string {
  return (protocol === '' ? 'TCP' : protocol).toLowerCase();
}

interface PortName {
  readonly port: string;
  readonly protocol: string;
}

interface SrvTarget {
  readonly port: number;
  readonly target: string;
  readonly ips: readonly string[];
}

/** SRV of one named port, or of all ports when none is named. */
function portRecords(
  service: corev1.Service,
  wanted: PortName | undefined,
  { name }: Question,
  zone: ZoneData,
  facts: ZoneFacts,
): Found | undefined {
  const isWanted = (port: { readonly name?: string | undefined; readonly protocol?: string | undefined }): boolean =>
    wanted === undefined || (port.name === wanted.port && protocolOf(port) === wanted.protocol);
  const own = `${service.metadata?.name}.${service.metadata?.namespace}.svc.${facts.domain}`;
  const targets: SrvTarget[] = isHeadless(service)
    ? endpointTargets(zone.endpoints(service), isWanted, own)
    : (service.spec?.ports ?? [])
        .filter(isWanted)
        .map(({ port = 0 }) => ({ port, target: own, ips: clusterIps(service) }));
  if (targets.length === 0) return wanted === undefined && !isHeadless(service) ? NOTHING : undefined;
  const weight = Math.max(1, Math.floor(SRV_WEIGHT / targets.length));
  const glue = new Map(targets.flatMap(({ target, ips }) => ips.map((ip) => [`${target} ${ip}`, address(target, ip)])));
  return {
    answers: targets.map(({ port, target }) => ({
      type: 'SRV',
      name,
      ttlSeconds: TTL_SECONDS,
      data: { priority: 0, weight, port, target },
    })),
    additionals: [...glue.values()],
  };
}

function endpointTargets(
  endpoints: readonly ZoneEndpoint[],
  isWanted: (port: ZoneEndpoint['ports'][number]) => boolean,
  service: string,
): SrvTarget[] {
  const targets = new Map<string, { port: number; target: string; ips: string[] }>();
  for (const { ip, name, ports } of endpoints) {
    for (const port of ports) {
      if (!isWanted(port)) continue;
      const target = `${name}.${service}`;
      const key = `${target} ${port.port}`;
      const known = targets.get(key);
      if (known === undefined) targets.set(key, { port: port.port ?? 0, target, ips: [ip] });
      else known.ips.push(ip);
    }
  }
  return [...targets.values()];
}

function podRecords(label: string, namespace: string, { name }: Question, zone: ZoneData): Found | null | undefined {
  const ip = label.replaceAll('-', '.');
  if (!zone.hasNamespace(namespace) || isIP(ip) !== 4) return undefined;
  const exists = zone.hasPod(namespace, ip);
  if (exists === null) return null;
  return exists ? { answers: [address(name, ip)] } : undefined;
}

function address(name: string, ip: string): DnsRecord {
  return { type: isIP(ip) === 6 ? 'AAAA' : 'A', name, ttlSeconds: TTL_SECONDS, data: ip };
}

function soa(facts: ZoneFacts, name: string): DnsRecord {
  const { domain, serial } = facts;
  return {
    type: 'SOA',
    name,
    ttlSeconds: TTL_SECONDS,
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL_SECONDS,
    },
  };
}

/** Names of an address: of the services that have it, else of the endpoints there that have a name of their own. */
function namesOf(ip: string, zone: ZoneData, { domain }: ZoneFacts): string[] {
  const nameOf = (service: corev1.Service): string =>
    `${service.metadata?.name}.${service.metadata?.namespace}.svc.${domain}`;
  const services = zone.servicesAt(ip).map(nameOf);
  if (services.length > 0) return services;
  return zone
    .servicesBehind(ip)
    .filter(isHeadless)
    .flatMap((service) =>
      zone
        .endpoints(service)
        .flatMap((endpoint) => (endpoint.ip === ip ? [`${endpoint.name}.${nameOf(service)}`] : [])),
    );
}

/** The address a name below in-addr.arpa stands for, or its first part; null when it is none. */
function reverseAddress(name: string): { readonly octets: readonly string[] } | null {
  const match = /^((?:\d{1,3}\.){1,4})in-addr\.arpa$/.exec(name);
  if (match === null) return null;
  const octets = (match[1] ?? '').split('.').slice(0, -1).toReversed();
  return octets.every((octet) => String(Number(octet)) === octet && Number(octet) < 256) ? { octets } : null;
}

/** Whether all addresses that begin like this lie in the range. */
function isWithin(octets: readonly string[], range: string): boolean {
  const [start = '', length = '32'] = range.split('/');
  const bits = Number(length);
  if (octets.length * 8 < bits) return false;
  const shift = 2 ** (32 - bits);
  return Math.floor(toNumber(octets) / shift) === Math.floor(toNumber(start.split('.')) / shift);
}

function toNumber(octets: readonly string[]): number {
  return [0, 1, 2, 3].reduce((sum, index) => sum * 256 + Number(octets[index] ?? 0), 0);
}

/** The reverse zone of the part of the range that the address is in: zones are cut at whole octets. */
function reverseZone(octets: readonly string[], range: string): string {
  const bytes = Math.ceil(Number(range.split('/')[1] ?? 32) / 8);
  return `${octets.slice(0, bytes).toReversed().join('.')}.in-addr.arpa`;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const [a, b] = [result[last], result[other]];
    if (a === undefined || b === undefined) continue;
    result[last] = b;
    result[other] = a;
  }
  return result;
}
