/**
 * Asks other servers what the cluster does not know. Answers are kept; equal questions wait for one answer; a server that does not
 * answer is left out for a while; when none answers, what was known before serves for an hour more.
 *
 * Three tries of 1.5 s stay within the 5 s after which the resolvers of the C libraries give up.
 */
import { randomInt } from 'node:crypto';
import { type Clock, sleep } from '../../lib/clock.ts';
import { AnswerCache, type CacheLimits } from './answer-cache.ts';
import { askByTcp, askByUdp, type Exchange } from './exchange.ts';
import { type ForeignMessage, readForeign } from './foreign-message.ts';
import { type Query, RCODE, UDP_BYTES } from './message.ts';
import type { Upstream } from './resolver-file.ts';

/** The part of a log it needs. */
export interface ForwarderLog {
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

/** What a {@link Forwarder} is made of. */
export interface ForwarderOptions {
  readonly clock: Clock;
  readonly log: ForwarderLog;
  /** Whom to ask for a name, best first. */
  readonly upstreamsFor: (name: string) => readonly Upstream[];
  /** Ends all questions under way. */
  readonly signal: AbortSignal;
  readonly cache?: CacheLimits;
  readonly tryMs?: number;
}

/** A question to be passed on. */
export interface ForwardQuestion {
  readonly name: string;
  readonly type: string;
  /** As it stands in a packet. */
  readonly bytes: Buffer;
  readonly dnssecOk: boolean;
  readonly checkingDisabled: boolean;
}

/** An answer, with how old it is. */
export interface Forwarded {
  readonly message: ForeignMessage;
  readonly ageSeconds: number;
  /** Times to live given to the client are at least this. */
  readonly floorSeconds: number;
}

const TRIES = 3;
const TRY_MS = 1500;
const DEAD_FOR_MS = 10_000;
/** A client that could have an old answer does not wait longer for a new one. */
const STALE_AFTER_MS = 1000;
/** RFC 8767's recommendation for answers past their time. */
const STALE_TTL_SECONDS = 30;
/** Questions under way; each holds a socket. */
const MAX_UNDER_WAY = 512;

/** See the top of the file. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache: AnswerCache;
  readonly #underWay = new Map<string, Promise<ForeignMessage>>();
  /** Server → when it may be asked first again. */
  readonly #deadUntilMs = new Map<string, number>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#cache = new AnswerCache(options.clock, options.cache);
  }

  /** Questions waiting for others. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Answers kept. */
  get kept(): number {
    return this.#cache.size;
  }

  /** Forgets all answers: whom to ask has changed. */
  forget(): void {
    this.#cache.clear();
    this.#deadUntilMs.clear();
  }

  /** The answer, at once when it is kept. Rejects when nobody answers. */
  ask(question: ForwardQuestion): Forwarded | Promise<Forwarded> {
    const key = keyOf(question);
    const kept = this.#cache.get(key);
    if (kept !== undefined && !kept.stale)
      return { message: kept.message, ageSeconds: kept.ageSeconds, floorSeconds: 0 };
    const stale = kept && { message: kept.message, ageSeconds: kept.ageSeconds, floorSeconds: STALE_TTL_SECONDS };
    return this.#askOthers(question, key, stale);
  }

  async #askOthers(question: ForwardQuestion, key: string, stale: Forwarded | undefined): Promise<Forwarded> {
    const answer = this.#shared(question, key).then((message) => ({ message, ageSeconds: 0, floorSeconds: 0 }));
    if (stale === undefined) return answer;
    const enough = new AbortController();
    const waited = sleep(this.#options.clock, this.#anyAlive(question.name) ? STALE_AFTER_MS : 0, enough.signal);
    try {
      return await Promise.race([
        answer.then((fresh) => (fresh.message.rcode === RCODE.SERVFAIL ? stale : fresh)).catch(() => stale),
        waited.then(() => stale),
      ]);
    } finally {
      enough.abort();
    }
  }

  #shared(question: ForwardQuestion, key: string): Promise<ForeignMessage> {
    const known = this.#underWay.get(key);
    if (known !== undefined) return known;
    if (this.#underWay.size >= MAX_UNDER_WAY) {
      return Promise.reject(new Error(`Cannot ask for ${question.name}: ${MAX_UNDER_WAY} questions are under way`));
    }
    const work = this.#tryServers(question)
      .then((message) => {
        this.#cache.put(key, message);
        return message;
      })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, work);
    return work;
  }

  async #tryServers(question: ForwardQuestion): Promise<ForeignMessage> {
    const servers = this.#inOrder(this.#options.upstreamsFor(question.name));
    if (servers.length === 0) throw new Error(`Cannot ask for ${question.name}: no server is known`);
    const tries = servers.some((server) => this.#isAlive(server)) ? TRIES : 2;
    let refused: ForeignMessage | undefined;
    let lastError: unknown;
    for (let attempt = 0; attempt < tries; attempt += 1) {
      const server = servers[attempt % servers.length];
      if (server === undefined || this.#options.signal.aborted) break;
      try {
        const message = await this.#askServer(server, question);
        this.#revive(server);
        if (message.rcode === RCODE.NOERROR || message.rcode === RCODE.NXDOMAIN) return message;
        refused = message;
        if (attempt + 1 >= servers.length) break;
      } catch (err) {
        lastError = err;
        this.#declareDead(server, err);
      }
    }
    if (refused !== undefined && refused.questionEnd > 0) return refused;
    throw lastError instanceof Error ? lastError : new Error(`Cannot ask for ${question.name}: nobody answers`);
  }

  async #askServer(server: Upstream, question: ForwardQuestion): Promise<ForeignMessage> {
    let message = await this.#exchange(askByUdp, server, question, true);
    // Old servers refuse what they do not know of instead of passing it over.
    if (message.rcode === RCODE.FORMERR || message.rcode === RCODE.NOTIMP) {
      message = await this.#exchange(askByUdp, server, question, false);
    }
    return message.truncated ? this.#exchange(askByTcp, server, question, true) : message;
  }

  async #exchange(
    exchange: Exchange,
    server: Upstream,
    question: ForwardQuestion,
    edns: boolean,
  ): Promise<ForeignMessage> {
    const { signal, tryMs = TRY_MS } = this.#options;
    return readForeign(await exchange(server, packetOf(question, edns), { timeoutMs: tryMs, signal }));
  }

  /** Those that answered lately first, in the order given; then the others, the longest silent first. */
  #inOrder(servers: readonly Upstream[]): Upstream[] {
    const deadUntil = (server: Upstream): number =>
      this.#isAlive(server) ? 0 : (this.#deadUntilMs.get(idOf(server)) ?? 0);
    return servers.toSorted((a, b) => deadUntil(a) - deadUntil(b));
  }

  #anyAlive(name: string): boolean {
    return this.#options.upstreamsFor(name).some((server) => this.#isAlive(server));
  }

  #isAlive(server: Upstream): boolean {
    return (this.#deadUntilMs.get(idOf(server)) ?? 0) <= this.#options.clock.monotonicMs();
  }

  #declareDead(server: Upstream, err: unknown): void {
    if (this.#options.signal.aborted) return;
    if (!this.#deadUntilMs.has(idOf(server))) {
      this.#options.log.warn({ server: idOf(server), err }, 'name server does not answer, asking others first');
    }
    this.#deadUntilMs.set(idOf(server), this.#options.clock.monotonicMs() + DEAD_FOR_MS);
  }

  #revive(server: Upstream): void {
    if (this.#deadUntilMs.delete(idOf(server))) {
      this.#options.log.info({ server: idOf(server) }, 'name server answers again');
    }
  }
}

