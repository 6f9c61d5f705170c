import type { AdmissionStep } from './admission-step.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { type DefaultTolerationOptions, defaultTolerations } from './default-tolerations.ts';
import { limitRangeBounds } from './limit-range-bounds.ts';
import { limitRangeDefaults } from './limit-range-defaults.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { type AuditLog, podSecurity } from './pod-security/pod-security.ts';
import { onlyDefaultPriorityClass, priorityOfPods } from './priority.ts';
import { serviceAccountOfPods } from './service-account.ts';

/** What the steps need to know. */
export interface AdmissionOptions {
  readonly tolerations: DefaultTolerationOptions;
  /** For violations that are only written down. */
  readonly log: AuditLog;
}

/**
 * Every step of admission, in the order in which they run: first those that change the object, then those that only look at
 * it. Quotas come last of all, when the object is stored: see `quota-ledger.ts`.
 */
export function admissionSteps({ tolerations, log }: AdmissionOptions): readonly AdmissionStep[] {
  return [
    namespaceLifecycle,
    limitRangeDefaults,
    serviceAccountOfPods,
    priorityOfPods,
    defaultTolerations(tolerations),
    defaultStorageClass,
    defaultIngressClass,
    limitRangeBounds,
    podSecurity(log),
    onlyDefaultPriorityClass,
  ];
}
