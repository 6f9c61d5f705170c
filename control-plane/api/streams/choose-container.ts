import type { corev1 } from '../../../proto/index.ts';
import { badRequest } from '../api-errors.ts';

/** Names the container that commands about a pod mean. */
const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** What is going to be done with the container. */
export type Purpose = 'logs' | 'previous logs' | 'exec';

/**
 * The container a person means: the one named, the annotated default, or the pod's only one; and whether it can be looked
 * into now. Throws `BadRequest` in kubectl's words. Pure.
 */
export function chooseContainer(pod: corev1.Pod, named: string, purpose: Purpose): string {
  const podName = pod.metadata?.name ?? '';
  const container = containerName(pod, named);
  const status = statusOf(pod, container);
  const waiting = status?.state?.waiting;
  if (purpose === 'previous logs') {
    if (status?.lastState?.terminated === undefined) {
      throw badRequest(`previous terminated container "${container}" in pod "${podName}" not found`);
    }
    return container;
  }
  if (purpose === 'exec') {
    const phase = pod.status?.phase;
    if (phase === 'Succeeded' || phase === 'Failed') {
      throw badRequest(`cannot exec into a container in a completed pod; current phase is ${phase}`);
    }
    if (status?.state?.running === undefined) {
      throw badRequest(
        `container "${container}" in pod "${podName}" is not running${waiting?.reason === undefined ? '' : `: ${waiting.reason}`}`,
      );
    }
    return container;
  }
  const neverRan =
    status?.state?.running === undefined &&
    status?.state?.terminated === undefined &&
    status?.lastState?.terminated === undefined;
  if (neverRan) {
    const reason = waiting?.reason ?? 'ContainerCreating';
    const detail =
      reason === 'ImagePullBackOff' || reason === 'ErrImagePull' ? 'trying and failing to pull image' : reason;
    throw badRequest(`container "${container}" in pod "${podName}" is waiting to start: ${detail}`);
  }
  return container;
}

function containerName(pod: corev1.Pod, named: string): string {
  const podName = pod.metadata?.name ?? '';
  const regular = names(pod.spec?.containers);
  const init = names(pod.spec?.initContainers);
  const all = [...init, ...regular, ...names(pod.spec?.ephemeralContainers)];
  if (named !== '') {
    if (all.includes(named)) return named;
    throw badRequest(`container ${named} is not valid for pod ${podName}: its containers are ${all.join(', ')}`);
  }
  const annotated = pod.metadata?.annotations?.[DEFAULT_CONTAINER];
  if (annotated !== undefined && all.includes(annotated)) return annotated;
  const [only] = regular;
  if (only !== undefined && regular.length === 1) return only;
  const initPart = init.length === 0 ? '' : ` or one of the init containers: [${init.join(' ')}]`;
  throw badRequest(
    `a container name must be specified for pod ${podName}, choose one of: [${regular.join(' ')}]${initPart}`,
  );
}

function names(containers: readonly { readonly name?: string | undefined }[] | undefined): string[] {
  return (containers ?? []).map(({ name }) => name ?? '');
}

function statusOf(pod: corev1.Pod, container: string): corev1.ContainerStatus | undefined {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    ({ name }) => name === container,
  );
}
