import { type corev1, KINDS, type storagev1 } from '../../../proto/index.ts';
import type { AdmissionStep } from './admission-step.ts';
import { policyObjects } from './policy-objects.ts';

const DEFAULT_MARKS = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
] as const;
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

/** Gives new claims that name no storage class the one marked as default. An empty name means: none. */
export const defaultStorageClass: AdmissionStep = ({ operation, definition, object }, services) => {
  if (operation !== 'CREATE' || definition.type.messageName !== KINDS.PersistentVolumeClaim.messageName) return;
  const claim = object as corev1.PersistentVolumeClaim;
  const isNamed =
    claim.spec?.storageClassName !== undefined || claim.metadata?.annotations?.[CLASS_ANNOTATION] !== undefined;
  if (isNamed) return;
  const chosen = chooseDefault(policyObjects(services, KINDS.StorageClass));
  if (chosen !== undefined) claim.spec = { ...claim.spec, storageClassName: chosen };
};

/** The name of the class marked as default; of several the one made last, and of those the first by name. */
export function chooseDefault(classes: readonly storagev1.StorageClass[]): string | undefined {
  const marked = classes.filter(({ metadata }) =>
    DEFAULT_MARKS.some((mark) => metadata?.annotations?.[mark] === 'true'),
  );
  const made = (one: storagev1.StorageClass): number => Date.parse(one.metadata?.creationTimestamp ?? '') || 0;
  const name = (one: storagev1.StorageClass): string => one.metadata?.name ?? '';
  return marked.sort((a, b) => made(b) - made(a) || (name(a) < name(b) ? -1 : 1)).map(name)[0];
}
