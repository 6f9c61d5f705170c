/** When an image is pulled, when a failed pull is tried again, and in which words people hear of it. */

import type { BackoffOptions } from '../../lib/backoff.ts';
import type { corev1 } from '../../proto/index.ts';
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
      readonly reason: 'InvalidImageName' | 'ErrImageNeverPull';
      readonly message: string;
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

/** The policy a container has: its own, or by its tag. */
export function pullPolicy({ imagePullPolicy: policy, image = '' }: corev1.Container): PullPolicy {
  return policy === 'Always' || policy === 'Never' || policy === 'IfNotPresent' ? policy : defaultPullPolicy(image);
}

/** What to do about an image now. `isPresent` is asked only when it matters, and never about a name that is none. */
export async function decidePull(
  image: string,
  policy: PullPolicy,
  isPresent: () => Promise<boolean>,
): Promise<PullDecision> {
  const invalid = invalidNameMessage(image);
  if (invalid !== undefined) return { action: 'wait', reason: 'InvalidImageName', message: invalid };
  if (policy !== 'Always' && (await isPresent())) {
    return { action: 'use', message: `Container image "${image}" already present on machine` };
  }
  if (policy !== 'Never') return { action: 'pull', message: `Pulling image "${image}"` };
  const message = `Container image "${image}" is not present with pull policy of Never`;
  return { action: 'wait', reason: 'ErrImageNeverPull', message };
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
