import type { autoscalingv1, KubeObject } from '../../../proto/index.ts';
import type { ScaleDefinition } from '../../resources/definition.ts';
import { notNegative } from '../../resources/validation/field-errors.ts';
import { badRequest, invalid, modifiedConflict, notFound } from '../api-errors.ts';
import { requireName, type Target } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import { parseVersion } from '../stored-object.ts';
import { guardedWrite } from './guarded-write.ts';
import { decideReplacement } from './update.ts';
import type { WriteOutcome, WriteRequest } from './write-request.ts';

/** Full name of the message that the scale subresource speaks. */
export const SCALE_MESSAGE = 'skiff.autoscaling.v1.Scale';

/** The Scale object of a scalable one. */
export function scaleOf(target: Target, object: KubeObject): autoscalingv1.Scale {
  const scale = scaleDefinition(target);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: scale.specReplicas(object) },
    status: { replicas: scale.statusReplicas(object), selector: scale.selector(object) },
  };
}

/** Sets the replicas of the target to those of `wanted`. Its resourceVersion, when given, must be the current one. */
export async function updateScale(
  services: ApiServices,
  request: WriteRequest,
  wanted: autoscalingv1.Scale,
): Promise<WriteOutcome> {
  const { definition } = request.target;
  const name = requireName(request.target);
  const scale = scaleDefinition(request.target);
  const replicas = wanted.spec?.replicas ?? 0;
  const causes = notNegative('spec.replicas', replicas);
  if (causes.length > 0) throw invalid({ ...definition.type, kind: 'Scale', group: 'autoscaling' }, name, causes);
  const ifVersion = parseVersion(wanted.metadata?.resourceVersion);
  const whole = { ...request, target: { ...request.target, subresource: '' } };
  return guardedWrite(services, whole, name, (current) => {
    if (current === undefined) throw notFound(definition.type, name);
    if (ifVersion !== undefined && ifVersion !== current.version) throw modifiedConflict(definition.type, name);
    const next: KubeObject = structuredClone(current.object);
    scale.setSpecReplicas(next, replicas);
    return decideReplacement(services, whole, { name, current, next, subresource: 'scale' });
  });
}

function scaleDefinition(target: Target): ScaleDefinition<KubeObject> {
  const scale = target.definition.subresources?.scale;
  if (scale === undefined) throw badRequest(`${target.definition.type.plural} cannot be scaled`);
  return scale;
}
