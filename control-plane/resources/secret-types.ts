/** What each type of Secret must hold. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type corev1, joinPath } from '../../proto/index.ts';
import { required } from './validation/field-errors.ts';

const ACCOUNT_ANNOTATION = 'kubernetes.io/service-account.name';

type Rule = (secret: corev1.Secret) => ErrorCause[];

const RULES: Readonly<Record<string, Rule>> = {
  'kubernetes.io/service-account-token': (secret) =>
    (secret.metadata?.annotations?.[ACCOUNT_ANNOTATION] ?? '') === ''
      ? [required(joinPath('metadata.annotations', ACCOUNT_ANNOTATION))]
      : [],
  'kubernetes.io/dockercfg': (secret) => requireJson(secret, '.dockercfg'),
  'kubernetes.io/dockerconfigjson': (secret) => requireJson(secret, '.dockerconfigjson'),
  'kubernetes.io/basic-auth': (secret) =>
    has(secret, 'username') || has(secret, 'password') ? [] : [required('data.username'), required('data.password')],
  'kubernetes.io/ssh-auth': (secret) => requireKeys(secret, 'ssh-privatekey'),
  'kubernetes.io/tls': (secret) => requireKeys(secret, 'tls.crt', 'tls.key'),
};

/** What the secret lacks for its type. Types nobody knows need nothing. */
export function validateSecretType(secret: corev1.Secret): ErrorCause[] {
  const type = secret.type ?? '';
  return Object.hasOwn(RULES, type) ? (RULES[type]?.(secret) ?? []) : [];
}

function requireKeys(secret: corev1.Secret, ...keys: readonly string[]): ErrorCause[] {
  return keys.filter((key) => !has(secret, key)).map((key) => required(joinPath('data', key)));
}

function requireJson(secret: corev1.Secret, key: string): ErrorCause[] {
  if (!has(secret, key)) return requireKeys(secret, key);
  const field = joinPath('data', key);
  // The reader's own words would show a part of the secret.
  const message = 'Invalid value: "<secret contents redacted>": must be valid JSON';
  try {
    JSON.parse(Buffer.from(secret.data?.[key] ?? '').toString('utf8'));
    return [];
  } catch {
    return [{ field, reason: 'FieldValueInvalid', message }];
  }
}

function has(secret: corev1.Secret, key: string): boolean {
  return secret.data !== undefined && Object.hasOwn(secret.data, key);
}
