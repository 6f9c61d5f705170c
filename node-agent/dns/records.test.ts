import { describe, expect, test } from 'vitest';
import { type DnsRecord, RCODE } from './message.ts';
import { answerFromZone, type ZoneAnswer, type ZoneFacts } from './records.ts';
import { service, shopZone, slice } from './testing/zone.ts';

const facts: ZoneFacts = {
  domain: 'cluster.local',
  dnsAddress: '10.43.0.10',
  ownRanges: ['10.43.0.0/16', '10.42.0.0/16'],
  serial: 1,
  random: () => 0.999,
};
const zone = shopZone();

const ask = (name: string, type: string): ZoneAnswer | null => answerFromZone({ name, type, class: 'IN' }, zone, facts);
const inZone = (name: string): string => (name === '' ? 'cluster.local' : `${name}.cluster.local`);
const show = ({ type, data }: DnsRecord): string => {
  if (type === 'SRV') return `SRV ${data.port} ${data.weight} ${data.target}`;
  return typeof data === 'string' ? `${type} ${data}` : type;
};
const shown = (answer: ZoneAnswer | null): string => {
  if (answer === null) return 'elsewhere';
  if (answer.rcode === RCODE.NXDOMAIN) return 'no such name';
  if (answer.rcode === RCODE.SERVFAIL) return 'unknown yet';
  const text = answer.answers.map(show).join(', ');
  return text === '' ? 'nothing' : text;
};

