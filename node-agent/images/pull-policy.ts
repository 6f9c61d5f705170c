/** When an image is pulled, when a failed pull is tried again, and in which words people hear of it. Pure. */

import { type BackoffOptions, backoffMs } from '../../lib/backoff.ts';
import { ImageError } from './image-store.ts';
import { parseReference } from './reference.ts';

/** Kubernetes' `imagePullPolicy`. */
export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';

/** What to do about a container's image now. Messages are the ones people know from the kubelet. */
export type PullDecision =
  | { readonly action: 'use'; readonly message: string }
  | { readonly action: 'pull'; readonly message: string }
  | {
      readonly action: 'wait';
      readonly reason: 'InvalidImageName' | 'ErrImageNeverPull' | 'ImagePullBackOff';
      readonly message: string;
      /** Milliseconds until it is worth looking again; undefined when only a change of the pod or the store helps. */
      readonly againInMs?: number;
    };

/** Ten seconds, doubled up to five minutes, never random. */
export const PULL_BACKOFF: BackoffOptions = { initialMs: 10_000, maxMs: 300_000 };

/** The policy of a container that names none: `latest`, written or meant, is always asked for again. */
export function defaultPullPolicy(image: string): PullPolicy {
  try {
    return parseReference(image).tag === 'latest' ? 'Always' : 'IfNotPresent';
  } catch {
    return 'IfNotPresent';
  }
}

/**
 * What to do about an image, given whether it is present and how long (0 for not at all) its back-off still lasts. An
 * image that is present is used during a back-off unless the policy is `Always`.
 */
export function decidePull(
  image: string,
  state: { readonly policy: PullPolicy; readonly present: boolean; readonly backOffMs: number },
): PullDecision {
  const invalid = invalidNameMessage(image);
  if (invalid !== undefined) {
    return { action: 'wait', reason: 'InvalidImageName', message: invalid };
  }
  if (state.present && state.policy !== 'Always') {
    return { action: 'use', message: `Container image "${image}" already present on machine` };
  }
  if (state.policy === 'Never') {
    return {
      action: 'wait',
      reason: 'ErrImageNeverPull',
      message: `Container image "${image}" is not present with pull policy of Never`,
    };
  }
  if (state.backOffMs > 0) {
    return {
      action: 'wait',
      reason: 'ImagePullBackOff',
      message: `Back-off pulling image "${image}"`,
      againInMs: state.backOffMs,
    };
  }
  return { action: 'pull', message: `Pulling image "${image}"` };
}

/** What people hear when a pull is done; times in milliseconds, `waitedMs` being the part before it began. */
export function pulledMessage(
  image: string,
  result: { readonly tookMs: number; readonly waitedMs: number; readonly sizeBytes: number },
): string {
  const took = seconds(result.tookMs);
  const whole = seconds(result.tookMs + result.waitedMs);
  return `Successfully pulled image "${image}" in ${took} (${whole} including waiting). Image size: ${result.sizeBytes} bytes.`;
}

/** What people hear when a pull failed. */
export function pullFailedMessage(image: string, because: string): string {
  return `Failed to pull image "${image}": ${because}`;
}

function invalidNameMessage(image: string): string | undefined {
  try {
    parseReference(image);
    return undefined;
  } catch (err) {
    const because = err instanceof ImageError ? err.message : String(err);
    return `Failed to apply default image tag "${image}": couldn't parse image name "${image}": ${because}`;
  }
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(3).replace(/\.?0+$/, '')}s`;
}

interface Entry {
  failures: number;
  lastFailureMs: number;
}

/**
 * The back-offs of failed pulls by key, usually pod UID and image. Times are a monotonic clock's milliseconds. A failure
 * after twice the longest delay without one counts as the first.
 */
export class PullBackOff {
  readonly #options: BackoffOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: BackoffOptions = PULL_BACKOFF) {
    this.#options = options;
  }

  /** Counts a failure and returns the milliseconds to wait. */
  failed(key: string, nowMs: number): number {
    const before = this.#live(key, nowMs);
    const failures = (before?.failures ?? 0) + 1;
    this.#entries.set(key, { failures, lastFailureMs: nowMs });
    return backoffMs(this.#options, failures);
  }

  /** Milliseconds that the back-off of this key still lasts; 0 when there is none. */
  remainingMs(key: string, nowMs: number): number {
    const entry = this.#live(key, nowMs);
    return entry === undefined
      ? 0
      : Math.max(0, entry.lastFailureMs + backoffMs(this.#options, entry.failures) - nowMs);
  }

  /** Forgets a key: the pull succeeded, or the pod is gone. */
  reset(key: string): void {
    this.#entries.delete(key);
  }

  #live(key: string, nowMs: number): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && nowMs - entry.lastFailureMs <= 2 * this.#options.maxMs ? entry : undefined;
  }
}
