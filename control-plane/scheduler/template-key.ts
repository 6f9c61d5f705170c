/** Which pods are alike to the scheduler. */
import type { corev1 } from '../../proto/index.ts';

/** Text that is equal for pods no plugin can tell apart. */
export function templateKey(spec: corev1.PodSpec): string {
  return JSON.stringify([
    spec.nodeName,
    spec.nodeSelector,
    spec.affinity?.nodeAffinity,
    spec.tolerations,
    spec.overhead,
    spec.resources?.requests,
    spec.containers?.map(containerKey),
    spec.initContainers?.map(containerKey),
  ]);
}

function containerKey(container: corev1.Container): unknown[] {
  const ports = container.ports?.filter((port) => (port.hostPort ?? 0) > 0);
  return [
    container.image,
    container.resources?.requests,
    container.restartPolicy,
    ports?.map((port) => [port.hostPort, port.hostIP, port.protocol]),
  ];
}
