/** The only door to the generated code: message types by package, the kinds, the schema and the JSON codec. */

export * from './codec.ts';
export * as corev1 from './core.ts';
export * as admissionregistrationv1 from './gen/skiff/admissionregistration/v1/admissionregistration.ts';
export * as agentv1 from './gen/skiff/agent/v1/images.ts';
export * as apiv1 from './gen/skiff/api/v1/resources.ts';
export * as streamsv1 from './gen/skiff/api/v1/streams.ts';
export * as apiregistrationv1 from './gen/skiff/apiregistration/v1/apiregistration.ts';
export * as appsv1 from './gen/skiff/apps/v1/apps.ts';
export * as authenticationv1 from './gen/skiff/authentication/v1/authentication.ts';
export * as autoscalingv1 from './gen/skiff/autoscaling/v1/autoscaling.ts';
export * as autoscalingv2 from './gen/skiff/autoscaling/v2/autoscaling.ts';
export * as batchv1 from './gen/skiff/batch/v1/batch.ts';
export * as certificatesv1 from './gen/skiff/certificates/v1/certificates.ts';
export * as coordinationv1 from './gen/skiff/coordination/v1/coordination.ts';
export * as discoveryv1 from './gen/skiff/discovery/v1/discovery.ts';
export * as eventsv1 from './gen/skiff/events/v1/events.ts';
export * as metav1 from './gen/skiff/meta/v1/meta.ts';
export * as networkingv1 from './gen/skiff/networking/v1/networking.ts';
export * as nodev1 from './gen/skiff/node/v1/node.ts';
export * as policyv1 from './gen/skiff/policy/v1/policy.ts';
export * as rbacv1 from './gen/skiff/rbac/v1/rbac.ts';
export * as schedulingv1 from './gen/skiff/scheduling/v1/scheduling.ts';
export * as storagev1 from './gen/skiff/storage/v1/storage.ts';
export * from './kinds.ts';
export * from './schema.ts';
