/** What one node of a cluster may know of the pods on others: where they are and what they are called, nothing of what they run. */
import type { corev1 } from '../proto/index.ts';

/** The subresource of pods that shows them so. */
export const PEERS = 'peers';

/**
 * A pod cut down to metadata (namespace, name, uid, labels, deletionTimestamp, resourceVersion), spec (nodeName, hostNetwork,
 * hostname, subdomain, and of each container that stays name and ports) and status (phase, podIP, podIPs). Of the init
 * containers only those that go on running beside the others are there: their ports have names, too.
 */
export function peerPod(pod: corev1.Pod): corev1.Pod {
  const { apiVersion, kind, metadata = {}, spec = {}, status = {} } = pod;
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return present({
    apiVersion,
    kind,
    metadata: present({
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
      labels: metadata.labels,
      deletionTimestamp: metadata.deletionTimestamp,
      resourceVersion: metadata.resourceVersion,
    }),
    spec: present({
      nodeName: spec.nodeName,
      hostNetwork: spec.hostNetwork,
      hostname: spec.hostname,
      subdomain: spec.subdomain,
      containers: (spec.containers ?? []).map(({ name, ports }) => present({ name, ports })),
      initContainers:
        sidecars.length === 0
          ? undefined
          : sidecars.map(({ name, ports, restartPolicy }) => present({ name, ports, restartPolicy })),
    }),
    status: present({ phase: status.phase, podIP: status.podIP, podIPs: status.podIPs }),
  });
}

/** Without the members that are undefined. */
function present<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
