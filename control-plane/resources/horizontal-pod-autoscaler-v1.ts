/** HorizontalPodAutoscaler in autoscaling/v1: another form of what is stored as autoscaling/v2. */
import { type autoscalingv1, type autoscalingv2, KINDS, type KubeObject } from '../../proto/index.ts';
import type { ResourceDefinition } from './definition.ts';
import { autoscalerColumns } from './horizontal-pod-autoscaler.ts';
import { autoscalerFromV2, autoscalerToV2 } from './hpa-conversion.ts';

/** The definition of HorizontalPodAutoscaler in autoscaling/v1. */
export const horizontalPodAutoscalerV1: ResourceDefinition<autoscalingv1.HorizontalPodAutoscaler> = {
  type: KINDS.HorizontalPodAutoscalerV1,
  storedAs: {
    type: KINDS.HorizontalPodAutoscaler,
    toStored: autoscalerToV2,
    fromStored: (stored: KubeObject) => autoscalerFromV2(stored),
  },
  columns: autoscalerColumns.map((column) => ({ ...column, cell: (object) => column.cell(asV2(object)) })),
};

function asV2(object: autoscalingv1.HorizontalPodAutoscaler): autoscalingv2.HorizontalPodAutoscaler {
  return autoscalerToV2(structuredClone(object));
}
