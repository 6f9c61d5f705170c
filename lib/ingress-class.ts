/** The built-in IngressClass, and the words by which nodes and the control plane agree on who serves Ingresses. */
import type { networkingv1 } from '../proto/index.ts';

/** Name of the class. Every cluster has it, as the default. */
export const BUILT_IN_CLASS = 'skiff';

/** Controller of the classes that nodes serve. */
export const INGRESS_CONTROLLER = 'skiff.dev/ingress';

/** What named an Ingress's class before the field did. */
export const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

/** Condition of a Node that says whether it serves Ingresses; none while the cluster has nothing to serve. */
export const INGRESS_READY = 'IngressReady';

/** The class that an Ingress names, by its field or as it was done before; undefined for none. */
export function classNameOf({ metadata, spec }: networkingv1.Ingress): string | undefined {
  return spec?.ingressClassName ?? metadata?.annotations?.[CLASS_ANNOTATION];
}
