import { type corev1, KINDS } from '../../../proto/index.ts';
import type { AdmissionStep } from './admission-step.ts';
import { chooseDefault } from './default-class.ts';
import { policyObjects } from './policy-objects.ts';

const MARKS = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

/** Gives new claims that name no storage class the one marked as default. An empty name means: none. */
export const defaultStorageClass: AdmissionStep = ({ operation, definition, object }, services) => {
  if (operation !== 'CREATE' || definition.type.messageName !== KINDS.PersistentVolumeClaim.messageName) return;
  const claim = object as corev1.PersistentVolumeClaim;
  const isNamed =
    claim.spec?.storageClassName !== undefined || claim.metadata?.annotations?.[CLASS_ANNOTATION] !== undefined;
  if (isNamed) return;
  const chosen = chooseDefault(policyObjects(services, KINDS.StorageClass), MARKS);
  if (chosen !== undefined) claim.spec = { ...claim.spec, storageClassName: chosen };
};
