import { templatePath } from './kinds.ts';
import type { Resource } from './resource.ts';
import { mapIn, visitField } from './tree.ts';

/** Which parts of an object get labels besides its own metadata. */
export interface LabelReach {
  /** Selectors too, and with them everything that must match: for labels that are part of what an application is. */
  readonly selectors: boolean;
  /** The templates of pods too. */
  readonly templates: boolean;
}

type Pairs = Readonly<Record<string, string>>;

/** Selectors that get labels even where there are none yet, and those that get them only where there are some. */
const SELECTORS: Readonly<Record<string, readonly string[]>> = {
  DaemonSet: ['spec/selector/matchLabels'],
  Deployment: ['spec/selector/matchLabels'],
  ReplicaSet: ['spec/selector/matchLabels'],
  ReplicationController: ['spec/selector'],
  Service: ['spec/selector'],
  StatefulSet: ['spec/selector/matchLabels'],
};
const TERM = 'labelSelector/matchLabels';
const IN_PODS = ['podAffinity', 'podAntiAffinity'].flatMap((affinity) => [
  `affinity/${affinity}/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/${TERM}`,
  `affinity/${affinity}/requiredDuringSchedulingIgnoredDuringExecution/${TERM}`,
]);
const EXISTING_SELECTORS: Readonly<Record<string, readonly string[]>> = {
  CronJob: ['spec/jobTemplate/spec/selector/matchLabels'],
  Job: ['spec/selector/matchLabels'],
  NetworkPolicy: [
    'spec/podSelector/matchLabels',
    'spec/ingress/from/podSelector/matchLabels',
    'spec/egress/to/podSelector/matchLabels',
  ],
  PodDisruptionBudget: ['spec/selector/matchLabels'],
};
for (const kind of ['Deployment', 'StatefulSet']) {
  const paths = [...IN_PODS, `topologySpreadConstraints/${TERM}`];
  Object.assign(EXISTING_SELECTORS, { [kind]: paths.map((path) => `spec/template/spec/${path}`) });
}

/** Sets labels of an object, and of its parts as far as they reach. */
export function setLabels(resource: Resource, pairs: Pairs, { selectors, templates }: LabelReach): void {
  Object.assign(mapIn(resource.metadata, 'labels'), pairs);
  const { kind, value } = resource;
  const set = (paths: readonly string[], create: boolean): void => {
    for (const path of paths) {
      visitField(value, path, {
        create,
        visit: (holder, key) => {
          if (create || holder[key] !== undefined) Object.assign(mapIn(holder, key), pairs);
        },
      });
    }
  };
  if (selectors || templates) set(templateMetadata(kind, 'labels'), true);
  if (!selectors) return;
  // A Service of another group has the name only.
  if (kind !== 'Service' || resource.group === '') set(SELECTORS[kind] ?? [], true);
  if (kind === 'StatefulSet') {
    visitField(value, 'spec/volumeClaimTemplates/metadata', {
      create: false,
      visit: (holder, key) => Object.assign(mapIn(mapIn(holder, key), 'labels'), pairs),
    });
  }
  set(EXISTING_SELECTORS[kind] ?? [], false);
}

/** Sets annotations of an object and of its pods. */
export function setAnnotations(resource: Resource, pairs: Pairs): void {
  Object.assign(mapIn(resource.metadata, 'annotations'), pairs);
  for (const path of templateMetadata(resource.kind, 'annotations')) {
    visitField(resource.value, path, {
      create: true,
      visit: (holder, key) => Object.assign(mapIn(holder, key), pairs),
    });
  }
}

function templateMetadata(kind: string, field: string): string[] {
  const template = templatePath(kind);
  if (template === undefined || kind === 'PodTemplate') return [];
  const around = kind === 'CronJob' ? [`spec/jobTemplate/metadata/${field}`] : [];
  return [...around, `${template}/metadata/${field}`];
}
