/** Having the image a container asks for. */
import { backoffMs } from '../../lib/backoff.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { corev1 } from '../../proto/index.ts';
import { type Image, ImageError } from '../images/image-store.ts';
import { parseReference } from '../images/reference.ts';
import type { PodEnvironment } from './environment.ts';
import type { PodConfig } from './pod-config.ts';
import type { Problem } from './pod-state.ts';
import { pullAuth } from './pull-secrets.ts';

/** Back-off between pulls of one image for one container. */
const PULL_BACKOFF = { initialMs: 10_000, maxMs: 300_000 };
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

/** The policy a container has: its own, or by its tag. */
export function pullPolicy(container: corev1.Container): 'Always' | 'Never' | 'IfNotPresent' {
  const { imagePullPolicy: policy, image = '' } = container;
  if (policy === 'Always' || policy === 'Never' || policy === 'IfNotPresent') return policy;
  const name = image.slice(image.lastIndexOf('/') + 1);
  return image.includes('@') || (name.includes(':') && !name.endsWith(':latest')) ? 'IfNotPresent' : 'Always';
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
  try {
    parseReference(name);
  } catch (err) {
    const message = `Failed to apply default image tag "${name}": couldn't parse image name "${name}": ${errorMessage(err)}`;
    event('Warning', 'InspectFailed', message);
    throw refuse('InvalidImageName', message, err);
  }
  const policy = pullPolicy(container);
  const present = policy === 'Always' ? undefined : await env.images.resolve(name);
  if (present !== undefined) {
    event('Normal', 'Pulled', `Container image "${name}" already present on machine`);
    return present;
  }
  if (policy === 'Never') {
    const message = `Container image "${name}" is not present with pull policy of Never`;
    event('Warning', 'ErrImageNeverPull', message);
    throw refuse('ErrImageNeverPull', message);
  }
  event('Normal', 'Pulling', `Pulling image "${name}"`);
  const beganMs = env.clock.monotonicMs();
  try {
    const auth = pullAuth(pod, request.config, name);
    const image = await env.images.pull(name, { auth, signal });
    const took = `${((env.clock.monotonicMs() - beganMs) / 1000).toFixed(3)}s`;
    const size = `Image size: ${image.sizeBytes} bytes.`;
    event('Normal', 'Pulled', `Successfully pulled image "${name}" in ${took} (${took} including waiting). ${size}`);
    return image;
  } catch (err) {
    signal.throwIfAborted();
    const message = `failed to pull and unpack image "${name}": ${errorMessage(err)}`;
    const reason = err instanceof ImageError ? err.waitingReason : 'ErrImagePull';
    event('Warning', 'Failed', `Failed to pull image "${name}": ${errorMessage(err)}`);
    event('Warning', 'Failed', `Error: ${reason}`);
    throw refuse(reason, message, err);
  }
}
