/**
 * DNS messages on the wire: queries in, our own answers out. The codec is dns-packet's; what it lacks is here: refusing what must not
 * be decoded at all, compression of names, and truncation.
 *
 * Of a query the question is kept as bytes and sent back as it came, so that clients that vary the case of letters to make
 * forgery harder find their own spelling again.
 */
import * as dnsPacket from 'dns-packet';

declare module 'dns-packet' {
  /** Encoders of record data; the length stands in the first two bytes. Not in the published types. */
  function record(type: string): {
    readonly encode: { (data: unknown, buffer: Buffer, offset: number): unknown; bytes: number };
  };
}

/** What the answer says as a whole. The numbers are the wire's. */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;
/** One of {@link RCODE}. */
export type Rcode = (typeof RCODE)[keyof typeof RCODE];

/** One record of an answer. Names have no dot at the end. */
export type DnsRecord = { readonly name: string; readonly ttlSeconds: number } & (
  | { readonly type: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR' | 'TXT'; readonly data: string }
  | {
      readonly type: 'SRV';
      readonly data: {
        readonly priority: number;
        readonly weight: number;
        readonly port: number;
        readonly target: string;
      };
    }
  | { readonly type: 'HINFO'; readonly data: { readonly cpu: string; readonly os: string } }
  | {
      readonly type: 'SOA';
      readonly data: {
        readonly mname: string;
        readonly rname: string;
        readonly serial: number;
        readonly refresh: number;
        readonly retry: number;
        readonly expire: number;
        readonly minimum: number;
      };
    }
);

/** What was asked. */
export interface Question {
  /** In small letters, without the dot at the end; the root is empty. */
  readonly name: string;
  /** `A`, `SRV`, …; `UNKNOWN_65` when the codec has no word for it. */
  readonly type: string;
  readonly class: string;
}

/** A well-formed query. */
export interface Query {
  readonly packet: Buffer;
  readonly question: Question;
  /** Where the question ends in the packet. */
  readonly questionEnd: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  /** What the client's EDNS record says; undefined without one. */
  readonly edns: { readonly udpBytes: number; readonly dnssecOk: boolean; readonly version: number } | undefined;
}

/** An answer of our own. */
export interface Answer {
  readonly rcode: Rcode;
  /** From the zone itself rather than from others. */
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authorities?: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
}

/** The largest UDP answer that passes everywhere without being cut into pieces. */
export const UDP_BYTES = 1232;
/** What a client takes that says nothing. */
const PLAIN_UDP_BYTES = 512;
/** The largest message there is. */
export const MAX_BYTES = 65_535;
const HEADER_BYTES = 12;
const OPT_BYTES = 11;
/** Class of the internet, and where a compressed name's pointer begins. */
const CLASS_IN = 1;
const POINTER = 0xc000;
/** A query has its EDNS record there and perhaps a signature. */
const MAX_ADDITIONALS = 4;
const FLAG = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  checkingDisabled: 0x0010,
} as const;
const TYPE_NUMBERS = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, HINFO: 13, TXT: 16, AAAA: 28, SRV: 33 } as const;

/**
 * Reads a query. Returns the refusal to send back when it is none that can be answered, and null when it must not be answered at
 * all (too short, or itself an answer: two servers would talk forever). Never throws.
 */
export function readQuery(packet: Buffer): Query | { readonly refusal: Buffer } | null {
  if (packet.length < HEADER_BYTES) return null;
  const flags = packet.readUInt16BE(2);
  if ((flags & FLAG.response) !== 0) return null;
  if (((flags >> 11) & 0xf) !== 0) return { refusal: bareReply(packet, RCODE.NOTIMP) };
  // Counted before decoding: the codec would reserve room for whatever the header claims.
  const malformed =
    packet.readUInt16BE(4) !== 1 ||
    packet.readUInt16BE(6) !== 0 ||
    packet.readUInt16BE(8) !== 0 ||
    packet.readUInt16BE(10) > MAX_ADDITIONALS;
  const questionEnd = malformed ? null : endOfQuestion(packet);
  if (questionEnd === null) return { refusal: bareReply(packet, RCODE.FORMERR) };
  try {
    const { questions = [], additionals = [] } = dnsPacket.decode(packet);
    const [question] = questions;
    if (question === undefined || !isPlain(question.name, packet, questionEnd)) throw new Error('no readable question');
    const opt = additionals.find((record) => record.type === 'OPT');
    return {
      packet,
      question: {
        name: question.name === '.' ? '' : question.name.toLowerCase(),
        type: question.type,
        class: question.class ?? 'IN',
      },
      questionEnd,
      recursionDesired: (flags & FLAG.recursionDesired) !== 0,
      checkingDisabled: (flags & FLAG.checkingDisabled) !== 0,
      edns:
        opt?.type === 'OPT'
          ? { udpBytes: opt.udpPayloadSize, dnssecOk: opt.flag_do, version: opt.ednsVersion }
          : undefined,
    };
  } catch {
    return { refusal: bareReply(packet, RCODE.FORMERR) };
  }
}

/** How large an answer this client takes by UDP. */
export function udpLimit({ edns }: Query): number {
  return edns === undefined ? PLAIN_UDP_BYTES : Math.min(UDP_BYTES, Math.max(PLAIN_UDP_BYTES, edns.udpBytes));
}

/** Where the one question ends; null when there is none. Questions are never compressed. */
export function endOfQuestion(packet: Buffer): number | null {
  let at = HEADER_BYTES;
  for (let length = packet[at]; length !== 0; length = packet[at]) {
    if (length === undefined || length > 63) return null;
    at += length + 1;
  }
  return at + 5 <= packet.length && at + 1 - HEADER_BYTES <= 255 ? at + 5 : null;
}

