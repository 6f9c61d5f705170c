/** Which pods are behind which services, by the services' selectors, without looking at all of either. */

import type { Informer } from '../../lib/informer.ts';
import { objectKey } from '../../lib/informer.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { podCondition } from './pod-state.ts';
import { sameValue } from './same-value.ts';
import type { SharedInformers } from './shared-informers.ts';
import { BY_LABEL, BY_SELECTOR, labelIndexValue } from './shared-informers.ts';

/** Finds the pods of services and the services of pods, both from the caches. */
export interface ServicePods {
  readonly services: Informer<corev1.Service>;
  readonly pods: Informer<corev1.Pod>;
  /** Pods whose labels the service's selector selects; none when it has none. */
  readonly podsOf: (service: corev1.Service) => corev1.Pod[];
  /** Services whose selectors select the pod. */
  readonly servicesOf: (pod: corev1.Pod) => corev1.Service[];
}

/** See {@link ServicePods}; asks for the informers of both kinds. */
export function servicePods(informers: SharedInformers): ServicePods {
  const services = informers.of(KINDS.Service);
  const pods = informers.of(KINDS.Pod);
  const podsOf = ({ metadata, spec }: corev1.Service): corev1.Pod[] => {
    const { selector } = spec ?? {};
    const namespace = metadata?.namespace ?? '';
    let fewest: corev1.Pod[] | undefined;
    for (const pair of Object.entries(selector ?? {})) {
      const found = pods.byIndex(BY_LABEL, labelIndexValue(namespace, pair));
      if (fewest === undefined || found.length < fewest.length) fewest = found;
      if (fewest.length === 0) break;
    }
    return (fewest ?? []).filter((pod) => selects(selector, pod.metadata?.labels));
  };
  const servicesOf = ({ metadata }: corev1.Pod): corev1.Service[] => {
    const { namespace = '', labels = {} } = metadata ?? {};
    return Object.entries(labels)
      .flatMap((pair) => services.byIndex(BY_SELECTOR, labelIndexValue(namespace, pair)))
      .filter((service) => selects(service.spec?.selector, labels));
  };
  return { services, pods, podsOf, servicesOf };
}

/** Calls `enqueue` with the key of each service whose endpoints a change of a pod may change. */
export function followServicePods({ pods, servicesOf }: ServicePods, enqueue: (key: string) => void): void {
  const enqueueServices = (pod: corev1.Pod): void => {
    for (const service of servicesOf(pod)) enqueue(objectKey(service));
  };
  pods.addHandler({
    onAdd: enqueueServices,
    onUpdate: (old, pod) => {
      if (!sameValue(old.metadata?.labels, pod.metadata?.labels)) enqueueServices(old);
      else if (sameEndpoint(old, pod)) return;
      enqueueServices(pod);
    },
    onDelete: enqueueServices,
  });
}

/** Whether a change of a pod leaves its endpoints as they are; its labels apart. */
function sameEndpoint(old: corev1.Pod, pod: corev1.Pod): boolean {
  return (
    old.metadata?.deletionTimestamp === pod.metadata?.deletionTimestamp &&
    old.spec?.nodeName === pod.spec?.nodeName &&
    old.status?.phase === pod.status?.phase &&
    podCondition(old, 'Ready')?.status === podCondition(pod, 'Ready')?.status &&
    old.status?.podIP === pod.status?.podIP &&
    sameValue(old.status?.podIPs, pod.status?.podIPs)
  );
}

function selects(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  for (const key in selector) if (labels === undefined || labels[key] !== selector[key]) return false;
  return selector !== undefined;
}
