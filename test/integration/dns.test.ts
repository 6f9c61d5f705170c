/** The cluster's DNS over real sockets of loopback: its own names, and others by way of servers that behave well and badly. */
import { once } from 'node:events';
import { connect } from 'node:net';
import * as dnsPacket from 'dns-packet';
import { afterEach, expect, test } from 'vitest';
import { FakeClock, systemClock } from '../../lib/clock.ts';
import { framed } from '../../node-agent/dns/exchange.ts';
import { service, shopZone, slice } from '../../node-agent/dns/testing/zone.ts';
import { type DnsReply, type DnsUnderTest, queryPacket, sendTcp, sendUdp, startDns } from './dns-under-test.ts';
import { addresses, type Behaviour, reply, startUpstream, type TestUpstream } from './dns-upstream.ts';

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close();
});

async function upstream(behave: Behaviour): Promise<TestUpstream> {
  const server = await startUpstream(behave);
  opened.push(server);
  return server;
}

async function serve(upstreams: readonly { ip: string; port: number }[], more: object = {}): Promise<DnsUnderTest> {
  const zone = shopZone();
  const dns = await startDns({ zone: () => zone, upstreams, ...more });
  opened.push(dns);
  return dns;
}

const data = ({ answers = [] }: DnsReply): string[] =>
  answers.map((answer) => `${answer.type} ${'data' in answer && typeof answer.data === 'string' ? answer.data : ''}`);
const silent: Behaviour = () => [];

test('its own names are answered with authority, in the spelling of the question', async () => {
  const dns = await serve([]);
  const answer = await dns.ask('WeB.shop.SVC.cluster.local');
  expect(answer).toMatchObject({ rcode: 'NOERROR', flag_aa: true, flag_ra: true, flag_rd: true, id: 7 });
  expect(answer.questions).toMatchObject([{ name: 'WeB.shop.SVC.cluster.local' }]);
  expect(answer.answers).toMatchObject([{ name: 'WeB.shop.SVC.cluster.local', type: 'A', ttl: 5, data: '10.43.0.7' }]);
  const missing = await dns.ask('www.example.com.shop.svc.cluster.local', 'A', { udpBytes: 4096 });
  expect(missing).toMatchObject({ rcode: 'NXDOMAIN', flag_aa: true });
  expect(missing.authorities).toMatchObject([{ type: 'SOA', name: 'cluster.local', data: { minimum: 5 } }]);
  expect(missing.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }]);
});

test('an answer too large for UDP is cut at the size the client takes, and whole by TCP', async () => {
  const zone = shopZone();
  zone.putService(service('big', { clusterIP: 'None' }));
  zone.putSlice(
    slice(
      'big',
      Array.from({ length: 500 }, (_, index) => ({ ip: `10.42.${index >> 8}.${index & 255}` })),
    ),
  );
  const dns = await startDns({ zone: () => zone, upstreams: [] });
  opened.push(dns);
  const name = 'big.shop.svc.cluster.local';
  const plain = await dns.ask(name);
  expect(plain).toMatchObject({ flag_tc: true, rcode: 'NOERROR' });
  expect(plain.byteLength).toBeLessThanOrEqual(512);
  expect(plain.answers?.length).toBeGreaterThan(20);
  const edns = await dns.ask(name, 'A', { udpBytes: 4096 });
  expect(edns).toMatchObject({ flag_tc: true });
  expect(edns.byteLength).toBeLessThanOrEqual(1232);
  expect(edns.byteLength).toBeGreaterThan(1150);
  const whole = await dns.ask(name, 'A', { transport: 'tcp' });
  expect(whole.flag_tc).toBe(false);
  expect(new Set(data(whole)).size).toBe(500);
  const srv = await dns.ask(name, 'SRV', { transport: 'tcp' });
  expect(srv.answers?.length).toBe(500);
});

test('several questions on one connection are answered, slow ones last', async () => {
  const server = await upstream((query) => addresses(['192.0.2.9'])(query, 'udp'));
  const dns = await serve([server]);
  const names = ['www.example.com', 'web.shop.svc.cluster.local', 'db-0.db.shop.svc.cluster.local'];
  const packets = names.map((name, index) => queryPacket(name, 'A', undefined, index + 1));
  const answers = (await sendTcp(dns.tcpPort, packets, 3)).map((packet) => dnsPacket.decode(packet));
  expect(answers.map(({ id }) => id)).toEqual([2, 3, 1]);
});

test('a client that ends its side after the question still gets the answer', async () => {
  const server = await upstream(addresses(['192.0.2.9']));
  const dns = await serve([server]);
  const socket = connect({ port: dns.tcpPort, host: '127.0.0.1', allowHalfOpen: true });
  const ended = once(socket, 'end');
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  socket.end(framed(queryPacket('www.example.com', 'A')));
  await ended;
  expect(dnsPacket.decode(Buffer.concat(received).subarray(2)).answers).toMatchObject([{ data: '192.0.2.9' }]);
});

