/** One question to one server, by UDP from a port of its own, or by TCP. */
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { endOfQuestion } from './message.ts';
import type { Upstream } from './resolver-file.ts';

/** How long to wait, and what ends the wait earlier. */
export interface ExchangeOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Asks one server one question; rejects when no answer to it comes in time. */
export type Exchange = (upstream: Upstream, packet: Buffer, options: ExchangeOptions) => Promise<Buffer>;

/**
 * By UDP. The kernel picks a port at random, and takes packets from that server only; what does not carry our id and our question
 * is passed over.
 */
export const askByUdp: Exchange = (upstream, packet, options) =>
  settleOnce(upstream, options, (resolve, reject) => {
    const socket = createSocket(isIPv6(upstream.ip) ? 'udp6' : 'udp4');
    socket.on('error', reject);
    socket.on('message', (reply) => {
      if (isAnswerTo(packet, reply)) resolve(reply);
    });
    // By the event: a callback would be handed the failure to connect too, instead of `error`.
    socket.on('connect', () => {
      try {
        socket.send(packet, (err) => {
          if (err !== null) reject(err);
        });
      } catch (err) {
        reject(err);
      }
    });
    socket.connect(upstream.port, upstream.ip);
    return () => socket.close();
  });

/** By TCP, for answers too large for UDP. */
export const askByTcp: Exchange = (upstream, packet, options) =>
  settleOnce(upstream, options, (resolve, reject) => {
    const socket = connect(upstream.port, upstream.ip);
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('connect', () => socket.write(framed(packet)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const reply = received.subarray(2, 2 + received.readUInt16BE(0));
      if (isAnswerTo(packet, reply)) resolve(reply);
      else reject(new Error('the answer is to another question'));
    });
    socket.on('end', () => reject(new Error('the connection was closed')));
    return () => socket.destroy();
  });

/** A message as it goes over TCP: its length first. */
export function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(message.length + 2);
  frame.writeUInt16BE(message.length, 0);
  message.copy(frame, 2);
  return frame;
}

function settleOnce(
  { ip, port }: Upstream,
  { timeoutMs, signal }: ExchangeOptions,
  start: (resolve: (reply: Buffer) => void, reject: (err: unknown) => void) => () => void,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let settled = false;
    const finish = (settle: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      close();
      settle();
    };
    const fail = (because: unknown): void =>
      finish(() =>
        reject(new Error(`Cannot get an answer from ${ip} port ${port}: ${String(because)}`, { cause: because })),
      );
    const onAbort = (): void => fail('the agent is stopping');
    const timer = setTimeout(() => fail(`none within ${timeoutMs} ms`), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    const close = start((reply) => finish(() => resolve(reply)), fail);
    if (signal.aborted) onAbort();
  });
}

/** Whether `reply` carries the id and the question of `packet`; servers that could not read the question send none back. */
function isAnswerTo(packet: Buffer, reply: Buffer): boolean {
  if (reply.length < 12 || reply.readUInt16BE(0) !== packet.readUInt16BE(0) || (reply.readUInt8(2) & 0x80) === 0)
    return false;
  if (reply.readUInt16BE(4) === 0) return (reply.readUInt8(3) & 0xf) !== 0;
  const end = endOfQuestion(packet);
  if (end === null || endOfQuestion(reply) !== end) return false;
  for (let at = 12; at < end; at += 1) if (small(packet[at] ?? 0) !== small(reply[at] ?? 0)) return false;
  return true;
}

/** A letter's small form. Lengths of labels are below 64 and so never letters. */
function small(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}
