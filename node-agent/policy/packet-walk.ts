/**
 * For tests: whether a packet passes the rules of a plan, decided as the kernel decides it. Knows the words that plans are made
 * of, and throws on any other.
 */
import type { PolicyPlan } from './policy-plan.ts';
import { addressNumber, addressRange } from './ranges.ts';

/** The first packet of a connection, or a later one. */
export interface Packet {
  readonly saddr: string;
  readonly daddr: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'icmp';
  /** Of the destination; none with icmp. */
  readonly port?: number;
  readonly established?: boolean;
}

type Verdict = 'accept' | 'drop' | undefined;

/** See the top of the file. */
export function passes(plan: PolicyPlan, packet: Packet): boolean {
  const bases = [...plan.chains].filter(([, { hook }]) => hook !== undefined);
  bases.sort(([, a], [, b]) => ((a.hook?.priority ?? '') < (b.hook?.priority ?? '') ? -1 : 1));
  return bases.every(([name]) => walk(plan, name, packet) !== 'drop');
}

function walk(plan: PolicyPlan, chain: string, packet: Packet): Verdict {
  const rules = plan.chains.get(chain)?.rules;
  if (rules === undefined) throw new Error(`no chain ${chain}`);
  for (const rule of rules) {
    const action = actionOf(plan, rule, packet);
    if (action === 'accept' || action === 'drop') return action;
    const [, how, to = ''] = /^(goto|jump) (\S+)$/.exec(action ?? '') ?? [];
    if (how === undefined) continue;
    const verdict = walk(plan, to, packet);
    if (verdict !== undefined || how === 'goto') return verdict;
  }
  return undefined;
}

/** What the rule does with the packet; undefined when it does not match. */
function actionOf(plan: PolicyPlan, rule: string, packet: Packet): string | undefined {
  let rest = rule;
  while (rest !== '') {
    if (/^(accept|drop|(goto|jump) \S+)$/.test(rest)) return rest;
    const looked = /^ip (saddr|daddr) vmap @(\S+)$/.exec(rest);
    if (looked !== null) return elementsOf(plan, looked[2]).get(packet[looked[1] as 'saddr' | 'daddr']);
    const { matches, length } = matchOf(plan, rest, packet);
    if (!matches) return undefined;
    rest = rest.slice(length).trimStart();
  }
  throw new Error(`the rule "${rule}" has no verdict`);
}

function matchOf(plan: PolicyPlan, text: string, packet: Packet): { matches: boolean; length: number } {
  const { saddr, daddr, protocol, port } = packet;
  const found = (
    pattern: RegExp,
    test: (value: string) => boolean,
  ): { matches: boolean; length: number } | undefined => {
    const parts = pattern.exec(text);
    return parts === null ? undefined : { matches: test(parts[1] ?? ''), length: parts[0].length };
  };
  const match =
    found(/^ct state established,related(?= )/, () => packet.established === true) ??
    found(/^ip saddr \. ip daddr @(\S+)/, (set) => elementsOf(plan, set).has(`${saddr} . ${daddr}`)) ??
    found(
      /^ip daddr \. meta l4proto \. th dport @(\S+)/,
      (set) => port !== undefined && elementsOf(plan, set).has(`${daddr} . ${protocol} . ${port}`),
    ) ??
    found(/^ip saddr (@\S+|\{[^}]*\}|\S+)/, (value) => hasAddress(plan, value, saddr)) ??
    found(/^ip daddr (@\S+|\{[^}]*\}|\S+)/, (value) => hasAddress(plan, value, daddr)) ??
    found(/^tcp dport (\{[^}]*\}|\S+)/, (value) => protocol === 'tcp' && hasPort(value, port)) ??
    found(/^udp dport (\{[^}]*\}|\S+)/, (value) => protocol === 'udp' && hasPort(value, port)) ??
    found(/^sctp dport (\{[^}]*\}|\S+)/, (value) => protocol === 'sctp' && hasPort(value, port)) ??
    found(/^meta l4proto (\S+)/, (value) => value === protocol);
  if (match === undefined) throw new Error(`Cannot follow a packet through "${text}"`);
  return match;
}

function elementsOf(plan: PolicyPlan, name = ''): ReadonlyMap<string, string> {
  const found = plan.collections.get(name);
  if (found === undefined) throw new Error(`no map or set ${name}`);
  return found.elements;
}

function hasAddress(plan: PolicyPlan, value: string, address: string): boolean {
  if (value.startsWith('@')) return elementsOf(plan, value.slice(1)).has(address);
  return ranges(value, (text) => (text.includes('/') ? wholeRange(text) : bounds(text, addressNumber))).some(
    ([first, last]) => first <= addressNumber(address) && addressNumber(address) <= last,
  );
}

function hasPort(value: string, port: number | undefined): boolean {
  return ranges(value, (text) => bounds(text, Number)).some(
    ([first, last]) => port !== undefined && first <= port && port <= last,
  );
}

/** Throws for members that overlap, as nft does. */
function ranges(value: string, read: (text: string) => [number, number]): [number, number][] {
  const members = value
    .replace(/[{}]/g, '')
    .split(',')
    .map((text) => read(text.trim()));
  const sorted = members.toSorted((a, b) => a[0] - b[0]);
  for (const [at, [first]] of sorted.entries()) {
    if (at > 0 && first <= (sorted[at - 1]?.[1] ?? -1)) throw new Error(`members of ${value} overlap`);
  }
  return members;
}

function bounds(text: string, number: (text: string) => number): [number, number] {
  const [first = '', last = first] = text.split('-');
  return [number(first), number(last)];
}

function wholeRange(text: string): [number, number] {
  const range = addressRange(text);
  if (range === undefined) throw new Error(`${text} is no range`);
  return [range.first, range.last];
}
