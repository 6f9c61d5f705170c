import { expect, test } from 'vitest';
import { NO_DNS_CONFIG, parseDnsConfig, upstreamsFor } from './dns-config.ts';

const where = 'of ConfigMap kube-system/kube-dns';

test.each([
  [{}, NO_DNS_CONFIG],
  [{ stubDomains: '', upstreamNameservers: '[]' }, NO_DNS_CONFIG],
  [
    {
      upstreamNameservers: '["8.8.8.8", "8.8.4.4:5353", "[2001:db8::1]:54", "2001:db8::2"]'.replace(
        ', "2001:db8::2"',
        '',
      ),
    },
    {
      stubDomains: new Map(),
      upstreams: [
        { ip: '8.8.8.8', port: 53 },
        { ip: '8.8.4.4', port: 5353 },
        { ip: '2001:db8::1', port: 54 },
      ],
    },
  ],
  [
    { stubDomains: '{"Acme.local.": ["1.2.3.4"], "consul": ["2001:db8::2"]}' },
    {
      stubDomains: new Map([
        ['acme.local', [{ ip: '1.2.3.4', port: 53 }]],
        ['consul', [{ ip: '2001:db8::2', port: 53 }]],
      ]),
      upstreams: undefined,
    },
  ],
])('%j is taken as meant', (data, expected) => {
  expect(parseDnsConfig(data as Record<string, string>)).toEqual(expected);
});

test.each([
  [{ stubDomains: '{"a"' }, `Cannot use stubDomains ${where}: is not JSON (`],
  [{ stubDomains: '["a"]' }, `Cannot use stubDomains ${where}: must be a JSON map`],
  [{ stubDomains: '{"a b": []}' }, `"a b" is not a domain`],
  [{ stubDomains: '{"a": "1.2.3.4"}' }, `the servers of "a" must be a JSON list`],
  [{ stubDomains: '{"a": ["ns.a"]}' }, `"ns.a" of "a" is not a server: expected an address, such as 192.168.1.1`],
  [{ upstreamNameservers: '{}' }, `Cannot use upstreamNameservers ${where}: the servers must be a JSON list`],
  [{ upstreamNameservers: '["1.2.3.4:0"]' }, `"1.2.3.4:0" is not a server`],
  [{ upstreamNameservers: '[7]' }, `7 is not a server`],
  [{ upstreamNameservers: '["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]' }, 'at most 3 servers can be given'],
])('%j is refused', (data, message) => {
  expect(() => parseDnsConfig(data as Record<string, string>)).toThrow(message);
});

test.each([
  ['www.example.com', '9.9.9.9'],
  ['acme.local', '1.1.1.1'],
  ['db.acme.local', '1.1.1.1'],
  ['db.lab.acme.local', '2.2.2.2'],
  ['notacme.local', '9.9.9.9'],
  ['', '9.9.9.9'],
])('the servers for %j are those of the longest domain: %s', (name, ip) => {
  const config = parseDnsConfig({ stubDomains: '{"acme.local": ["1.1.1.1"], "lab.acme.local": ["2.2.2.2"]}' });
  expect(upstreamsFor(name, config, [{ ip: '9.9.9.9', port: 53 }])).toEqual([{ ip, port: 53 }]);
});