test('an ExternalName is followed, outside and inside the cluster, and not in circles', async () => {
  const server = await upstream(addresses(['192.0.2.80']));
  const dns = await serve([server]);
  expect(data(await dns.ask('outside.shop.svc.cluster.local'))).toEqual(['CNAME www.example.com', 'A 192.0.2.80']);
  expect(data(await dns.ask('alias.shop.svc.cluster.local'))).toEqual([
    'CNAME web.shop.svc.cluster.local',
    'A 10.43.0.7',
  ]);
  expect(await dns.ask('self.shop.svc.cluster.local')).toMatchObject({ rcode: 'SERVFAIL' });
  expect(server.asked).toEqual(['A www.example.com']);
});

test('names of others are kept for as long as they allow; equal questions are asked once', async () => {
  const clock = new FakeClock();
  const server = await upstream(addresses(['192.0.2.1'], 30));
  const dns = await serve([server], { clock });
  const first = await Promise.all(Array.from({ length: 20 }, () => dns.ask('www.example.com')));
  for (const answer of first) expect(data(answer)).toEqual(['A 192.0.2.1']);
  expect(server.asked).toHaveLength(1);
  await clock.advance(10_000);
  expect((await dns.ask('WWW.example.com')).answers).toMatchObject([{ ttl: 20 }]);
  expect(server.asked).toHaveLength(1);
  await clock.advance(21_000);
  await dns.ask('www.example.com');
  expect(server.asked).toHaveLength(2);
  // Another type is another question; each comes from a port of its own.
  await dns.ask('www.example.com', 'TXT');
  expect(server.fromPorts.size).toBe(3);
});

test('a negative answer is kept as long as its zone says', async () => {
  const clock = new FakeClock();
  const soa = { type: 'SOA', name: 'example.com', ttl: 900, data: { mname: 'a', rname: 'b', minimum: 40 } } as const;
  const server = await upstream((query) => [reply(query, [], { rcode: 3, authorities: [soa] })]);
  const dns = await serve([server], { clock });
  expect(await dns.ask('no.example.com')).toMatchObject({ rcode: 'NXDOMAIN', flag_aa: false });
  await clock.advance(39_000);
  await dns.ask('no.example.com');
  expect(server.asked).toHaveLength(1);
  await clock.advance(2000);
  await dns.ask('no.example.com');
  expect(server.asked).toHaveLength(2);
});

test('a silent server is passed over and then left out; one that refuses too', async () => {
  const dead = await upstream(silent);
  const refusing = await upstream((query) => [reply(query, [], { rcode: 5 })]);
  const good = await upstream(addresses(['192.0.2.2']));
  const dns = await serve([dead, refusing, good]);
  expect(data(await dns.ask('a.example.com'))).toEqual(['A 192.0.2.2']);
  expect(data(await dns.ask('b.example.com'))).toEqual(['A 192.0.2.2']);
  expect(dead.asked).toEqual(['A a.example.com']);
  expect(refusing.asked).toHaveLength(2);
});

test('a server that cannot be reached at all is passed over at once', async () => {
  const good = await upstream(addresses(['192.0.2.2']));
  // Sockets may not be connected to the broadcast address: the kernel refuses, and nothing is sent.
  const dns = await serve([{ ip: '255.255.255.255', port: 53 }, good], { tryMs: 3000 });
  const askedMs = performance.now();
  expect(data(await dns.ask('www.example.com'))).toEqual(['A 192.0.2.2']);
  expect(performance.now() - askedMs).toBeLessThan(1000);
});

test('what a server cannot send by UDP is fetched by TCP', async () => {
  const many = Array.from({ length: 200 }, (_, index) => `198.51.100.${index}`);
  const server = await upstream((query, transport) =>
    transport === 'tcp' ? addresses(many)(query, 'tcp') : [reply(query, [], { flags: dnsPacket.TRUNCATED_RESPONSE })],
  );
  const dns = await serve([server]);
  expect(await dns.ask('many.example.com')).toMatchObject({ flag_tc: true, answers: [] });
  expect(data(await dns.ask('many.example.com', 'A', { transport: 'tcp' }))).toHaveLength(200);
  expect(server.asked).toHaveLength(2);
});

test('answers with another id, to another question, or broken are not believed', async () => {
  const server = await upstream((query) => {
    const lie = { type: 'A', name: query.questions?.[0]?.name ?? '', ttl: 9, data: '203.0.113.66' } as const;
    return [
      reply(query, [lie], { id: ((query.id ?? 0) + 1) & 0xffff }),
      reply(query, [lie], { questions: [{ type: 'A', name: 'other.example.com' }] }),
      reply(query, [lie]).subarray(0, 14),
      reply(query, [lie], { type: 'query' }),
      ...addresses(['192.0.2.3'])(query, 'udp'),
    ];
  });
  const dns = await serve([server]);
  expect(data(await dns.ask('www.example.com'))).toEqual(['A 192.0.2.3']);
});

