import { classNameOf } from '../../../lib/ingress-class.ts';
import { KINDS, type networkingv1 } from '../../../proto/index.ts';
import type { AdmissionStep } from './admission-step.ts';
import { chooseDefault } from './default-class.ts';
import { policyObjects } from './policy-objects.ts';

const MARKS = ['ingressclass.kubernetes.io/is-default-class'];

/** Gives new ingresses that name no class the one marked as default. */
export const defaultIngressClass: AdmissionStep = ({ operation, definition, object }, services) => {
  if (operation !== 'CREATE' || definition.type.messageName !== KINDS.Ingress.messageName) return;
  const ingress = object as networkingv1.Ingress;
  if (classNameOf(ingress) !== undefined) return;
  const chosen = chooseDefault(policyObjects(services, KINDS.IngressClass), MARKS);
  if (chosen !== undefined) ingress.spec = { ...ingress.spec, ingressClassName: chosen };
};
