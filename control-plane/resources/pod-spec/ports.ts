/** What is wrong with the ports of containers. */
import type { ErrorCause } from '../../../lib/errors.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, duplicate, inRange, invalid, unique } from '../validation/field-errors.ts';
import { ipAddress, portName, validatePortNumber } from '../validation/texts.ts';
import type { ContainerPlace } from './containers.ts';

const MAX_PORT = 65_535;

/** Everything wrong with one container's ports. */
export function validatePorts(ports: readonly corev1.ContainerPort[], path: string): ErrorCause[] {
  return [
    ...ports.flatMap((port, i) => validatePort(port, `${path}[${i}]`)),
    ...unique(
      ports.map((port) => port.name),
      (i) => `${path}[${i}].name`,
    ),
  ];
}

function validatePort(port: corev1.ContainerPort, path: string): ErrorCause[] {
  return [
    ...((port.name ?? '') === '' ? [] : byRule(`${path}.name`, port.name ?? '', portName)),
    ...validatePortNumber(`${path}.containerPort`, port.containerPort),
    ...((port.hostPort ?? 0) === 0 ? [] : inRange(`${path}.hostPort`, port.hostPort, [1, MAX_PORT])),
    ...((port.hostIP ?? '') === '' ? [] : byRule(`${path}.hostIP`, port.hostIP ?? '', ipAddress)),
  ];
}

/** What is wrong with the ports of a pod's containers on the host: taken twice, or not the container's own there. */
export function validateHostPorts(places: readonly ContainerPlace[]): ErrorCause[] {
  const seen = new Set<string>();
  const causes: ErrorCause[] = [];
  for (const { container, path, spec } of places) {
    for (const [i, port] of (container.ports ?? []).entries()) {
      if ((port.hostPort ?? 0) === 0) continue;
      const field = `${path}.ports[${i}]`;
      const key = `${port.protocol ?? 'TCP'}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (seen.has(key)) causes.push(duplicate(`${field}.hostPort`, key));
      seen.add(key);
      if (spec.hostNetwork === true && port.hostPort !== port.containerPort) {
        const why = 'must match `hostPort` when `hostNetwork` is true';
        causes.push(invalid(`${field}.containerPort`, port.containerPort, why));
      }
    }
  }
  return causes;
}
