/** StatefulSet: numbered pods with names and volumes of their own. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel, dnsSubdomain } from '../../lib/name-rules.ts';
import { type appsv1, type corev1, KINDS } from '../../proto/index.ts';
import { validateClaimSpec } from './claim-spec.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { claimWarnings, defaultClaim } from './persistent-volume-claim.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate.ts';
import { podSpecWarnings } from './pod-spec/warnings.ts';
import { containerColumns, selectorText } from './pod-template-columns.ts';
import { replicaScale } from './replicas.ts';
import { isNoPod, validateRollingCount } from './rolling-counts.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { changesInWords, fieldChanges } from './validation/changed-fields.ts';
import { byRule, forbidden, invalid, notNegative, required, unique } from './validation/field-errors.ts';
import { validateWorkloadSelector } from './validation/labels.ts';
import { collisionsNotFewer, countsNotNegative, countsWithin } from './validation/status-counts.ts';

const REVISION_HISTORY_LIMIT = 10;
const SPEC = 'skiff.apps.v1.StatefulSetSpec';
const CHANGEABLE_FIELDS = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;
const CHANGEABLE =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', " +
  "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

type Counts = Readonly<Record<string, unknown>> | undefined;

function setDefaults(object: appsv1.StatefulSet): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= REVISION_HISTORY_LIMIT;
  spec.podManagementPolicy ??= 'OrderedReady';
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ??= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.partition ??= 0;
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ??= 'Retain';
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ??= 'Retain';
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion ??= 'v1';
    claim.kind ??= 'PersistentVolumeClaim';
    defaultClaim(claim);
  }
  if (spec.template !== undefined) defaultPodTemplate(spec.template);
}

function validate(object: appsv1.StatefulSet): ErrorCause[] {
  const spec = object.spec ?? {};
  const { selector, serviceName = '', template, volumeClaimTemplates = [] } = spec;
  return [
    ...notNegative('spec.replicas', spec.replicas),
    ...notNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...notNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
    ...notNegative('spec.ordinals.start', spec.ordinals?.start),
    ...(serviceName === '' ? [] : byRule('spec.serviceName', serviceName, dnsSubdomain)),
    ...validateStrategy(spec.updateStrategy),
    ...validateWorkloadSelector(selector, template?.metadata?.labels, 'StatefulSet'),
    ...validatePodTemplate(withClaims(template, volumeClaimTemplates), 'spec.template', 'StatefulSet'),
    ...validateClaims(volumeClaimTemplates, 'spec.volumeClaimTemplates'),
  ];
}

/** The template as its pods will be: with a volume for each claim, unless the claim takes the place of one. */
function withClaims(
  template: corev1.PodTemplateSpec | undefined,
  claims: readonly corev1.PersistentVolumeClaim[],
): corev1.PodTemplateSpec | undefined {
  if (template?.spec === undefined || claims.length === 0) return template;
  const volumes = template.spec.volumes ?? [];
  const names = new Set(volumes.map((volume) => volume.name));
  const claimed = claims
    .map((claim) => claim.metadata?.name ?? '')
    .filter((name) => name !== '' && dnsLabel(name).length === 0 && !names.has(name));
  const added = [...new Set(claimed)].map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...template, spec: { ...template.spec, volumes: [...volumes, ...added] } };
}

function validateClaims(claims: readonly corev1.PersistentVolumeClaim[], path: string): ErrorCause[] {
  return [
    ...claims.flatMap((claim, i) => [
      ...validateClaimName(claim.metadata?.name ?? '', `${path}[${i}].metadata.name`),
      ...validateClaimSpec(claim.spec ?? {}, `${path}[${i}].spec`),
    ]),
    ...unique(
      claims.map((claim) => claim.metadata?.name),
      (i) => `${path}[${i}].metadata.name`,
    ),
  ];
}

function validateClaimName(name: string, field: string): ErrorCause[] {
  return name === '' ? [required(field)] : byRule(field, name, dnsLabel);
}

function validateStrategy(strategy: appsv1.StatefulSetUpdateStrategy | undefined): ErrorCause[] {
  const rolling = strategy?.rollingUpdate;
  const path = 'spec.updateStrategy.rollingUpdate';
  if (rolling === undefined) return [];
  if (strategy?.type === 'OnDelete') return [invalid(path, rolling, "only allowed for updateStrategy 'RollingUpdate'")];
  const causes = [
    ...notNegative(`${path}.partition`, rolling.partition),
    ...validateRollingCount(rolling.maxUnavailable, `${path}.maxUnavailable`),
  ];
  if (isNoPod(rolling.maxUnavailable))
    causes.push(invalid(`${path}.maxUnavailable`, rolling.maxUnavailable, 'cannot be 0'));
  return causes;
}

function validateUpdate(object: appsv1.StatefulSet, old: appsv1.StatefulSet): ErrorCause[] {
  const before = old.spec ?? {};
  const kept = Object.fromEntries(CHANGEABLE_FIELDS.map((name) => [name, before[name]]));
  const changes = fieldChanges(SPEC, { ...object.spec, ...kept }, before);
  return changes.length === 0 ? [] : [forbidden('spec', `${CHANGEABLE}; ${changesInWords(changes)}`)];
}

function validateStatusUpdate(object: appsv1.StatefulSet, old: appsv1.StatefulSet): ErrorCause[] {
  const counts = object.status as Counts;
  const parts = ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'];
  return [
    ...countsNotNegative(counts, ['replicas', ...parts, 'observedGeneration', 'collisionCount']),
    ...countsWithin(counts, 'replicas', parts),
    ...countsWithin(counts, 'readyReplicas', ['availableReplicas']),
    ...collisionsNotFewer(counts, old.status as Counts),
  ];
}

function warnings({ spec }: appsv1.StatefulSet): string[] {
  const claims = spec?.volumeClaimTemplates ?? [];
  return [
    ...podSpecWarnings(spec?.template?.spec, 'spec.template.spec'),
    ...claims.flatMap((claim, i) => claimWarnings(claim.spec, `spec.volumeClaimTemplates[${i}].spec`)),
  ];
}

/** The definition of StatefulSet. */
export const statefulSet: ResourceDefinition<appsv1.StatefulSet> = {
  type: KINDS.StatefulSet,
  // Its pods are named after it, so a dot could never work.
  nameRule: 'dnsLabel',
  subresources: {
    status: true,
    scale: replicaScale((o) => selectorText(o.spec?.selector)),
  },
  setDefaults,
  prepareForCreate: startWithoutStatus,
  validate,
  validateUpdate,
  validateStatusUpdate,
  warnings,
  columns: [
    nameColumn,
    { name: 'READY', cell: (o) => `${o.status?.readyReplicas ?? 0}/${o.spec?.replicas ?? 0}` },
    ageColumn,
    ...containerColumns<appsv1.StatefulSet>((o) => o.spec?.template),
  ],
};
