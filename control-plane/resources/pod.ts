/** Pod: containers that run together on one node. */
import { qosClass } from '../../lib/qos.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { ageColumn, countSince, NONE, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { defaultPod } from './pod-spec/defaults.ts';
import { validatePodUpdate } from './pod-spec/update.ts';
import { validatePodSpec } from './pod-spec/validate.ts';
import { podSpecWarnings } from './pod-spec/warnings.ts';
import { podSummary } from './pod-summary.ts';
import { forbidden } from './validation/field-errors.ts';

const DEFAULT_GRACE_SECONDS = 30;

function readinessGates(pod: corev1.Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const isTrue = (type: string | undefined): boolean =>
    pod.status?.conditions?.some((c) => c.type === type && c.status === 'True') ?? false;
  return `${gates.filter((gate) => isTrue(gate.conditionType)).length}/${gates.length}`;
}

function podIP(pod: corev1.Pod): string {
  return pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? '';
}

function isTerminal(pod: corev1.Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

function prepareForCreate(pod: corev1.Pod): void {
  pod.status = { phase: 'Pending', qosClass: qosClass(pod.spec) };
  const spec = pod.spec;
  if (spec === undefined) return;
  spec.priority ??= 0;
  spec.preemptionPolicy ??= 'PreemptLowerPriority';
}

/** The definition of Pod. */
export const pod: ResourceDefinition<corev1.Pod> = {
  type: KINDS.Pod,
  subresources: { status: true, binding: true, eviction: true, ephemeralcontainers: true, peers: true },
  setDefaults: defaultPod,
  prepareForCreate,
  validate: (object) => validatePodSpec(object.spec, 'spec'),
  validateCreate: (object) =>
    (object.spec?.ephemeralContainers ?? []).length === 0
      ? []
      : [forbidden('spec.ephemeralContainers', 'cannot be set on create')],
  validateUpdate: validatePodUpdate,
  warnings: (object) => podSpecWarnings(object.spec, 'spec'),
  columns: [
    nameColumn,
    { name: 'READY', cell: (o) => podSummary(o).ready },
    { name: 'STATUS', cell: (o) => podSummary(o).status },
    {
      name: 'RESTARTS',
      cell: (o) => {
        const { restarts, lastRestart } = podSummary(o);
        return countSince(restarts, lastRestart);
      },
    },
    ageColumn,
    { name: 'IP', wide: true, cell: (o) => podIP(o) || NONE },
    { name: 'NODE', wide: true, cell: (o) => o.spec?.nodeName ?? NONE },
    { name: 'NOMINATED NODE', wide: true, cell: (o) => o.status?.nominatedNodeName ?? NONE },
    { name: 'READINESS GATES', wide: true, cell: readinessGates },
  ],
  selectableFields: {
    'spec.nodeName': (o) => o.spec?.nodeName ?? '',
    'spec.restartPolicy': (o) => o.spec?.restartPolicy ?? '',
    'spec.schedulerName': (o) => o.spec?.schedulerName ?? '',
    'spec.serviceAccountName': (o) => o.spec?.serviceAccountName ?? '',
    'spec.hostNetwork': (o) => String(o.spec?.hostNetwork ?? false),
    'status.phase': (o) => o.status?.phase ?? '',
    'status.podIP': podIP,
    'status.podIPs': (o) => (o.status?.podIPs ?? []).map(({ ip }) => ip ?? '').join(','),
    'status.nominatedNodeName': (o) => o.status?.nominatedNodeName ?? '',
  },
  gracefulDeletion: {
    defaultSeconds: (o) => o.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS,
    removableAtOnce: (o) => (o.spec?.nodeName ?? '') === '' || isTerminal(o),
  },
};
