/** Having the image a container asks for. */
import { backoffMs } from '../../lib/backoff.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { corev1 } from '../../proto/index.ts';
import { type Image, ImageError } from '../images/image-store.ts';
import { decidePull, PULL_BACKOFF, pulledMessage, pullFailedMessage, pullPolicy } from '../images/pull-policy.ts';
import type { PodEnvironment } from './environment.ts';
import type { PodConfig } from './pod-config.ts';
import type { Problem } from './pod-state.ts';
import { pullAuth } from './pull-secrets.ts';

/** How long a failed pull is called so before it is called a back-off. */
const RENAME_AFTER_MS = 2000;

/** An image that cannot be had; `reason` is Kubernetes' waiting reason. */
export class ContainerImageError extends Error {
  readonly reason: 'ErrImageNeverPull' | 'InvalidImageName' | 'ErrImagePull';

  constructor(reason: ContainerImageError['reason'], message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ContainerImageError';
    this.reason = reason;
  }

  /** The state of the waiting container after `failures` in a row. */
  problem(image: string, failures: number, nowMs: number): Problem {
    const retryAtMs = nowMs + backoffMs(PULL_BACKOFF, failures);
    if (this.reason !== 'ErrImagePull') return { reason: this.reason, message: this.message, retryAtMs };
    return {
      reason: this.reason,
      message: this.message,
      retryAtMs,
      later: {
        atMs: nowMs + RENAME_AFTER_MS,
        reason: 'ImagePullBackOff',
        message: `Back-off pulling image "${image}": ErrImagePull: ${this.message}`,
      },
    };
  }
}

/** The image, pulled when its policy says so, with kubelet's events. Throws {@link ContainerImageError}. */
export async function ensureImage(
  env: PodEnvironment,
  request: {
    readonly pod: corev1.Pod;
    readonly container: corev1.Container;
    readonly config: PodConfig;
    readonly fieldPath: string;
    readonly signal: AbortSignal;
  },
): Promise<Image> {
  const { pod, container, fieldPath, signal } = request;
  const name = container.image ?? '';
  const event = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
    env.events.record(pod, type, reason, message, fieldPath);
  const refuse = (reason: ContainerImageError['reason'], message: string, cause?: unknown): ContainerImageError =>
    new ContainerImageError(reason, message, { cause });
  let present: Image | undefined;
  const decision = await decidePull(name, pullPolicy(container), async () => {
    present = await env.images.resolve(name);
    return present !== undefined;
  });
  if (decision.action === 'wait') {
    const { reason, message } = decision;
    event('Warning', reason === 'InvalidImageName' ? 'InspectFailed' : reason, message);
    throw refuse(reason, message);
  }
  if (decision.action === 'use' && present !== undefined) {
    event('Normal', 'Pulled', decision.message);
    return present;
  }
  event('Normal', 'Pulling', decision.message);
  const beganMs = env.clock.monotonicMs();
  try {
    const auth = pullAuth(pod, request.config, name);
    const image = await env.images.pull(name, { auth, signal });
    const tookMs = env.clock.monotonicMs() - beganMs;
    event('Normal', 'Pulled', pulledMessage(name, { tookMs, waitedMs: 0, sizeBytes: image.sizeBytes }));
    return image;
  } catch (err) {
    signal.throwIfAborted();
    const message = `failed to pull and unpack image "${name}": ${errorMessage(err)}`;
    const reason = err instanceof ImageError ? err.waitingReason : 'ErrImagePull';
    event('Warning', 'Failed', pullFailedMessage(name, errorMessage(err)));
    event('Warning', 'Failed', `Error: ${reason}`);
    throw refuse(reason, message, err);
  }
}
