/** The only door to the generated code: message types by package, the kinds, the schema and the JSON codec. */

export * from './codec.ts';
export * as agentv1 from './gen/skiff/agent/v1/images.ts';
export * as apiv1 from './gen/skiff/api/v1/resources.ts';
export * as streamsv1 from './gen/skiff/api/v1/streams.ts';
export * as appsv1 from './gen/skiff/apps/v1/apps.ts';
export * as autoscalingv1 from './gen/skiff/autoscaling/v1/autoscaling.ts';
export * as coordinationv1 from './gen/skiff/coordination/v1/coordination.ts';
export * as corev1 from './gen/skiff/core/v1/core.ts';
export * as metav1 from './gen/skiff/meta/v1/meta.ts';
export * as policyv1 from './gen/skiff/policy/v1/policy.ts';
export * from './kinds.ts';
export * from './schema.ts';
