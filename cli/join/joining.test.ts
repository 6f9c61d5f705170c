import { describe, expect, test } from 'vitest';
import { listeningInodes, portOwnerText } from '../../lib/port-owner.ts';
import { parseToken, parseTokenId, tokenRow, tokenSecret } from './bootstrap-token.ts';
import { typedFirst } from './join-cluster.ts';
import { parseHostPort, serverHost } from './server-address.ts';

describe('tokens', () => {
  test('what is no token is refused without being repeated', () => {
    expect(parseToken('abcdef.0123456789abcdef')).toEqual({ id: 'abcdef', secret: '0123456789abcdef' });
    for (const text of [
      '',
      'abcdef',
      'ABCDEF.0123456789abcdef',
      'abcdef.0123456789abcde',
      'abcdef.0123456789abcdef ',
    ]) {
      expect(() => parseToken(text)).toThrow(/^invalid --token: a token is six characters/);
    }
    expect(() => parseTokenId('secret-text')).toThrow(/^invalid token id/);
    expect(['abcdef', 'bootstrap-token-abcdef', 'abcdef.0123456789abcdef'].map(parseTokenId)).toEqual(
      Array(3).fill('abcdef'),
    );
  });

  test('a list shows how long each is good for', () => {
    const stored = (expiresMs: number | undefined): Parameters<typeof tokenRow>[0] => {
      const secret = tokenSecret({ id: 'abcdef', secret: '0123456789abcdef' }, { expiresMs, description: undefined });
      const text = secret.stringData as Record<string, string>;
      const data = Object.fromEntries(
        Object.entries(text).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
      );
      return { data };
    };
    const now = Date.UTC(2026, 0, 1);
    expect(tokenRow(stored(now + 90_000), now).expires).toBe('90s');
    expect(tokenRow(stored(now - 1), now).expires).toBe('expired');
    expect(tokenRow(stored(undefined), now)).toEqual({
      id: 'abcdef',
      expires: 'never',
      usages: 'authentication',
      description: '',
    });
  });
});

test.each([
  ['pi', { host: 'pi', port: undefined }],
  ['pi.home:7444', { host: 'pi.home', port: 7444 }],
  ['https://10.0.0.1:7444/', { host: '10.0.0.1', port: 7444 }],
  ['[fd00::1]:7444', { host: 'fd00::1', port: 7444 }],
  ['fd00::1', { host: 'fd00::1', port: undefined }],
  ['pi:0', undefined],
  ['pi:99999', undefined],
  ['a b', undefined],
  ['', undefined],
])('%s as an address', (text, address) => {
  expect(parseHostPort(text)).toEqual(address);
});

describe('the address for other machines', () => {
  const nodes = [{ status: { addresses: [{ type: 'InternalIP', address: '10.0.0.5' }] } }];
  const slices = [{ endpoints: [{ addresses: ['10.0.0.9'] }] }];
  const none = { endpoints: ['127.0.0.1:7443'], slices: [], nodes: [], here: [] };

  test.each([
    ['what the person uses', { ...none, endpoints: ['127.0.0.1:7443', 'pi:7443'], slices, nodes }, 'pi'],
    ['what the servers say', { ...none, slices, nodes, here: ['10.0.0.5'] }, '10.0.0.9'],
    ["this machine's address as a node", { ...none, nodes, here: ['10.42.0.1', '10.0.0.5'] }, '10.0.0.5'],
    ["another node's address is not this machine's", { ...none, nodes, here: ['10.0.0.6'] }, '10.0.0.6'],
    ['IPv4 before IPv6', { ...none, here: ['fd00::1', '10.0.0.6'] }, '10.0.0.6'],
    ['nothing', none, undefined],
  ])('%s', (_, known, host) => {
    expect(serverHost(known)).toBe(host);
  });
});

test('the agent tries the address that was typed first, at the port the API has', () => {
  const typed = { host: 'pi', port: 7444 };
  expect(typedFirst(typed, ['10.0.0.1:8443', '10.0.0.2:8443'])).toEqual(['pi:8443', '10.0.0.1:8443', '10.0.0.2:8443']);
  expect(typedFirst({ host: '10.0.0.1', port: 7444 }, ['10.0.0.1:7443'])).toEqual(['10.0.0.1:7443']);
  expect(typedFirst(typed, [])).toEqual(['pi:7443']);
});

test('a listening socket is found by its port, other states and ports are not', () => {
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 00000000:1D1A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0',
    '   1: 0100007F:1D1A 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0',
    '   2: 00000000:1D1B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0',
  ].join('\n');
  expect(listeningInodes(text, 7450)).toEqual(['4711']);
  expect(portOwnerText({ pid: 412, program: 'nginx' })).toBe('nginx (process 412)');
});