/** Whether the codec's text stands for the very bytes: labels with dots in them, or that are no UTF-8, have no such text. */
function isPlain(name: string, packet: Buffer, questionEnd: number): boolean {
  if (name === '.') return questionEnd === HEADER_BYTES + 5;
  if (name.includes('\ufffd')) return false;
  let labels = 0;
  for (let at = HEADER_BYTES; packet[at] !== 0; at += (packet[at] ?? 0) + 1) labels += 1;
  return name.split('.').length === labels;
}

/** The header alone, for what cannot be read. */
function bareReply(packet: Buffer, rcode: Rcode): Buffer {
  const reply = Buffer.alloc(HEADER_BYTES);
  packet.copy(reply, 0, 0, 2);
  const flags = packet.readUInt16BE(2);
  reply.writeUInt16BE(FLAG.response | (flags & 0x7900) | rcode, 2);
  return reply;
}

/** Begins an answer to `query` in `into`: header and question. Returns where to go on. */
export function beginReply(query: Query, into: Buffer, rcode: Rcode, authoritative: boolean): number {
  query.packet.copy(into, 0, 0, query.questionEnd);
  into.writeUInt16BE(
    FLAG.response |
      FLAG.recursionAvailable |
      (authoritative ? FLAG.authoritative : 0) |
      (query.recursionDesired ? FLAG.recursionDesired : 0) |
      (query.checkingDisabled ? FLAG.checkingDisabled : 0) |
      (rcode & 0xf),
    2,
  );
  into.fill(0, 6, HEADER_BYTES);
  return query.questionEnd;
}

/** Appends our EDNS record when the client sent one, and counts it. Returns where to go on. */
export function endReply(query: Query, into: Buffer, at: number, rcode: Rcode): number {
  if (query.edns === undefined) return at;
  into[at] = 0;
  into.writeUInt16BE(41, at + 1);
  into.writeUInt16BE(UDP_BYTES, at + 3);
  into.writeUInt16BE((rcode >> 4) << 8, at + 5);
  into.writeUInt16BE(query.edns.dnssecOk ? 0x8000 : 0, at + 7);
  into.writeUInt16BE(0, at + 9);
  into.writeUInt16BE(into.readUInt16BE(10) + 1, 10);
  return at + OPT_BYTES;
}

/** Bytes {@link endReply} will add. */
export function ednsBytes(query: Query): number {
  return query.edns === undefined ? 0 : OPT_BYTES;
}

/** Marks an answer as cut off: the client asks again by TCP. */
export function markTruncated(reply: Buffer): void {
  reply.writeUInt16BE(reply.readUInt16BE(2) | FLAG.truncated, 2);
}

/** One for all: messages are written synchronously. The slack lets a record run over the limit before it is taken back. */
const scratch = Buffer.alloc(MAX_BYTES + 1024);

/** Writes an answer of at most `limitBytes`; what does not fit is left out, and the answer marked when it was more than an extra. */
export function writeReply(query: Query, answer: Answer, limitBytes: number): Buffer {
  let at = beginReply(query, scratch, answer.rcode, answer.authoritative);
  const names = new Map<string, number>();
  rememberName(names, query.question.name, HEADER_BYTES);
  const end = Math.min(limitBytes, MAX_BYTES) - ednsBytes(query);
  const sections = [answer.answers, answer.authorities ?? [], answer.additionals ?? []];
  let full = false;
  for (const [section, records] of sections.entries()) {
    let written = 0;
    for (const record of full ? [] : records) {
      const next = writeRecord(record, names, at);
      full = next > end;
      if (full) break;
      at = next;
      written += 1;
    }
    scratch.writeUInt16BE(written, 6 + 2 * section);
    if (full && section < 2) markTruncated(scratch);
    if (full) break;
  }
  at = endReply(query, scratch, at, answer.rcode);
  return Buffer.from(scratch.subarray(0, at));
}

function writeRecord(record: DnsRecord, names: Map<string, number>, start: number): number {
  let at = writeName(record.name, names, start);
  scratch.writeUInt16BE(TYPE_NUMBERS[record.type], at);
  scratch.writeUInt16BE(CLASS_IN, at + 2);
  scratch.writeUInt32BE(record.ttlSeconds, at + 4);
  at += 8;
  const { encode } = dnsPacket.record(record.type);
  encode(record.data, scratch, at);
  return at + encode.bytes;
}

function writeName(name: string, names: Map<string, number>, start: number): number {
  let at = start;
  let rest = name;
  while (rest !== '') {
    const known = names.get(rest);
    if (known !== undefined) return scratch.writeUInt16BE(POINTER | known, at);
    if (at < 0x4000) names.set(rest, at);
    const dot = rest.indexOf('.');
    const label = dot < 0 ? rest : rest.slice(0, dot);
    scratch[at] = scratch.write(label, at + 1, 63, 'utf8');
    at += (scratch[at] ?? 0) + 1;
    rest = dot < 0 ? '' : rest.slice(dot + 1);
  }
  scratch[at] = 0;
  return at + 1;
}

function rememberName(names: Map<string, number>, name: string, start: number): void {
  let at = start;
  let rest = name;
  while (rest !== '') {
    names.set(rest, at);
    const dot = rest.indexOf('.');
    at += Buffer.byteLength(dot < 0 ? rest : rest.slice(0, dot)) + 1;
    rest = dot < 0 ? '' : rest.slice(dot + 1);
  }
}
