/** From a client's packet to the packet it gets: the cluster's own names from the zone, everything else from others. */
import * as dnsPacket from 'dns-packet';
import { passOn } from './foreign-message.ts';
import { type Forwarded, type Forwarder, type ForwardQuestion, forwardQuestion } from './forwarder.ts';
import {
  type Answer,
  type DnsRecord,
  MAX_BYTES,
  type Query,
  RCODE,
  readQuery,
  udpLimit,
  writeReply,
} from './message.ts';
import { answerFromZone, isInZone, type ZoneAnswer, type ZoneFacts } from './records.ts';
import type { ZoneData } from './zone-data.ts';

/** What a {@link NameResolver} is made of. */
export interface NameResolverOptions {
  readonly facts: ZoneFacts;
  /** What is known of the cluster now; undefined: nothing yet. */
  readonly zone: () => ZoneData | undefined;
  readonly forwarder: Forwarder;
}

/** How a question came. */
export type Transport = 'udp' | 'tcp';

/** Names that lead to names that lead to names: so many, then it is a loop. */
const MAX_CHASE = 8;
const REFUSED_TYPES: ReadonlySet<string> = new Set(['AXFR', 'IXFR']);

/** See the top of the file. Keeps nothing of its own. */
export class NameResolver {
  readonly #options: NameResolverOptions;

  constructor(options: NameResolverOptions) {
    this.#options = options;
  }

  /** The reply; null when there must be none. A promise only when others are asked; it never rejects. */
  respond(packet: Buffer, transport: Transport): Buffer | null | Promise<Buffer> {
    const query = readQuery(packet);
    if (query === null) return null;
    if ('refusal' in query) return query.refusal;
    const limitBytes = transport === 'udp' ? udpLimit(query) : MAX_BYTES;
    const refusal = refusalOf(query);
    if (refusal !== undefined) return writeReply(query, { ...EMPTY, rcode: refusal }, limitBytes);
    const own = answerFromZone(query.question, this.#options.zone(), this.#options.facts);
    if (own?.chase !== undefined) {
      return this.#chase(query, own, own.chase)
        .catch((): Answer => ({ ...EMPTY, rcode: RCODE.SERVFAIL, answers: own.answers }))
        .then((answer) => writeReply(query, answer, limitBytes));
    }
    if (own !== null) return writeReply(query, { ...own, authoritative: own.rcode !== RCODE.SERVFAIL }, limitBytes);
    if (query.question.type === 'ANY') {
      return writeReply(query, { ...EMPTY, answers: [noAnswerToAny(query.question.name)] }, limitBytes);
    }
    const forwarded = this.#options.forwarder.ask(forwardQuestion(query));
    return forwarded instanceof Promise
      ? forwarded.then(
          (answer) => passOn(query, answer.message, { ...answer, limitBytes }),
          () => writeReply(query, { ...EMPTY, rcode: RCODE.SERVFAIL }, limitBytes),
        )
      : passOn(query, forwarded.message, { ...forwarded, limitBytes });
  }

  /** Follows a name that stands for another one, inside the cluster or outside, and puts all records together. */
  async #chase(query: Query, first: ZoneAnswer, start: string): Promise<Answer> {
    const { facts, zone, forwarder } = this.#options;
    const answers = [...first.answers];
    let name: string | undefined = start;
    for (let step = 0; name !== undefined && step < MAX_CHASE; step += 1) {
      const question = { ...query.question, name };
      if (!isInZone(name, facts.domain)) return appendForwarded(answers, await askQuietly(forwarder, question, query));
      const next = answerFromZone(question, zone(), facts);
      if (next === null) break;
      answers.push(...next.answers);
      name = next.chase;
      if (name === undefined) return { ...next, answers, authoritative: true };
    }
    return { ...EMPTY, rcode: RCODE.SERVFAIL };
  }
}

const EMPTY: Answer = { rcode: RCODE.NOERROR, authoritative: false, answers: [] };

function refusalOf({ question, edns }: Query): Answer['rcode'] | undefined {
  if ((edns?.version ?? 0) !== 0) return RCODE.BADVERS;
  return question.class !== 'IN' || REFUSED_TYPES.has(question.type) ? RCODE.REFUSED : undefined;
}

function noAnswerToAny(name: string): DnsRecord {
  return { type: 'HINFO', name, ttlSeconds: 60, data: { cpu: 'RFC8482', os: '' } };
}

async function askQuietly(
  forwarder: Forwarder,
  { name, type }: Query['question'],
  query: Query,
): Promise<Forwarded | undefined> {
  const packet = dnsPacket.encode({
    type: 'query',
    questions: [{ name, type: type as dnsPacket.RecordType, class: 'IN' }],
  });
  const { checkingDisabled } = query;
  const question: ForwardQuestion = { name, type, bytes: packet.subarray(12), dnssecOk: false, checkingDisabled };
  try {
    return await forwarder.ask(question);
  } catch {
    return undefined;
  }
}

/** The name itself is known even when nobody can say what it stands for; then the client must try again. */
function appendForwarded(own: readonly DnsRecord[], forwarded: Forwarded | undefined): Answer {
  if (forwarded === undefined) return { ...EMPTY, rcode: RCODE.SERVFAIL, answers: own };
  const { message, ageSeconds, floorSeconds } = forwarded;
  const { answers = [] } = dnsPacket.decode(message.bytes);
  const theirs = answers.flatMap((record): DnsRecord[] => {
    if (record.type !== 'A' && record.type !== 'AAAA' && record.type !== 'CNAME') return [];
    const ttlSeconds = Math.max(floorSeconds, (record.ttl ?? 0) - ageSeconds);
    return [{ type: record.type, name: record.name, ttlSeconds, data: record.data }];
  });
  return { rcode: message.rcode, authoritative: false, answers: [...own, ...theirs] };
}
