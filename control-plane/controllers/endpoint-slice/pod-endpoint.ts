/** What a pod is as an endpoint of a service, and on which ports. */
import { isIPv4 } from 'node:net';
import type { corev1, discoveryv1 } from '../../../proto/index.ts';
import { hasEnded, isReady } from '../pod-state.ts';

/** The pod's address of IPv4; undefined while it has none. */
export function podAddress({ status }: corev1.Pod): string | undefined {
  const all = [status?.podIP ?? '', ...(status?.podIPs ?? []).map(({ ip = '' }) => ip)];
  return all.find((address) => isIPv4(address));
}

/** Whether the pod has a place among the endpoints: it has an address and has not ended. */
export function hasEndpoint(pod: corev1.Pod): boolean {
  return !hasEnded(pod) && podAddress(pod) !== undefined;
}

/** The name the pod has beneath the service's own: only when it asks for this very service as its subdomain. */
export function endpointHostname(pod: corev1.Pod, service: corev1.Service): string | undefined {
  const { hostname = '', subdomain = '' } = pod.spec ?? {};
  return hostname !== '' && subdomain === service.metadata?.name ? hostname : undefined;
}

/** The reference by which an endpoint names its pod. */
export function podReference({ metadata }: corev1.Pod): corev1.ObjectReference {
  return { kind: 'Pod', namespace: metadata?.namespace, name: metadata?.name, uid: metadata?.uid };
}

/** The endpoint a pod is for a service. The pod {@link hasEndpoint}. */
export function podEndpoint(
  pod: corev1.Pod,
  service: corev1.Service,
  zoneOf: (node: string) => string | undefined,
): discoveryv1.Endpoint {
  const serving = isReady(pod);
  const terminating = pod.metadata?.deletionTimestamp !== undefined;
  const hostname = endpointHostname(pod, service);
  const nodeName = pod.spec?.nodeName ?? '';
  const zone = nodeName === '' ? undefined : zoneOf(nodeName);
  return {
    addresses: [podAddress(pod) ?? ''],
    conditions: {
      ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === '' ? {} : { nodeName }),
    targetRef: podReference(pod),
    ...(zone === undefined ? {} : { zone }),
  };
}

/** Number of the pod's port that `port` of a service leads to; undefined when it names one that the pod does not have. */
export function targetPortOf(pod: corev1.Pod, port: corev1.ServicePort): number | undefined {
  const target = port.targetPort ?? String(port.port ?? 0);
  if (/^\d+$/.test(target)) return Number(target);
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...containers, ...sidecars]
    .flatMap(({ ports = [] }) => ports)
    .find(({ name, protocol }) => name === target && (protocol ?? 'TCP') === (port.protocol ?? 'TCP'))?.containerPort;
}

/** The ports on which the pod serves; those it does not have are left out. */
export function endpointPorts(pod: corev1.Pod, service: corev1.Service): discoveryv1.EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPortOf(pod, port);
    if (number === undefined) return [];
    return [
      {
        name: port.name ?? '',
        port: number,
        protocol: port.protocol ?? 'TCP',
        ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
      },
    ];
  });
}
