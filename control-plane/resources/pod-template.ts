/** PodTemplate: a template that stands by itself. */
import { type corev1, KINDS } from '../../proto/index.ts';
import { nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validateAnyPodTemplate } from './pod-spec/validate.ts';
import { podSpecWarnings } from './pod-spec/warnings.ts';
import { containerColumns, labelsCell } from './pod-template-columns.ts';

/** The definition of PodTemplate. */
export const podTemplate: ResourceDefinition<corev1.PodTemplate> = {
  type: KINDS.PodTemplate,
  countsGenerations: true,
  setDefaults: (object) => {
    if (object.template !== undefined) defaultPodTemplate(object.template);
  },
  validate: (object) => validateAnyPodTemplate(object.template, 'template'),
  warnings: (object) => podSpecWarnings(object.template?.spec, 'template.spec'),
  columns: [
    nameColumn,
    ...containerColumns<corev1.PodTemplate>((o) => o.template, false),
    { name: 'POD LABELS', cell: (o) => labelsCell(o.template?.metadata?.labels) },
  ],
};
