/**
 * HorizontalPodAutoscaler between autoscaling/v1 and v2. What v1 has no field for travels in annotations, whose text is
 * that of Kubernetes: other metrics and what was measured in a flat form of their own, the behavior under capitalised names.
 *
 * Going from v2 to v1 and back gives the same object, but that the target of CPU use comes last among the metrics.
 */
import type { autoscalingv1, autoscalingv2, JsonObject, metav1 } from '../../proto/index.ts';
import { readBehavior, writeBehavior } from './hpa-behavior-annotation.ts';
import { metricFromFlat, metricToFlat, statusFromFlat, statusToFlat } from './hpa-metric-annotation.ts';
import { sortedKeys } from './sorted-keys.ts';

const PREFIX = 'autoscaling.alpha.kubernetes.io/';
const ANNOTATIONS = {
  metrics: `${PREFIX}metrics`,
  behavior: `${PREFIX}behavior`,
  currentMetrics: `${PREFIX}current-metrics`,
  conditions: `${PREFIX}conditions`,
} as const;

/** An autoscaler of v1 as v2. Annotations that cannot be read are dropped, as are all that stand for fields. */
export function autoscalerToV2(v1: autoscalingv1.HorizontalPodAutoscaler): autoscalingv2.HorizontalPodAutoscaler {
  const { apiVersion: _apiVersion, kind: _kind, metadata, spec, status, ...rest } = v1;
  const annotations = metadata?.annotations ?? {};
  const converted: autoscalingv2.HorizontalPodAutoscaler = { ...rest };
  if (metadata !== undefined) converted.metadata = withAnnotations(metadata, {});
  if (spec !== undefined) converted.spec = specToV2(spec, annotations);
  if (status !== undefined || statusAnnotations(annotations)) {
    converted.status = statusToV2(status ?? {}, annotations);
  }
  return converted;
}

function statusAnnotations(annotations: Readonly<Record<string, string>>): boolean {
  return annotations[ANNOTATIONS.currentMetrics] !== undefined || annotations[ANNOTATIONS.conditions] !== undefined;
}

function specToV2(
  { targetCPUUtilizationPercentage: percent, ...spec }: autoscalingv1.HorizontalPodAutoscalerSpec,
  annotations: Readonly<Record<string, string>>,
): autoscalingv2.HorizontalPodAutoscalerSpec {
  const metrics = readList(annotations[ANNOTATIONS.metrics], metricFromFlat);
  if (percent !== undefined) {
    const target = { type: 'Utilization', averageUtilization: percent };
    metrics.push({ type: 'Resource', resource: { name: 'cpu', target } });
  }
  const behavior = readBehavior(annotations[ANNOTATIONS.behavior]);
  return {
    ...spec,
    ...(metrics.length === 0 ? {} : { metrics }),
    ...(behavior === undefined ? {} : { behavior }),
  };
}

function statusToV2(
  { currentCPUUtilizationPercentage: percent, ...status }: autoscalingv1.HorizontalPodAutoscalerStatus,
  annotations: Readonly<Record<string, string>>,
): autoscalingv2.HorizontalPodAutoscalerStatus {
  // The annotation holds what the field holds, and more.
  const measured = readList(annotations[ANNOTATIONS.currentMetrics], statusFromFlat);
  if (measured.length === 0 && percent !== undefined) {
    measured.push({ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: percent } } });
  }
  const conditions = readList(annotations[ANNOTATIONS.conditions], conditionFromFlat);
  return {
    ...status,
    ...(measured.length === 0 ? {} : { currentMetrics: measured }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

/** An autoscaler of v2 as v1. */
export function autoscalerFromV2(v2: autoscalingv2.HorizontalPodAutoscaler): autoscalingv1.HorizontalPodAutoscaler {
  const { apiVersion: _apiVersion, kind: _kind, metadata, spec, status, ...rest } = v2;
  const annotations: Record<string, string> = {};
  const converted: autoscalingv1.HorizontalPodAutoscaler = { ...rest };
  if (spec !== undefined) {
    const { metrics = [], behavior, ...same } = spec;
    const cpu = metrics.findIndex(isCpuUse);
    const others = metrics.filter((_metric, i) => i !== cpu);
    const percent = metrics[cpu]?.resource?.target?.averageUtilization;
    converted.spec = { ...same, ...(percent === undefined ? {} : { targetCPUUtilizationPercentage: percent }) };
    if (others.length > 0) annotations[ANNOTATIONS.metrics] = JSON.stringify(others.map(metricToFlat));
    if (behavior !== undefined) annotations[ANNOTATIONS.behavior] = writeBehavior(behavior);
  }
  if (status !== undefined) {
    const { currentMetrics = [], conditions = [], ...same } = status;
    const percent = currentMetrics.find(({ resource }) => resource?.name === 'cpu')?.resource?.current
      ?.averageUtilization;
    converted.status = { ...same, ...(percent === undefined ? {} : { currentCPUUtilizationPercentage: percent }) };
    if (currentMetrics.length > 0) {
      annotations[ANNOTATIONS.currentMetrics] = JSON.stringify(currentMetrics.map(statusToFlat));
    }
    if (conditions.length > 0) annotations[ANNOTATIONS.conditions] = JSON.stringify(conditions.map(conditionToFlat));
  }
  if (metadata !== undefined) converted.metadata = withAnnotations(metadata, annotations);
  return converted;
}

/** What v1 says by a field of its own. */
function isCpuUse({ type, resource }: autoscalingv2.MetricSpec): boolean {
  if (type !== 'Resource' || resource?.name !== 'cpu') return false;
  return resource.target?.type === 'Utilization' && resource.target.averageUtilization !== undefined;
}

/** The metadata with exactly these of the annotations that stand for fields. */
function withAnnotations(metadata: metav1.ObjectMeta, fields: Readonly<Record<string, string>>): metav1.ObjectMeta {
  const own: readonly string[] = Object.values(ANNOTATIONS);
  const kept = Object.entries(metadata.annotations ?? {}).filter(([key]) => !own.includes(key));
  const { annotations: _annotations, ...rest } = metadata;
  const annotations = sortedKeys({ ...Object.fromEntries(kept), ...fields });
  return Object.keys(annotations).length === 0 ? rest : { ...rest, annotations };
}

/** The items of a list in JSON; none when it is absent or something else. */
function readList<T>(text: string | undefined, read: (item: JsonObject) => T): T[] {
  if (text === undefined) return [];
  try {
    const items: unknown = JSON.parse(text);
    if (!Array.isArray(items)) return [];
    return items.filter((item): item is JsonObject => typeof item === 'object' && item !== null).map(read);
  } catch {
    return [];
  }
}

const CONDITION_FIELDS = ['type', 'status', 'lastTransitionTime', 'reason', 'message'] as const;

function conditionFromFlat(flat: JsonObject): autoscalingv2.HorizontalPodAutoscalerCondition {
  const texts = CONDITION_FIELDS.map((name) => [name, flat[name]] as const);
  return Object.fromEntries(texts.filter(([, value]) => typeof value === 'string'));
}

function conditionToFlat(condition: autoscalingv2.HorizontalPodAutoscalerCondition): Record<string, string> {
  const entries = CONDITION_FIELDS.map((name) => [name, condition[name] ?? ''] as const);
  return Object.fromEntries(entries.filter(([name, value]) => value !== '' || name === 'type' || name === 'status'));
}
