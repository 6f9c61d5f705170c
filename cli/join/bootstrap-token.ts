/** Tokens by which machines join: `<id>.<secret>`, kept as Secrets in kubeadm's form, so that its rules of expiry and use hold. */
import { randomInt } from 'node:crypto';
import { humanDuration } from '../../lib/human-duration.ts';
import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { textAt } from '../resources/fields.ts';

/** A token in its two parts: the id may be shown, the secret is what lets a machine in. */
export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
}

/** One token as a list shows it. Never the secret. */
export interface TokenRow {
  readonly id: string;
  readonly expires: string;
  readonly usages: string;
  readonly description: string;
}

/** Namespace and type of the Secrets. */
export const TOKEN_NAMESPACE = 'kube-system';
/** See {@link TOKEN_NAMESPACE}. */
export const TOKEN_TYPE = 'bootstrap.kubernetes.io/token';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const USAGE_PREFIX = 'usage-bootstrap-';

/** A new token from the kernel's randomness: 16 characters of 36 are 82 bits. */
export function newToken(): BootstrapToken {
  return { id: randomText(6), secret: randomText(16) };
}

function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)] ?? '').join('');
}

/** The text a person pastes. */
export function tokenText({ id, secret }: BootstrapToken): string {
  return `${id}.${secret}`;
}

/** Reads a whole token. Throws a {@link CliError} that never repeats what was given. */
export function parseToken(text: string, flag = '--token'): BootstrapToken {
  const [, id, secret] = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(text) ?? [];
  if (id === undefined || secret === undefined) {
    throw new CliError(`invalid ${flag}: a token is six characters, a dot and sixteen more, small letters and digits`, {
      hint: 'Make one where the cluster runs: skiff token create',
    });
  }
  return { id, secret };
}

/** The id in `<id>`, `<id>.<secret>` or the Secret's name. Throws a {@link CliError}. */
export function parseTokenId(text: string): string {
  const [, id] = /^(?:bootstrap-token-)?([a-z0-9]{6})(?:\.[a-z0-9]{16})?$/.exec(text) ?? [];
  if (id === undefined)
    throw new CliError('invalid token id: it is six small letters and digits, as skiff token ls shows');
  return id;
}

/** Name of the Secret of a token. */
export function tokenSecretName(id: string): string {
  return `bootstrap-token-${id}`;
}

/** The Secret of a token that ends at `expiresMs`; undefined for never. */
export function tokenSecret(
  { id, secret }: BootstrapToken,
  options: { readonly expiresMs: number | undefined; readonly description: string | undefined },
): JsonObject {
  const { expiresMs, description } = options;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: tokenSecretName(id), namespace: TOKEN_NAMESPACE },
    type: TOKEN_TYPE,
    stringData: {
      'token-id': id,
      'token-secret': secret,
      [`${USAGE_PREFIX}authentication`]: 'true',
      'auth-extra-groups': 'system:bootstrappers:skiff:default-node-token',
      ...(expiresMs === undefined ? {} : { expiration: new Date(expiresMs).toISOString().replace(/\.\d+Z$/, 'Z') }),
      ...(description === undefined ? {} : { description }),
    },
  };
}

/** What a list shows of a token's Secret. */
export function tokenRow(secret: JsonObject, nowMs: number): TokenRow {
  const data = (key: string): string => Buffer.from(textAt(secret, 'data', key), 'base64').toString('utf8');
  const expiration = data('expiration');
  const leftMs = Date.parse(expiration) - nowMs;
  const usages = Object.keys((secret.data ?? {}) as JsonObject)
    .filter((key) => key.startsWith(USAGE_PREFIX) && data(key) === 'true')
    .map((key) => key.slice(USAGE_PREFIX.length));
  return {
    id: data('token-id'),
    expires: expiration === '' ? 'never' : leftMs > 0 ? humanDuration(leftMs) : 'expired',
    usages: usages.sort().join(','),
    description: data('description'),
  };
}
