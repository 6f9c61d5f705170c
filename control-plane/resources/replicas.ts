/** What kinds with `spec.replicas` have in common: the scale subresource and the columns of the counts. */
import type { KubeObject } from '../../proto/index.ts';
import type { ColumnDefinition, ScaleDefinition } from './definition.ts';

/** An object that wants a number of pods, and counts them. */
export interface Replicated extends KubeObject {
  spec?: { replicas?: number | undefined } | undefined;
  readonly status?: { readonly replicas?: number | undefined; readonly readyReplicas?: number | undefined } | undefined;
}

/** The scale subresource; `selector` gives the label selector in text form, empty when there is none. */
export function replicaScale<T extends Replicated>(selector: (object: T) => string): ScaleDefinition<T> {
  return {
    specReplicas: (o) => o.spec?.replicas ?? 0,
    setSpecReplicas: (o, replicas) => {
      o.spec = { ...o.spec, replicas };
    },
    statusReplicas: (o) => o.status?.replicas ?? 0,
    selector,
  };
}

/** How many pods are wanted, are there, and are ready. */
export const replicaColumns: readonly ColumnDefinition<Replicated>[] = [
  { name: 'DESIRED', cell: (o) => String(o.spec?.replicas ?? 0) },
  { name: 'CURRENT', cell: (o) => String(o.status?.replicas ?? 0) },
  { name: 'READY', cell: (o) => String(o.status?.readyReplicas ?? 0) },
];