/** The question of a client as it is passed on. */
export function forwardQuestion({ packet, question, questionEnd, edns, checkingDisabled }: Query): ForwardQuestion {
  return {
    name: question.name,
    type: question.type,
    bytes: packet.subarray(12, questionEnd),
    dnssecOk: edns?.dnssecOk === true,
    checkingDisabled,
  };
}

function keyOf({ name, type, dnssecOk, checkingDisabled }: ForwardQuestion): string {
  return `${type}${dnssecOk ? '+' : ''}${checkingDisabled ? '-' : ''} ${name}`;
}

function idOf({ ip, port }: Upstream): string {
  return port === 53 ? ip : `${ip} port ${port}`;
}

function packetOf({ bytes, dnssecOk, checkingDisabled }: ForwardQuestion, edns: boolean): Buffer {
  const packet = Buffer.alloc(12 + bytes.length + (edns ? 11 : 0));
  packet.writeUInt16BE(randomInt(0x1_0000), 0);
  packet.writeUInt16BE(0x0100 | (checkingDisabled ? 0x0010 : 0), 2);
  packet.writeUInt16BE(1, 4);
  bytes.copy(packet, 12);
  if (!edns) return packet;
  packet.writeUInt16BE(1, 10);
  const opt = 12 + bytes.length;
  packet.writeUInt16BE(41, opt + 1);
  packet.writeUInt16BE(UDP_BYTES, opt + 3);
  packet.writeUInt16BE(dnssecOk ? 0x8000 : 0, opt + 7);
  return packet;
}
