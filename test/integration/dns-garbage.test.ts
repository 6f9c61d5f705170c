/** The cluster's DNS under packets and connections that nobody sane sends: it answers on, and keeps what it holds bounded. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import * as dnsPacket from 'dns-packet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { framed } from '../../node-agent/dns/exchange.ts';
import { readForeign } from '../../node-agent/dns/foreign-message.ts';
import { shopZone } from '../../node-agent/dns/testing/zone.ts';
import { type DnsUnderTest, queryPacket, sendTcp, sendUdp, startDns } from './dns-under-test.ts';
import { addresses, reply, startUpstream, type TestUpstream } from './dns-upstream.ts';

let dns: DnsUnderTest;
let upstream: TestUpstream;
beforeAll(async () => {
  const zone = shopZone();
  upstream = await startUpstream(addresses(['192.0.2.1']));
  dns = await startDns({ zone: () => zone, upstreams: [upstream] });
});
afterAll(async () => {
  await dns.close();
  await upstream.close();
});

/** Numbers that a seed decides: a failure can be had again. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function mutated(packet: Buffer, random: (below: number) => number): Buffer {
  const result = Buffer.from(packet.subarray(0, random(3) === 0 ? random(packet.length + 1) : packet.length));
  for (let change = random(6); change > 0 && result.length > 0; change -= 1)
    result[random(result.length)] = random(256);
  return result;
}

const seeds: readonly Buffer[] = [
  queryPacket('web.shop.svc.cluster.local', 'A'),
  queryPacket('db.shop.svc.cluster.local', 'SRV', 4096),
  queryPacket('7.0.43.10.in-addr.arpa', 'PTR', 1232),
  queryPacket('outside.shop.svc.cluster.local', 'ANY' as 'A'),
  queryPacket(`${'a'.repeat(63)}.${'b'.repeat(63)}.cluster.local`, 'TXT', 512),
];

test('thousands of damaged questions are refused or answered, and the server goes on', async () => {
  const seed = Date.now() % 1_000_000;
  const random = numbers(seed);
  const waiting: Promise<Buffer>[] = [];
  for (let turn = 0; turn < 6000; turn += 1) {
    const packet = mutated(seeds[random(seeds.length)] ?? Buffer.alloc(0), random);
    const where = `seed ${seed}, turn ${turn}: ${packet.toString('hex')}`;
    const answer = dns.resolver.respond(packet, random(2) === 0 ? 'udp' : 'tcp');
    if (answer instanceof Promise) waiting.push(answer);
    else if (answer !== null) {
      expect(answer.length, where).toBeGreaterThanOrEqual(12);
      expect(answer.readUInt16BE(0), where).toBe(packet.readUInt16BE(0));
      expect(() => dnsPacket.decode(answer), where).not.toThrow();
    }
  }
  for (const answer of await Promise.all(waiting)) expect(answer.length).toBeGreaterThanOrEqual(12);
  expect((await dns.ask('web.shop.svc.cluster.local')).answers).toHaveLength(1);
});

test('damaged packets over the sockets themselves end nothing', async () => {
  const random = numbers(7);
  const packets = Array.from({ length: 300 }, () => mutated(seeds[random(seeds.length)] ?? Buffer.alloc(0), random));
  const packet = queryPacket('web.shop.svc.cluster.local', 'A', undefined, 4711);
  const flood = createSocket('udp4');
  for (const damaged of packets) flood.send(damaged, dns.udpPort, '127.0.0.1');
  const socket = connect(dns.tcpPort, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(Buffer.concat(packets));
  expect((await sendUdp(dns.udpPort, packet)).readUInt16BE(0)).toBe(4711);
  expect((await sendTcp(dns.tcpPort, [packet], 1))[0]?.readUInt16BE(0)).toBe(4711);
  socket.destroy();
  flood.close();
});

test('damaged answers of others are refused or passed on, never more', () => {
  const seed = Date.now() % 1_000_000;
  const random = numbers(seed);
  const question = { ...dnsPacket.decode(queryPacket('www.example.com', 'A')) };
  const soa = { type: 'SOA', name: 'example.com', ttl: 9, data: { mname: 'a', rname: 'b' } } as const;
  const good = reply(question, [{ type: 'A', name: 'www.example.com', ttl: 9, data: '192.0.2.1' }], {
    authorities: [soa],
  });
  let refused = 0;
  for (let turn = 0; turn < 4000; turn += 1) {
    const packet = mutated(good, random);
    if (packet.length < 12) continue;
    try {
      const { bytes, ttlOffsets } = readForeign(packet);
      for (const at of ttlOffsets) expect(at + 4, `seed ${seed}, turn ${turn}`).toBeLessThanOrEqual(bytes.length);
    } catch (err) {
      expect(err).toBeInstanceOf(Error);
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(100);
});

test('connections beyond the limit are closed, and the others go on', async () => {
  const sockets = Array.from({ length: 300 }, () => connect(dns.tcpPort, '127.0.0.1'));
  let closed = 0;
  for (const socket of sockets) {
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed += 1;
    });
  }
  const first = sockets[0];
  const answered = new Promise<Buffer>((resolve) => first?.once('data', resolve));
  first?.write(framed(queryPacket('web.shop.svc.cluster.local', 'A')));
  expect((await answered).length).toBeGreaterThan(12);
  await expect.poll(() => closed, { timeout: 5000 }).toBe(300 - 256);
  for (const socket of sockets) socket.destroy();
});

test('a flood of different names is bounded: more are refused at once', async () => {
  upstream.behave = () => [];
  const answers = Array.from({ length: 1000 }, (_, index) =>
    Promise.resolve(dns.resolver.respond(queryPacket(`n${index}.example.com`, 'A'), 'udp')),
  );
  expect(dns.forwarder.underWay).toBe(512);
  const last = await answers[999];
  expect(last?.readUInt8(3)).toBe(0x82);
  expect((await dns.ask('web.shop.svc.cluster.local')).answers).toHaveLength(1);
  await Promise.all(answers);
  expect(dns.forwarder.underWay).toBe(0);
});
