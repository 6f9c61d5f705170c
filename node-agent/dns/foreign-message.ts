/**
 * Answers of other servers. They are passed on as the bytes they came in, whatever types of records they hold: only the id, the
 * flags, the times to live and the EDNS record are ours.
 */
import {
  beginReply,
  ednsBytes,
  endOfQuestion,
  endReply,
  markTruncated,
  type Query,
  RCODE,
  type Rcode,
} from './message.ts';

/** An answer that has been looked through. */
export interface ForeignMessage {
  /** Without its EDNS record. */
  readonly bytes: Buffer;
  readonly rcode: Rcode;
  readonly truncated: boolean;
  /** Zero when it has no question: then it cannot be passed on. */
  readonly questionEnd: number;
  /** Where the times to live of records stand. */
  readonly ttlOffsets: readonly number[];
  /** How long it may be kept; undefined when it may not. */
  readonly ttlSeconds: number | undefined;
}

const TYPE_SOA = 6;
const TYPE_OPT = 41;
/** Of negative answers: their SOA says the same, but nobody should be stuck with one for long. */
const MAX_NEGATIVE_SECONDS = 300;
const MAX_POSITIVE_SECONDS = 3600;

const BARE = {
  bytes: Buffer.alloc(0),
  truncated: false,
  questionEnd: 0,
  ttlOffsets: [],
  ttlSeconds: undefined,
} as const;

interface Section {
  readonly ttls: readonly { readonly at: number; readonly seconds: number }[];
  readonly negativeSeconds: number | undefined;
  readonly opt: { readonly start: number; readonly end: number; readonly rcodeHigh: number } | undefined;
  readonly end: number;
}

/** Looks an answer through. Throws when it is cut off or malformed. */
export function readForeign(packet: Buffer): ForeignMessage {
  const flags = packet.readUInt16BE(2);
  // Servers that could not read the question send none back, only why.
  if (packet.readUInt16BE(4) === 0) return { ...BARE, rcode: (flags & 0xf) as Rcode };
  const questionEnd = endOfQuestion(packet);
  if (questionEnd === null) throw new Error('the answer has no question');
  const answers = readSection(packet, questionEnd, packet.readUInt16BE(6));
  const authorities = readSection(packet, answers.end, packet.readUInt16BE(8));
  const additionalCount = packet.readUInt16BE(10);
  const additionals = readSection(packet, authorities.end, additionalCount);
  const { opt } = additionals;
  // Taking it out from between others would move what compressed names point at; then all extras go.
  const isLast = opt === undefined || opt.end === additionals.end;
  const end = opt === undefined ? additionals.end : isLast ? opt.start : authorities.end;
  const bytes = Buffer.from(packet.subarray(0, end));
  bytes.writeUInt16BE(opt === undefined ? additionalCount : isLast ? additionalCount - 1 : 0, 10);
  const ttls = [...answers.ttls, ...authorities.ttls, ...additionals.ttls].filter(({ at }) => at < end);
  const rcode = ((flags & 0xf) | ((opt?.rcodeHigh ?? 0) << 4)) as Rcode;
  return {
    bytes,
    rcode,
    truncated: (flags & 0x0200) !== 0,
    questionEnd,
    ttlOffsets: ttls.map(({ at }) => at),
    ttlSeconds: timeToLive(rcode, answers, authorities),
  };
}

function timeToLive(rcode: Rcode, answers: Section, authorities: Section): number | undefined {
  if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN) return undefined;
  if (rcode === RCODE.NOERROR && answers.ttls.length > 0) {
    return Math.min(MAX_POSITIVE_SECONDS, Math.max(1, Math.min(...answers.ttls.map(({ seconds }) => seconds))));
  }
  const { negativeSeconds } = authorities;
  return negativeSeconds === undefined ? undefined : Math.min(MAX_NEGATIVE_SECONDS, Math.max(1, negativeSeconds));
}

function readSection(packet: Buffer, start: number, count: number): Section {
  const ttls: { at: number; seconds: number }[] = [];
  let negativeSeconds: number | undefined;
  let opt: Section['opt'];
  let at = start;
  for (let record = 0; record < count; record += 1) {
    const begin = at;
    at = skipName(packet, at);
    const type = packet.readUInt16BE(at);
    const seconds = packet.readUInt32BE(at + 4);
    const end = at + 10 + packet.readUInt16BE(at + 8);
    if (end > packet.length) throw new Error('the answer is cut off');
    if (type === TYPE_OPT) opt = { start: begin, end, rcodeHigh: packet.readUInt8(at + 4) };
    else ttls.push({ at: at + 4, seconds: seconds > 0x7fff_ffff ? 0 : seconds });
    // RFC 2308: the smaller of the record's own time and its last field.
    if (type === TYPE_SOA) negativeSeconds = Math.min(seconds, packet.readUInt32BE(end - 4));
    at = end;
  }
  return { ttls, negativeSeconds, opt, end: at };
}

function skipName(packet: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const length = packet.readUInt8(at);
    if (length === 0) return at + 1;
    if ((length & 0xc0) === 0xc0) return at + 2;
    if (length > 63) throw new Error('a name in the answer is malformed');
    at += length + 1;
  }
}

/** Passes a kept answer on to a client that asked the same. `ageSeconds` is taken from each time to live, `floorSeconds` left at least. */
export function passOn(
  query: Query,
  message: ForeignMessage,
  { ageSeconds = 0, floorSeconds = 0, limitBytes }: { ageSeconds?: number; floorSeconds?: number; limitBytes: number },
): Buffer {
  const fits = message.bytes.length + ednsBytes(query) <= limitBytes;
  const reply = Buffer.alloc((fits ? message.bytes.length : query.questionEnd) + ednsBytes(query));
  if (fits) message.bytes.copy(reply);
  const authenticated = query.edns?.dnssecOk === true ? message.bytes.readUInt16BE(2) & 0x0020 : 0;
  beginReply(query, reply, message.rcode, false);
  reply.writeUInt16BE(reply.readUInt16BE(2) | authenticated, 2);
  if (!fits) {
    markTruncated(reply);
    endReply(query, reply, query.questionEnd, message.rcode);
    return reply;
  }
  message.bytes.copy(reply, 6, 6, 12);
  for (const at of message.ttlOffsets) {
    reply.writeUInt32BE(Math.max(floorSeconds, message.bytes.readUInt32BE(at) - ageSeconds), at);
  }
  endReply(query, reply, message.bytes.length, message.rcode);
  return reply;
}
