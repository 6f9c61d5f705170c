import { expect, test } from 'vitest';
import { KINDS } from '../../../proto/index.ts';
import { hasEnded, storedToken } from './bootstrap-token.ts';

const secret = (expiration: string, name = 'bootstrap-token-abcdef', type = 'bootstrap.kubernetes.io/token') => ({
  apiVersion: KINDS.Secret.apiVersion,
  metadata: { name, namespace: 'kube-system' },
  type,
  data: { 'token-id': Buffer.from('abcdef'), ...(expiration === '' ? {} : { expiration: Buffer.from(expiration) }) },
});
const NOW = Date.parse('2026-11-01T00:00:00Z');

test.each([
  ['2026-10-31T23:59:59Z', true],
  ['2026-11-01T00:00:00Z', true],
  ['2026-11-01T00:00:01+00:00', false],
  ['2026-11-01T01:30:00+02:00', true],
  ['', false],
  ['soon', true],
])('a token that expires at "%s" has ended: %s', (expiration, ended) => {
  const token = storedToken(secret(expiration));
  expect(token !== undefined && hasEnded(token, NOW)).toBe(ended);
});

test('a Secret of another type or name is no token', () => {
  expect(storedToken(secret('', 'bootstrap-token-abcdef', 'Opaque'))).toBeUndefined();
  expect(storedToken(secret('', 'bootstrap-token-fedcba'))).toBeUndefined();
});
