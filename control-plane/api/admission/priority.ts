import { type corev1, KINDS, type schedulingv1 } from '../../../proto/index.ts';
import { forbidden } from '../api-errors.ts';
import { objectKey } from '../keys.ts';
import type { ApiServices } from '../services.ts';
import { copyOf } from '../stored-object.ts';
import type { AdmissionRequest, AdmissionStep } from './admission-step.ts';
import { policyObjects } from './policy-objects.ts';

/** Gives new pods the priority of their class, or of the class for those that name none. */
export const priorityOfPods: AdmissionStep = (request, services) => {
  const { operation, definition, subresource, object } = request;
  if (operation !== 'CREATE' || subresource !== '' || definition.type.messageName !== KINDS.Pod.messageName) return;
  const spec = (object as corev1.Pod).spec;
  if (spec !== undefined) return givePriority(request, services, spec);
};

async function givePriority(request: AdmissionRequest, services: ApiServices, spec: corev1.PodSpec): Promise<void> {
  const { definition } = request;
  const refuse = (because: string): Error => forbidden(definition.type, request.name, because);
  const named = spec.priorityClassName ?? '';
  const found = named === '' ? defaultClass(services) : await findClass(services, named, request);
  // A class that is only assumed to be there has whatever priority it will have.
  if (found === undefined && request.assumed?.has(KINDS.PriorityClass.kind, '', named) === true) return;
  if (named !== '' && found === undefined) throw refuse(`no PriorityClass with name ${named} was found`);
  if (named === '' && found !== undefined) spec.priorityClassName = found.metadata?.name ?? '';
  const value = found?.value ?? 0;
  const policy = found?.preemptionPolicy ?? 'PreemptLowerPriority';
  const source = 'must not be provided in pod spec; priority admission controller computed';
  if (spec.priority !== undefined && spec.priority !== value) {
    throw refuse(
      `the integer value of priority (${spec.priority}) ${source} ${value} from the given PriorityClass name`,
    );
  }
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    throw refuse(
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) ${source} ${policy} from the given PriorityClass name`,
    );
  }
  spec.priority = value;
  spec.preemptionPolicy = policy;
}

/** Refuses a second class for pods that name none. */
export const onlyDefaultPriorityClass: AdmissionStep = ({ definition, name, object }, services) => {
  if (definition.type.messageName !== KINDS.PriorityClass.messageName) return;
  if ((object as schedulingv1.PriorityClass).globalDefault !== true) return;
  const other = defaultClass(services, name);
  if (other === undefined) return;
  const because = `PriorityClass ${other.metadata?.name} is already marked as default. Only one default can exist`;
  throw forbidden(definition.type, name, because);
};

/** The class of pods that name none; should two have been made at once, the lower one. */
function defaultClass(services: ApiServices, except = ''): schedulingv1.PriorityClass | undefined {
  return policyObjects(services, KINDS.PriorityClass)
    .filter((one) => one.globalDefault === true && one.metadata?.name !== except)
    .sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
}

async function findClass(
  services: ApiServices,
  name: string,
  { signal }: AdmissionRequest,
): Promise<schedulingv1.PriorityClass | undefined> {
  const key = objectKey(KINDS.PriorityClass, undefined, name);
  const cached = services.cache.get(key)?.object;
  if (cached !== undefined) return cached as schedulingv1.PriorityClass;
  const { apiVersion, kind } = KINDS.PriorityClass;
  const definition = services.registry.findDefinition(apiVersion, kind);
  const entry = await services.store.get(key, signal);
  return entry === undefined || definition === undefined
    ? undefined
    : (copyOf(definition, entry.value) as schedulingv1.PriorityClass);
}
