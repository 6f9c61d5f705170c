/** Node: one machine of the cluster. The agent registers it and writes its status; people taint and cordon it. */
import { type corev1, KINDS } from '../../proto/index.ts';
import { ageColumn, joined, NONE, nameColumn, UNKNOWN } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateNode, validateNodeUpdate } from './node-rules.ts';

const ROLE_PREFIX = 'node-role.kubernetes.io/';
const ROLE_LABEL = 'kubernetes.io/role';

function setDefaults(node: corev1.Node): void {
  const spec = node.spec;
  if (spec === undefined) return;
  const { podCIDR = '', podCIDRs: [first = ''] = [] } = spec;
  // Both say the same; the single one counts where they differ.
  if (podCIDR !== '' && podCIDR !== first) spec.podCIDRs = [podCIDR];
  if (podCIDR === '' && first !== '') spec.podCIDR = first;
}

/** A manifest that does not name the range the node was given does not take it away. */
function prepareForUpdate(node: corev1.Node, old: corev1.Node): void {
  if (old.spec?.podCIDR === undefined || (node.spec?.podCIDR ?? '') !== '') return;
  node.spec = { ...node.spec, podCIDR: old.spec.podCIDR, podCIDRs: old.spec.podCIDRs ?? [old.spec.podCIDR] };
}

/** `Ready`, `NotReady` or `Unknown`, with `SchedulingDisabled` when cordoned. */
function statusText(node: corev1.Node): string {
  const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
  const parts = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (node.spec?.unschedulable === true) parts.push('SchedulingDisabled');
  return parts.join(',');
}

function roles(node: corev1.Node): string {
  const found = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata?.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) found.add(key.slice(ROLE_PREFIX.length));
    if (key === ROLE_LABEL && value !== '') found.add(value);
  }
  return joined([...found].sort());
}

function address(node: corev1.Node, type: string): string {
  return node.status?.addresses?.find((a) => a.type === type)?.address ?? NONE;
}

function info(field: 'osImage' | 'kernelVersion' | 'containerRuntimeVersion'): (node: corev1.Node) => string {
  return (node) => {
    const value = node.status?.nodeInfo?.[field];
    return value === undefined || value === '' ? UNKNOWN : value;
  };
}

/** The definition of Node. */
export const node: ResourceDefinition<corev1.Node> = {
  type: KINDS.Node,
  subresources: { status: true },
  setDefaults,
  prepareForUpdate,
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
  columns: [
    nameColumn,
    { name: 'STATUS', cell: statusText },
    { name: 'ROLES', cell: roles },
    ageColumn,
    { name: 'VERSION', cell: (o) => o.status?.nodeInfo?.kubeletVersion ?? '' },
    { name: 'INTERNAL-IP', wide: true, cell: (o) => address(o, 'InternalIP') },
    { name: 'EXTERNAL-IP', wide: true, cell: (o) => address(o, 'ExternalIP') },
    { name: 'OS-IMAGE', wide: true, cell: info('osImage') },
    { name: 'KERNEL-VERSION', wide: true, cell: info('kernelVersion') },
    { name: 'CONTAINER-RUNTIME', wide: true, cell: info('containerRuntimeVersion') },
  ],
  selectableFields: { 'spec.unschedulable': (o) => String(o.spec?.unschedulable ?? false) },
};
