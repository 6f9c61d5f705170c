/** The Endpoints of a service: the same truth as its EndpointSlices in the older form, at most a thousand addresses. */
import type { corev1 } from '../../../proto/index.ts';
import { isHeadless } from '../../resources/service-kinds.ts';
import {
  endpointHostname,
  endpointPorts,
  hasEndpoint,
  podAddress,
  podReference,
} from '../endpoint-slice/pod-endpoint.ts';
import { HEADLESS_LABEL } from '../endpoint-slice/slice-labels.ts';
import { isReady } from '../pod-state.ts';

/** Addresses in one object; readers of so many should use slices. */
export const MAX_ADDRESSES = 1000;
/** Says that addresses were left out. */
export const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
/** Who writes the object. */
export const ENDPOINTS_MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
/** This controller. */
export const MANAGER = 'endpoint-controller';

interface Subset {
  readonly ports: corev1.EndpointPort[];
  readonly addresses: corev1.EndpointAddress[];
  readonly notReadyAddresses: corev1.EndpointAddress[];
}

/** What the Endpoints of `service` should be; the annotations are those that this controller decides. */
export function planEndpoints(service: corev1.Service, pods: readonly corev1.Pod[]): corev1.Endpoints {
  const subsets = subsetsOf(service, pods);
  const total = subsets.reduce((sum, one) => sum + one.addresses.length + one.notReadyAddresses.length, 0);
  const { name, namespace, labels } = service.metadata ?? {};
  return {
    metadata: {
      name,
      namespace,
      labels: {
        ...labels,
        [ENDPOINTS_MANAGED_BY]: MANAGER,
        ...(isHeadless(service.spec) ? { [HEADLESS_LABEL]: '' } : {}),
      },
      ...(total > MAX_ADDRESSES ? { annotations: { [OVER_CAPACITY]: 'truncated' } } : {}),
    },
    subsets: truncated(subsets),
  };
}

/** Pods with the same ports together. One that is going is named only where readiness does not count. */
function subsetsOf(service: corev1.Service, pods: readonly corev1.Pod[]): Subset[] {
  const always = service.spec?.publishNotReadyAddresses === true;
  const portless = (service.spec?.ports ?? []).length === 0 && isHeadless(service.spec);
  const subsets = new Map<string, Subset>();
  for (const pod of pods.filter(hasEndpoint)) {
    if (!always && pod.metadata?.deletionTimestamp !== undefined) continue;
    const ports = endpointPorts(pod, service).map(({ name = '', ...rest }) => (name === '' ? rest : { name, ...rest }));
    if (ports.length === 0 && !portless) continue;
    const key = JSON.stringify(ports);
    const subset = subsets.get(key) ?? { ports, addresses: [], notReadyAddresses: [] };
    subsets.set(key, subset);
    (always || isReady(pod) ? subset.addresses : subset.notReadyAddresses).push(addressOf(pod, service));
  }
  const byIp = (a: corev1.EndpointAddress, b: corev1.EndpointAddress): number => ((a.ip ?? '') < (b.ip ?? '') ? -1 : 1);
  for (const { addresses, notReadyAddresses } of subsets.values()) {
    addresses.sort(byIp);
    notReadyAddresses.sort(byIp);
  }
  return [...subsets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, subset]) => subset);
}

function addressOf(pod: corev1.Pod, service: corev1.Service): corev1.EndpointAddress {
  const hostname = endpointHostname(pod, service);
  const nodeName = pod.spec?.nodeName ?? '';
  return {
    ip: podAddress(pod),
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === '' ? {} : { nodeName }),
    targetRef: podReference(pod),
  };
}

/** The first thousand; those that take traffic go before the others. */
function truncated(subsets: readonly Subset[]): corev1.EndpointSubset[] {
  let room = MAX_ADDRESSES;
  const take = (list: corev1.EndpointAddress[]): corev1.EndpointAddress[] => {
    const kept = list.slice(0, room);
    room -= kept.length;
    return kept;
  };
  const ready = subsets.map(({ addresses }) => take(addresses));
  const others = subsets.map(({ notReadyAddresses }) => take(notReadyAddresses));
  return subsets.flatMap(({ ports }, i) => {
    const [addresses = [], notReadyAddresses = []] = [ready[i], others[i]];
    if (addresses.length + notReadyAddresses.length === 0) return [];
    return [
      {
        ...(addresses.length === 0 ? {} : { addresses }),
        ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
        ports,
      },
    ];
  });
}
