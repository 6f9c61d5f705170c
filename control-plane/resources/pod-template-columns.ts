/** The wide columns of kinds with a pod template. */
import { formatLabelSelector, labelRequirements } from '../../lib/selectors.ts';
import type { corev1, KubeObject, metav1 } from '../../proto/index.ts';
import { joined, NONE } from './columns.ts';
import type { ColumnDefinition } from './definition.ts';

/** CONTAINERS and IMAGES of the template that `templateOf` finds. */
export function containerColumns<T extends KubeObject>(
  templateOf: (object: T) => corev1.PodTemplateSpec | undefined,
  wide = true,
): readonly ColumnDefinition<T>[] {
  const containers = (object: T) => templateOf(object)?.spec?.containers ?? [];
  return [
    { name: 'CONTAINERS', wide, cell: (o) => joined(containers(o).map((c) => c.name ?? '')) },
    { name: 'IMAGES', wide, cell: (o) => joined(containers(o).map((c) => c.image ?? '')) },
  ];
}

/** A label selector as text: `app=web,tier in (a,b)`; empty when it has no requirement. */
export function selectorText(selector: metav1.LabelSelector | undefined): string {
  return formatLabelSelector(labelRequirements(selector) ?? []);
}

/** A label selector in a cell: {@link selectorText}, or `<none>`. */
export function selectorCell(selector: metav1.LabelSelector | undefined): string {
  return selectorText(selector) || NONE;
}

/** A map of labels as text: `app=web,tier=a`; empty when there are none. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}

/** A map of labels in a cell: {@link labelsText}, or `<none>`. */
export function labelsCell(labels: Readonly<Record<string, string>> | undefined): string {
  return labelsText(labels) || NONE;
}
