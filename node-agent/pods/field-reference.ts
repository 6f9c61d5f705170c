/** The downward API: values of a pod's own fields and resources, for env variables and files. */
import { parseQuantity, quantityUnits } from '../../lib/quantity.ts';
import type { corev1 } from '../../proto/index.ts';
import { allContainers } from './pod-resources.ts';

/** What is known about the pod besides its object when a field is read. */
export interface FieldContext {
  readonly pod: corev1.Pod;
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
  readonly nodeName: string;
  /** What the node can give, in Kubernetes' quantities: the value of a limit that is not set. */
  readonly allocatable: Readonly<Record<string, string>>;
}

const SUBSCRIPT = /^metadata\.(labels|annotations)\['([^']+)'\]$/;

/** The value of a field of the pod as text; undefined when there is no such path. */
export function fieldValue(path: string, context: FieldContext): string | undefined {
  const { metadata, spec } = context.pod;
  const subscript = SUBSCRIPT.exec(path);
  if (subscript !== null) {
    const map = subscript[1] === 'labels' ? metadata?.labels : metadata?.annotations;
    const key = subscript[2] ?? '';
    return map !== undefined && Object.hasOwn(map, key) ? map[key] : '';
  }
  switch (path) {
    case 'metadata.name':
      return metadata?.name ?? '';
    case 'metadata.namespace':
      return metadata?.namespace ?? '';
    case 'metadata.uid':
      return metadata?.uid ?? '';
    case 'metadata.labels':
      return mapLines(metadata?.labels);
    case 'metadata.annotations':
      return mapLines(metadata?.annotations);
    case 'spec.nodeName':
      return spec?.nodeName ?? context.nodeName;
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? 'default';
    case 'status.hostIP':
      return context.hostIPs[0] ?? '';
    case 'status.hostIPs':
      return context.hostIPs.join(',');
    case 'status.podIP':
      return context.podIPs[0] ?? '';
    case 'status.podIPs':
      return context.podIPs.join(',');
    default:
      return undefined;
  }
}

/** One `key="value"` a line, sorted, the value quoted as Go quotes strings. */
function mapLines(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/**
 * A container's request or limit divided by the divisor, rounded up. An unset limit is what the node has; an unset
 * request is 0. Undefined when the container or the resource does not exist.
 */
export function resourceValue(
  selector: corev1.ResourceFieldSelector,
  ownContainer: string | undefined,
  context: FieldContext,
): string | undefined {
  const name = selector.containerName || ownContainer;
  const container = allContainers(context.pod.spec).find((candidate) => candidate.name === name);
  const match = /^(requests|limits)\.(.+)$/.exec(selector.resource ?? '');
  if (container === undefined || match === null) return undefined;
  const resource = match[2] ?? '';
  const { limits, requests } = container.resources ?? {};
  const text = match[1] === 'limits' ? (limits?.[resource] ?? context.allocatable[resource]) : requests?.[resource];
  const divisor = parseQuantity(selector.divisor ?? '')?.nano ?? 0n;
  if (divisor <= 0n) return String(quantityUnits(text));
  const value = parseQuantity(text ?? '')?.nano ?? 0n;
  return String((value + divisor - 1n) / divisor);
}
