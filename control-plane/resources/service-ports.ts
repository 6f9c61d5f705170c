/** Rules of a service's ports. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel, qualifiedName } from '../../lib/name-rules.ts';
import type { corev1 } from '../../proto/index.ts';
import { isHeadless, mayHaveNodePorts } from './service-kinds.ts';
import { byRule, duplicate, forbidden, invalid, required } from './validation/field-errors.ts';
import { validatePortNumber, validatePortReference } from './validation/texts.ts';

/** The ports of nodes that services may use. */
export const NODE_PORTS = { first: 30_000, last: 32_767 } as const;

/** The port on which node agents of Kubernetes listen: no load balancer may lead to it. */
const AGENT_PORT = 10_250;

/** What is wrong with the ports of a service. */
export function validateServicePorts(spec: corev1.ServiceSpec): ErrorCause[] {
  const { ports = [], type } = spec;
  const causes: ErrorCause[] = [];
  if (ports.length === 0 && !isHeadless(spec) && type !== 'ExternalName') causes.push(required('spec.ports'));
  const seen = { names: new Set<string>(), ports: new Set<string>(), nodePorts: new Set<string>() };
  for (const [i, port] of ports.entries()) {
    const field = `spec.ports[${i}]`;
    causes.push(...validatePort(port, field, { named: ports.length > 1, names: seen.names }));
    if (type === 'LoadBalancer' && port.port === AGENT_PORT) {
      const why = `may not expose port ${AGENT_PORT} externally since it is used by kubelet`;
      causes.push(invalid(field, port.port, why));
    }
    const key = `${port.protocol ?? ''} ${port.port ?? 0}`;
    if (seen.ports.has(key)) causes.push(duplicate(field, { protocol: port.protocol, port: port.port }));
    seen.ports.add(key);
    causes.push(...validateNodePort(port, `${field}.nodePort`, { spec, taken: seen.nodePorts }));
  }
  return causes;
}

function validatePort(
  port: corev1.ServicePort,
  field: string,
  { named, names }: { readonly named: boolean; readonly names: Set<string> },
): ErrorCause[] {
  const { name = '', appProtocol = '' } = port;
  const causes: ErrorCause[] = [];
  if (name === '') {
    if (named) causes.push(required(`${field}.name`));
  } else {
    causes.push(...byRule(`${field}.name`, name, dnsLabel));
    if (names.has(name)) causes.push(duplicate(`${field}.name`, name));
    names.add(name);
  }
  return [
    ...causes,
    ...validatePortNumber(`${field}.port`, port.port),
    // An absent target is the port itself, which is judged already.
    ...(port.targetPort === String(port.port) ? [] : validatePortReference(`${field}.targetPort`, port.targetPort)),
    ...(appProtocol === '' ? [] : byRule(`${field}.appProtocol`, appProtocol, qualifiedName)),
  ];
}

function validateNodePort(
  { nodePort = 0, protocol = '' }: corev1.ServicePort,
  field: string,
  { spec, taken }: { readonly spec: corev1.ServiceSpec; readonly taken: Set<string> },
): ErrorCause[] {
  if (nodePort === 0) return [];
  if (!mayHaveNodePorts(spec)) {
    return spec.type === 'ClusterIP' ? [forbidden(field, "may not be used when `type` is 'ClusterIP'")] : [];
  }
  const causes: ErrorCause[] = [];
  const key = `${protocol} ${nodePort}`;
  if (taken.has(key)) causes.push(duplicate(field, nodePort));
  taken.add(key);
  if (nodePort < NODE_PORTS.first || nodePort > NODE_PORTS.last) {
    const why = `provided port is not in the valid range. The range of valid ports is ${NODE_PORTS.first}-${NODE_PORTS.last}`;
    causes.push(invalid(field, nodePort, why));
  }
  return causes;
}
