import { type corev1, KINDS } from '../../../proto/index.ts';
import { sortedKeys } from '../../resources/sorted-keys.ts';
import type { AdmissionStep } from './admission-step.ts';
import { policyObjects } from './policy-objects.ts';

const ANNOTATION = 'kubernetes.io/limit-ranger';

type Amounts = Readonly<Record<string, string>>;

/** Gives containers of new pods the requests and limits that the namespace's LimitRanges have for those who name none. */
export const limitRangeDefaults: AdmissionStep = (
  { operation, definition, subresource, namespace, object },
  services,
) => {
  if (operation !== 'CREATE' || subresource !== '' || definition.type.messageName !== KINDS.Pod.messageName) return;
  const ranges = policyObjects(services, KINDS.LimitRange, namespace);
  if (ranges.length > 0) fillIn(object as corev1.Pod, ranges);
};

/** See {@link limitRangeDefaults}; changes the pod in place and notes what it did in an annotation. */
export function fillIn(pod: corev1.Pod, ranges: readonly corev1.LimitRange[]): void {
  const items = ranges.flatMap((range) => range.spec?.limits ?? []).filter((item) => item.type === 'Container');
  const limits: Amounts = Object.assign({}, ...items.map((item) => item.default ?? {}));
  const requests: Amounts = Object.assign({}, ...items.map((item) => item.defaultRequest ?? {}));
  const notes = [
    ...(pod.spec?.containers ?? []).flatMap((c) => fillInContainer(c, 'container', { limits, requests })),
    ...(pod.spec?.initContainers ?? []).flatMap((c) => fillInContainer(c, 'init container', { limits, requests })),
  ];
  if (notes.length === 0) return;
  const annotations = { ...pod.metadata?.annotations, [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}` };
  pod.metadata = { ...pod.metadata, annotations: sortedKeys(annotations) };
}

function fillInContainer(
  container: corev1.Container,
  what: string,
  defaults: { readonly limits: Amounts; readonly requests: Amounts },
): string[] {
  const notes: string[] = [];
  const resources = { ...container.resources };
  for (const [list, word] of [
    ['requests', 'request'],
    ['limits', 'limit'],
  ] as const) {
    const given = resources[list] ?? {};
    const missing = Object.keys(defaults[list]).filter((name) => !Object.hasOwn(given, name));
    if (missing.length === 0) continue;
    resources[list] = sortedKeys({ ...defaults[list], ...given });
    notes.push(`${missing.sort().join(', ')} ${word} for ${what} ${container.name ?? ''}`);
  }
  if (notes.length > 0) container.resources = resources;
  return notes;
}