describe("the cluster's names", () => {
  test.each([
    ['web.shop.svc', 'A', 'A 10.43.0.7'],
    ['web.shop.svc', 'AAAA', 'nothing'],
    ['web.shop.svc', 'MX', 'nothing'],
    ['web.shop.svc', 'ANY', 'HINFO'],
    ['web.other.svc', 'A', 'no such name'],
    ['nobody.shop.svc', 'A', 'no such name'],
    ['nobody.shop.svc', 'ANY', 'no such name'],
    ['db.shop.svc', 'A', 'A 10.42.0.2, A 10.42.1.2, A 10.42.2.2'],
    ['db.shop.svc', 'AAAA', 'nothing'],
    ['empty.shop.svc', 'A', 'no such name'],
    ['early.shop.svc', 'A', 'A 10.42.0.9'],
    ['early-0.early.shop.svc', 'A', 'A 10.42.0.9'],
    ['db-0.db.shop.svc', 'A', 'A 10.42.0.2'],
    ['db-3.db.shop.svc', 'A', 'no such name'],
    ['10-42-2-2.db.shop.svc', 'A', 'A 10.42.2.2'],
    ['10-42-0-5.web.shop.svc', 'A', 'A 10.42.0.5'],
    ['_http._tcp.web.shop.svc', 'SRV', 'SRV 80 100 web.shop.svc.cluster.local'],
    ['_metrics._udp.web.shop.svc', 'SRV', 'SRV 9090 100 web.shop.svc.cluster.local'],
    ['_metrics._tcp.web.shop.svc', 'SRV', 'no such name'],
    ['_http._tcp.web.shop.svc', 'A', 'nothing'],
    ['_tcp.web.shop.svc', 'A', 'nothing'],
    ['_sctp.web.shop.svc', 'A', 'no such name'],
    [
      '_http._tcp.db.shop.svc',
      'SRV',
      'SRV 8080 33 db-0.db.shop.svc.cluster.local, SRV 8080 33 db-1.db.shop.svc.cluster.local, SRV 8080 33 10-42-2-2.db.shop.svc.cluster.local',
    ],
    ['outside.shop.svc', 'A', 'CNAME www.example.com'],
    ['outside.shop.svc', 'CNAME', 'CNAME www.example.com'],
    ['outside.shop.svc', 'TXT', 'CNAME www.example.com'],
    ['number.shop.svc', 'A', 'nothing'],
    ['', 'NS', 'NS ns.dns.cluster.local'],
    ['', 'SOA', 'SOA'],
    ['', 'A', 'nothing'],
    ['svc', 'A', 'nothing'],
    ['shop.svc', 'A', 'nothing'],
    ['nowhere.svc', 'A', 'no such name'],
    ['pod', 'A', 'nothing'],
    ['shop.pod', 'A', 'nothing'],
    ['10-42-0-5.shop.pod', 'A', 'A 10.42.0.5'],
    ['10-42-0-5.shop.pod', 'AAAA', 'nothing'],
    ['10-42-0-5.default.pod', 'A', 'no such name'],
    ['10-42-0-6.shop.pod', 'A', 'no such name'],
    ['no-address.shop.pod', 'A', 'no such name'],
    ['dns-version', 'TXT', 'TXT 1.1.0'],
    ['ns.dns', 'A', 'A 10.43.0.10'],
    ['dns', 'A', 'nothing'],
    ['www.example.com.shop.svc', 'A', 'no such name'],
    ['www.example.com', 'A', 'no such name'],
    ['a.b.c.d.e.f.g.svc', 'A', 'no such name'],
  ])('%s %s: %s', (name, type, expected) => {
    expect(shown(ask(inZone(name), type))).toBe(expected);
  });

  test.each([
    ['7.0.43.10.in-addr.arpa', 'PTR', 'PTR web.shop.svc.cluster.local'],
    ['2.0.42.10.in-addr.arpa', 'PTR', 'PTR db-0.db.shop.svc.cluster.local'],
    ['2.2.42.10.in-addr.arpa', 'PTR', 'PTR 10-42-2-2.db.shop.svc.cluster.local'],
    ['2.3.42.10.in-addr.arpa', 'PTR', 'no such name'],
    ['7.0.43.10.in-addr.arpa', 'A', 'nothing'],
    ['99.0.43.10.in-addr.arpa', 'PTR', 'no such name'],
    ['43.10.in-addr.arpa', 'PTR', 'nothing'],
    ['10.in-addr.arpa', 'PTR', 'elsewhere'],
    ['1.2.0.192.in-addr.arpa', 'PTR', 'elsewhere'],
    ['01.0.43.10.in-addr.arpa', 'PTR', 'elsewhere'],
    ['1.0.300.10.in-addr.arpa', 'PTR', 'elsewhere'],
    ['notcluster.local', 'A', 'elsewhere'],
    ['www.example.com', 'A', 'elsewhere'],
    ['', 'NS', 'elsewhere'],
  ])('%s %s: %s', (name, type, expected) => {
    expect(shown(ask(name, type))).toBe(expected);
  });

  test('SRV answers bring the addresses of their targets', () => {
    expect(
      ask(inZone('_http._tcp.db.shop.svc'), 'SRV')?.additionals.map(
        ({ name, data }) => `${name} ${JSON.stringify(data)}`,
      ),
    ).toEqual([
      'db-0.db.shop.svc.cluster.local "10.42.0.2"',
      'db-1.db.shop.svc.cluster.local "10.42.1.2"',
      '10-42-2-2.db.shop.svc.cluster.local "10.42.2.2"',
    ]);
  });

  test.each([
    [inZone('nobody.shop.svc'), 'cluster.local'],
    [inZone('web.shop.svc'), 'cluster.local'],
    ['9.9.43.10.in-addr.arpa', '43.10.in-addr.arpa'],
  ])('a negative answer about %s names the zone %s and how long it may be kept', (name, origin) => {
    expect(ask(name, 'AAAA')?.authorities).toMatchObject([
      { type: 'SOA', name: origin, ttlSeconds: 5, data: { minimum: 5 } },
    ]);
  });

  test('while nothing is known of the cluster, its names are unknown and not missing', () => {
    const unsynced = (name: string): string =>
      shown(answerFromZone({ name, type: 'A', class: 'IN' }, undefined, facts));
    expect(unsynced(inZone('web.shop.svc'))).toBe('unknown yet');
    expect(unsynced('7.0.43.10.in-addr.arpa')).toBe('unknown yet');
    expect(unsynced('www.example.com')).toBe('elsewhere');
    expect(unsynced(inZone('ns.dns'))).toBe('A 10.43.0.10');
  });

  test('several addresses come in every order', () => {
    const orders = new Set<string>();
    for (let turn = 0; turn < 200; turn += 1) {
      const answer = answerFromZone({ name: inZone('db.shop.svc'), type: 'A', class: 'IN' }, zone, {
        ...facts,
        random: Math.random,
      });
      orders.add(shown(answer));
    }
    expect(orders.size).toBe(6);
  });

  test('an endpoint behind two slices with the same name and address is one record', () => {
    const own = shopZone();
    const twin = slice('db', [{ ip: '10.42.0.2', hostname: 'db-0' }], [{ name: 'admin', port: 1 }]);
    own.putSlice({ ...twin, metadata: { ...twin.metadata, name: 'db-twin' } });
    const answer = (name: string, type: string): string =>
      shown(answerFromZone({ name: inZone(name), type, class: 'IN' }, own, facts));
    expect(answer('db-0.db.shop.svc', 'A')).toBe('A 10.42.0.2');
    expect(answer('_admin._tcp.db.shop.svc', 'SRV')).toBe('SRV 1 100 db-0.db.shop.svc.cluster.local');
  });

  test('what is taken away is gone from every index', () => {
    const own = shopZone();
    const answer = (name: string, type = 'A'): string => shown(answerFromZone({ name, type, class: 'IN' }, own, facts));
    own.putService(service('web', { clusterIP: '10.43.0.8', ports: [] }));
    expect(answer(inZone('web.shop.svc'))).toBe('A 10.43.0.8');
    expect(answer('7.0.43.10.in-addr.arpa', 'PTR')).toBe('no such name');
    own.putSlice(slice('db', [{ ip: '10.42.0.3', hostname: 'db-0' }]));
    expect(answer('2.0.42.10.in-addr.arpa', 'PTR')).toBe('no such name');
    own.deleteSlice(slice('db', []));
    expect(answer(inZone('db.shop.svc'))).toBe('no such name');
    own.deleteService(service('web', {}));
    expect(answer(inZone('web.shop.svc'))).toBe('no such name');
    own.deletePod({ metadata: { namespace: 'shop' }, status: { podIP: '10.42.0.5' } });
    expect(answer(inZone('10-42-0-5.shop.pod'))).toBe('no such name');
  });
});
