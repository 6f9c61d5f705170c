/** The DNS server over sockets of loopback, with a zone and upstreams of a test, and a client for it. */
import { createSocket } from 'node:dgram';
import { setMaxListeners } from 'node:events';
import { connect } from 'node:net';
import * as dnsPacket from 'dns-packet';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { framed } from '../../node-agent/dns/exchange.ts';
import { Forwarder } from '../../node-agent/dns/forwarder.ts';
import { listenTcp, listenUdp } from '../../node-agent/dns/listeners.ts';
import { NameResolver } from '../../node-agent/dns/name-resolver.ts';
import type { Upstream } from '../../node-agent/dns/resolver-file.ts';
import type { ZoneData } from '../../node-agent/dns/zone-data.ts';

/** Asks once and gives what came. */
export type Ask = (name: string, type?: dnsPacket.RecordType, options?: AskOptions) => Promise<DnsReply>;

/** How to ask. */
export interface AskOptions {
  readonly transport?: 'udp' | 'tcp';
  /** What the EDNS record says; none without. */
  readonly udpBytes?: number;
}

/** A decoded answer, with the fields the published types leave out. */
export type DnsReply = dnsPacket.DecodedPacket & { readonly rcode: string; readonly byteLength: number };

/** A started server. */
export interface DnsUnderTest {
  readonly udpPort: number;
  readonly tcpPort: number;
  readonly forwarder: Forwarder;
  readonly resolver: NameResolver;
  readonly ask: Ask;
  close(): Promise<void>;
}

/** What the server is made from. */
export interface DnsTestOptions {
  readonly zone: () => ZoneData | undefined;
  readonly upstreams: readonly Upstream[];
  readonly clock?: Clock;
  readonly tryMs?: number;
}

/** Starts a server on free ports. */
export async function startDns({
  zone,
  upstreams,
  clock = systemClock,
  tryMs = 300,
}: DnsTestOptions): Promise<DnsUnderTest> {
  const stop = new AbortController();
  // As the agent does with its own.
  setMaxListeners(0, stop.signal);
  const log = { warn: () => undefined, info: () => undefined };
  const forwarder = new Forwarder({ clock, log, signal: stop.signal, upstreamsFor: () => upstreams, tryMs });
  const resolver = new NameResolver({
    facts: {
      domain: 'cluster.local',
      dnsAddress: '10.43.0.10',
      ownRanges: ['10.43.0.0/16', '10.42.0.0/16'],
      serial: 1,
      random: Math.random,
    },
    zone,
    forwarder,
  });
  const respond = resolver.respond.bind(resolver);
  const udp = await listenUdp('127.0.0.1', 0, respond);
  const tcp = await listenTcp('127.0.0.1', 0, respond);
  const close = async (): Promise<void> => {
    stop.abort();
    await Promise.all([udp.close(), tcp.close()]);
  };
  const ask: Ask = async (name, type = 'A', { transport = 'udp', udpBytes } = {}) => {
    const packet = queryPacket(name, type, udpBytes);
    const answer = transport === 'udp' ? await sendUdp(udp.port, packet) : (await sendTcp(tcp.port, [packet], 1))[0];
    if (answer === undefined) throw new Error('no answer');
    return { ...dnsPacket.decode(answer), byteLength: answer.length } as DnsReply;
  };
  return { udpPort: udp.port, tcpPort: tcp.port, forwarder, resolver, ask, close };
}

/** A query as a client sends it. */
export function queryPacket(name: string, type: dnsPacket.RecordType, udpBytes?: number, id = 7): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: udpBytes ?? 0,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } satisfies dnsPacket.OptAnswer;
  return dnsPacket.encode({
    type: 'query',
    id,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type, class: 'IN' }],
    additionals: udpBytes === undefined ? [] : [opt],
  });
}

/** The first packet that comes back. Rejects after 5 s. */
export function sendUdp(port: number, packet: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  return new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer within 5 s')), 5000);
    socket.on('error', reject);
    socket.on('message', (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    socket.send(packet, port, '127.0.0.1');
  }).finally(() => socket.close());
}

/** Sends all in one piece, and gives the first `count` answers in the order they came. Rejects after 5 s or when cut off. */
export function sendTcp(port: number, packets: readonly Buffer[], count: number): Promise<Buffer[]> {
  const socket = connect(port, '127.0.0.1');
  return new Promise<Buffer[]>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer within 5 s')), 5000);
    let received = Buffer.alloc(0);
    const answers: Buffer[] = [];
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection was closed')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        answers.push(Buffer.from(received.subarray(2, end)));
        received = received.subarray(end);
      }
      if (answers.length < count) return;
      clearTimeout(timer);
      resolve(answers);
    });
    socket.write(Buffer.concat(packets.map(framed)));
  }).finally(() => socket.destroy());
}