test('a server that knows no EDNS is asked again without', async () => {
  const server = await upstream((query) =>
    (query.additionals ?? []).length > 0
      ? [reply(query, [], { rcode: 1, questions: [] })]
      : addresses(['192.0.2.4'])(query, 'udp'),
  );
  const dns = await serve([server]);
  expect(data(await dns.ask('www.example.com'))).toEqual(['A 192.0.2.4']);
});

test('records of types unknown here pass as they are', async () => {
  const rdata = Buffer.from([0, 1, 0, 0, 1, 0, 3, 2, 0x68, 0x32]);
  const server = await upstream((query) => [
    reply(query, [{ type: 'UNKNOWN_65' as 'NULL', name: 'www.example.com', ttl: 50, data: rdata }]),
  ]);
  const dns = await serve([server]);
  for (const turn of [1, 2]) {
    const { answers } = await dns.ask('www.example.com', 'UNKNOWN_65' as 'NULL');
    expect([turn, answers]).toMatchObject([turn, [{ type: 'UNKNOWN_65', ttl: 50, data: rdata }]]);
  }
});

test('with every server gone its own names go on, others fail in time, and known ones are answered from memory', async () => {
  const clock = new FakeClock();
  const server = await upstream(addresses(['192.0.2.5'], 10));
  const dns = await serve([server], { clock: { ...systemClock, monotonicMs: () => clock.monotonicMs() }, tryMs: 100 });
  await dns.ask('www.example.com');
  server.behave = silent;
  await clock.advance(60_000);
  const [own, known, unknown] = await Promise.all([
    dns.ask('web.shop.svc.cluster.local'),
    dns.ask('www.example.com'),
    dns.ask('new.example.com'),
  ]);
  expect(data(own)).toEqual(['A 10.43.0.7']);
  expect(known.answers).toMatchObject([{ data: '192.0.2.5', ttl: 30 }]);
  expect(unknown).toMatchObject({ rcode: 'SERVFAIL' });
  // Now that it counts as dead, nobody waits for it any more.
  const askedMs = performance.now();
  expect(data(await dns.ask('www.example.com'))).toEqual(['A 192.0.2.5']);
  expect(performance.now() - askedMs).toBeLessThan(80);
  await clock.advance(3_700_000);
  expect(await dns.ask('www.example.com')).toMatchObject({ rcode: 'SERVFAIL' });
  server.behave = addresses(['192.0.2.6']);
  expect(data(await dns.ask('www.example.com'))).toEqual(['A 192.0.2.6']);
});

test('before the cluster is known its names fail for now, and names of others are answered', async () => {
  const server = await upstream(addresses(['192.0.2.7']));
  const dns = await startDns({ zone: () => undefined, upstreams: [server] });
  opened.push(dns);
  expect(await dns.ask('web.shop.svc.cluster.local')).toMatchObject({ rcode: 'SERVFAIL', flag_aa: false });
  expect(data(await dns.ask('www.example.com'))).toEqual(['A 192.0.2.7']);
});

test('what is no question gets the refusal that fits', async () => {
  const dns = await serve([]);
  const good = queryPacket('web.shop.svc.cluster.local', 'A', 1232);
  const changed = (change: (packet: Buffer) => void): Buffer => {
    const packet = Buffer.from(good);
    change(packet);
    return packet;
  };
  const rcode = async (packet: Buffer): Promise<string> =>
    (dnsPacket.decode(await sendUdp(dns.udpPort, packet)) as DnsReply).rcode;
  expect(await rcode(changed((packet) => packet.writeUInt16BE(2, 4)))).toBe('FORMERR');
  expect(await rcode(changed((packet) => packet.writeUInt16BE(0, 4)))).toBe('FORMERR');
  expect(await rcode(changed((packet) => packet.writeUInt16BE(65_535, 6)))).toBe('FORMERR');
  expect(await rcode(changed((packet) => packet.writeUInt8(0xc0, 12)))).toBe('FORMERR');
  expect(await rcode(good.subarray(0, 20))).toBe('FORMERR');
  expect(await rcode(changed((packet) => packet.writeUInt8(packet.readUInt8(2) | 0x20, 2)))).toBe('NOTIMP');
  expect(await rcode(queryPacket('cluster.local', 'AXFR'))).toBe('REFUSED');
  expect(await rcode(dnsPacket.encode({ questions: [{ type: 'TXT', name: 'version.bind', class: 'CH' }] }))).toBe(
    'REFUSED',
  );
  const version = dnsPacket.decode(
    await sendUdp(
      dns.udpPort,
      changed((packet) => packet.writeUInt8(1, packet.length - 5)),
    ),
  );
  expect(version.additionals).toMatchObject([{ type: 'OPT', extendedRcode: 1 }]);
});
