import { describe, expect, it } from 'vitest';
import { endpointsFor } from './registry-config.ts';
import { classifyComplaint, skopeoComplaint } from './registry-errors.ts';

function fatal(message: string): string {
  return `time="2026-01-01T00:00:00Z" level=warning msg="something else"\ntime="2026-01-01T00:00:00Z" level=fatal msg=${JSON.stringify(message)}\n`;
}

const PREFIX = 'Error parsing image name "docker://h/a:1": ';

describe('a complaint of skopeo', () => {
  it.each([
    ['NotFound', 'reading manifest 1 in h/a: manifest unknown: manifest unknown'],
    ['NotFound', 'reading manifest 1 in h/a: name unknown: repository name not known to registry'],
    ['NotFound', 'reading manifest 1 in h/a: StatusCode: 404, page not found'],
    ['Unauthorized', 'reading manifest 1 in h/a: unauthorized: authentication required'],
    ['Unauthorized', 'unable to retrieve auth token: invalid username/password: unauthorized'],
    [
      'Unauthorized',
      'reading manifest latest in docker.io/library/nope: errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required',
    ],
    [
      'Unreachable',
      'pinging container registry h: Get "http://h/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    ],
    [
      'Unreachable',
      'pinging container registry h: Get "https://h/v2/": dial tcp: lookup h on 1.1.1.1:53: no such host',
    ],
    [
      'Unreachable',
      'pinging container registry h: Get "https://h/v2/": http: server gave HTTP response to HTTPS client',
    ],
    ['Unreachable', 'pinging container registry h: Get "https://h/v2/": x509: certificate signed by unknown authority'],
    ['Unreachable', 'reading manifest 1 in h/a: received unexpected HTTP status: 503 Service Unavailable'],
    ['Unreachable', 'reading manifest 1 in docker.io/a: toomanyrequests: You have reached your pull rate limit'],
    ['Failed', 'writing blob: write /x/oci-put-blob1: no space left on device'],
    ['Failed', 'something nobody has seen yet'],
  ])('means %s: %s', (code, message) => {
    const complaint = skopeoComplaint(fatal(PREFIX + message));
    expect(complaint).not.toContain('docker://');
    expect(classifyComplaint(complaint)).toBe(code);
  });

  it('is the last fatal line, unquoted', () => {
    expect(skopeoComplaint(fatal(`${PREFIX}it said "no"`))).toBe('it said "no"');
    expect(skopeoComplaint('plain words\n')).toBe('plain words');
    expect(skopeoComplaint('')).toBe('');
  });
});

describe('the places to ask', () => {
  const auth = [{ username: 'u', password: 'p' }];

  it('are the mirrors without credentials, then the registry with and without', () => {
    const registries = {
      'docker.io': { mirrors: ['mirror.lan:5000', 'proxy.lan/hub'] },
      'mirror.lan:5000': { insecure: true },
    };
    expect(endpointsFor({ registry: 'docker.io', repository: 'library/nginx' }, { registries, auth })).toEqual([
      { repository: 'mirror.lan:5000/library/nginx', insecure: true, credentials: [undefined] },
      { repository: 'proxy.lan/hub/library/nginx', insecure: false, credentials: [undefined] },
      { repository: 'docker.io/library/nginx', insecure: false, credentials: [auth[0], undefined] },
    ]);
  });

  it.each([
    ['localhost', true],
    ['localhost:5000', true],
    ['127.0.0.1:5000', true],
    ['127.9.9.9', true],
    ['[::1]:5000', true],
    ['127.0.0.1.evil.com', false],
    ['localhost.evil.com', false],
    ['registry.lan:5000', false],
    ['constructor', false],
  ])('on %s are insecure by default: %s', (registry, insecure) => {
    const [endpoint] = endpointsFor({ registry, repository: 'a' }, { registries: {}, auth: [] });
    expect(endpoint?.insecure).toBe(insecure);
  });
});
