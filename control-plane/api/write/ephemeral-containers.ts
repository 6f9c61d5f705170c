import type { corev1, KubeObject } from '../../../proto/index.ts';
import { validateEphemeralContainersUpdate } from '../../resources/pod-spec/ephemeral-containers.ts';
import { validatePodSpec } from '../../resources/pod-spec/validate.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import type { Decision } from './guarded-write.ts';
import { admit, bumpGeneration, refuseInvalid } from './prepare.ts';
import type { WriteRequest } from './write-request.ts';

/**
 * Takes only the ephemeral containers of `next`: containers that look into a pod which runs already. They can be added, and
 * never changed or removed. Throws `Invalid` and what admission throws.
 */
export async function decideEphemeralContainers(
  services: ApiServices,
  request: WriteRequest,
  { name, next, old }: { readonly name: string; readonly next: KubeObject; readonly old: KubeObject },
): Promise<Decision> {
  const definition: AnyDefinition = request.target.definition;
  const before: corev1.Pod = old;
  const { ephemeralContainers } = (next as corev1.Pod).spec ?? {};
  const pod: corev1.Pod = {
    ...before,
    metadata: { ...before.metadata },
    spec: { ...before.spec, ephemeralContainers },
  };
  definition.setDefaults?.(pod);
  await admit(services, request, { name, object: pod, old });
  bumpGeneration(definition, pod, old);
  refuseInvalid(definition, name, [
    ...validatePodSpec(pod.spec, 'spec'),
    ...validateEphemeralContainersUpdate(pod.spec ?? {}, before.spec ?? {}),
  ]);
  return { type: 'put', object: pod, action: 'configured' };
}
