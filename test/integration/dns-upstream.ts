/** A name server of a test, on loopback: UDP and TCP on one port, behaving as told. */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import * as dnsPacket from 'dns-packet';
import type { Upstream } from '../../node-agent/dns/resolver-file.ts';

/** What a server does with a question: answers to send (several are sent one after the other), or nothing. */
export type Behaviour = (query: dnsPacket.DecodedPacket, transport: 'udp' | 'tcp') => readonly Buffer[];

/** A running server. */
export interface TestUpstream extends Upstream {
  /** `type name` of each question it got, in order. */
  readonly asked: string[];
  /** Ports the questions came from. */
  readonly fromPorts: Set<number>;
  behave: Behaviour;
  close(): Promise<void>;
}

/** An answer to a query; fields of `change` replace what a good server says. */
export function reply(
  query: dnsPacket.DecodedPacket,
  answers: readonly dnsPacket.Answer[],
  change: Partial<dnsPacket.Packet> & { readonly rcode?: number } = {},
): Buffer {
  const { rcode = 0, ...rest } = change;
  return dnsPacket.encode({
    type: 'response',
    id: query.id ?? 0,
    flags: dnsPacket.RECURSION_AVAILABLE | rcode,
    questions: query.questions ?? [],
    answers: [...answers],
    ...rest,
  });
}

/** Answers every question with these addresses. */
export function addresses(ips: readonly string[], ttl = 60): Behaviour {
  return (query) => {
    const name = query.questions?.[0]?.name ?? '';
    return [
      reply(
        query,
        ips.map((data) => ({ type: 'A', name, ttl, data })),
      ),
    ];
  };
}

/** Starts a server on a free port. */
export async function startUpstream(behave: Behaviour): Promise<TestUpstream> {
  const asked: string[] = [];
  const fromPorts = new Set<number>();
  const connections = new Set<Socket>();
  const answersTo = (packet: Buffer, transport: 'udp' | 'tcp'): readonly Buffer[] => {
    const query = dnsPacket.decode(packet);
    asked.push(`${query.questions?.[0]?.type} ${query.questions?.[0]?.name}`);
    return upstream.behave(query, transport);
  };
  const tcp = createServer((socket) => {
    connections.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const answer of answersTo(chunk.subarray(2), 'tcp')) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length, 0);
        socket.write(Buffer.concat([length, answer]));
      }
    });
  });
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const bound = tcp.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const udp = createSocket('udp4');
  udp.on('message', (packet, from: RemoteInfo) => {
    fromPorts.add(from.port);
    for (const answer of answersTo(packet, 'udp')) udp.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject);
    udp.bind(port, '127.0.0.1', resolve);
  });
  const upstream: TestUpstream = {
    ip: '127.0.0.1',
    port,
    asked,
    fromPorts,
    behave,
    close: async () => {
      for (const socket of connections) socket.destroy();
      await Promise.all([
        new Promise<void>((resolve) => udp.close(() => resolve())),
        new Promise<void>((resolve) => tcp.close(() => resolve())),
      ]);
    },
  };
  return upstream;
}
