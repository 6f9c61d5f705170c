/** Which container a request for logs or exec means. */
import { ApiError } from '../../lib/errors.ts';
import type { ContainerSlot } from '../pods/container-slot.ts';
import { allContainers } from '../pods/pod-resources.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import type { PodWorkers } from '../pods/pod-workers.ts';

/** A pod of this node and one of its containers. */
export interface ContainerTarget {
  readonly worker: PodWorker;
  readonly slot: ContainerSlot;
  readonly name: string;
  /** For messages: `container "c" in pod "p"`. */
  readonly text: string;
}

/** Finds it; throws `NotFound` or `BadRequest` in Kubernetes' words. */
export function findContainer(
  workers: PodWorkers,
  request: {
    readonly namespace?: string | undefined;
    readonly pod?: string | undefined;
    readonly container?: string | undefined;
  },
): ContainerTarget {
  const { namespace = 'default', pod = '', container = '' } = request;
  const worker = workers.find(namespace, pod);
  if (worker === undefined) throw new ApiError('NotFound', `pods "${pod}" not found on this node`);
  const names = allContainers(worker.pod.spec).map(({ name = '' }) => name);
  const chosen =
    container ||
    worker.pod.metadata?.annotations?.['kubectl.kubernetes.io/default-container'] ||
    (worker.pod.spec?.containers?.[0]?.name ?? '');
  const slot = worker.container(chosen);
  if (slot === undefined) {
    throw new ApiError('BadRequest', `container ${chosen} is not valid for pod ${pod}; it has ${names.join(', ')}`);
  }
  return { worker, slot, name: chosen, text: `container "${chosen}" in pod "${pod}"` };
}
