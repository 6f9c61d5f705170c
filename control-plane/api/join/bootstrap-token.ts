/** Bootstrap tokens: what lets a machine in. Kept as Secrets in the form that kubeadm gave them. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from '../../../lib/errors.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { objectKey } from '../keys.ts';
import type { ApiServices } from '../services.ts';

/** Where the Secrets lie, what type they have, and how their names begin, before the token's id. */
export const TOKEN_NAMESPACE = 'kube-system';
/** See {@link TOKEN_NAMESPACE}. */
export const TOKEN_TYPE = 'bootstrap.kubernetes.io/token';
/** See {@link TOKEN_NAMESPACE}. */
export const TOKEN_NAME_PREFIX = 'bootstrap-token-';

/** What a Secret says about its token, as far as it matters to whoever checks one. */
export interface StoredToken {
  readonly id: string;
  readonly secret: string;
  /** Milliseconds since the epoch; NaN for a time that cannot be read; undefined: never. */
  readonly endsAtMs: number | undefined;
  readonly forAuthentication: boolean;
}

/** The token that a Secret holds; undefined when it is a Secret of another kind. */
export function storedToken({ type, data = {}, metadata }: corev1.Secret): StoredToken | undefined {
  const field = (key: string): string =>
    Object.hasOwn(data, key) ? Buffer.from(data[key] ?? '').toString('utf8') : '';
  const id = field('token-id');
  if (type !== TOKEN_TYPE || metadata?.name !== `${TOKEN_NAME_PREFIX}${id}`) return undefined;
  const expiration = field('expiration');
  return {
    id,
    secret: field('token-secret'),
    endsAtMs: expiration === '' ? undefined : Date.parse(expiration),
    forAuthentication: field('usage-bootstrap-authentication') === 'true',
  };
}

/** Whether the token's time is over. One whose end cannot be read counts as ended. */
export function hasEnded({ endsAtMs }: Pick<StoredToken, 'endsAtMs'>, nowMs: number): boolean {
  return endsAtMs !== undefined && !(endsAtMs > nowMs);
}

/** Unknown, wrong and unusable tokens get the same words: what is there is nobody's business. */
const NOT_VALID =
  'the token is not valid: it is mistyped, has expired, was removed, or is of another cluster (make one on the cluster: skiff token create)';

/**
 * The id of a token that lets its holder join. Throws `Unauthorized`, in the same words for every token that is not right, but
 * for one that is right and has ended. Neither message nor error carries the secret.
 */
export function checkToken(services: ApiServices, text: string): string {
  const [, id = '', secret = ''] = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(text) ?? [];
  const entry = services.cache.get(objectKey(KINDS.Secret, TOKEN_NAMESPACE, `${TOKEN_NAME_PREFIX}${id}`));
  const stored = entry?.object === undefined ? undefined : storedToken(entry.object as corev1.Secret);
  // Compared also where there is nothing to compare with: how long it takes says nothing.
  const right = sameText(secret, stored?.secret ?? '');
  if (!right || secret === '' || stored === undefined || !stored.forAuthentication) throw refused(NOT_VALID);
  if (hasEnded(stored, services.now())) {
    const when = Number.isNaN(stored.endsAtMs) ? 'at a time that cannot be read' : `at ${timeText(stored.endsAtMs)}`;
    throw refused(`token ${id} expired ${when} (make another on the cluster: skiff token create)`);
  }
  return id;
}

function refused(because: string): ApiError {
  return new ApiError('Unauthorized', `Cannot join: ${because}`);
}

function timeText(ms: number | undefined): string {
  return new Date(ms ?? 0).toISOString().replace('.000Z', 'Z');
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
