/** The TARGETS column of autoscalers: what was measured, and what is aimed for. */
import type { autoscalingv2 } from '../../proto/index.ts';
import { NONE, UNKNOWN } from './columns.ts';

const MAX_SHOWN = 2;

type Target = autoscalingv2.MetricTarget | undefined;
type Current = autoscalingv2.MetricValueStatus | undefined;

/** `cpu: 12%/80%, 3/10`: the first two metrics, and how many more there are. */
export function targetsText({ spec, status }: autoscalingv2.HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? [];
  if (metrics.length === 0) return NONE;
  const shown = metrics
    .slice(0, MAX_SHOWN)
    .map((metric, i) => metricText(metric, status?.currentMetrics?.[i]))
    .join(', ');
  return metrics.length > MAX_SHOWN ? `${shown} + ${metrics.length - MAX_SHOWN} more...` : shown;
}

/** The status of the metric of the same place; it says nothing when it is of another type. */
function metricText(metric: autoscalingv2.MetricSpec, status: autoscalingv2.MetricStatus | undefined): string {
  const { external, object, pods, resource, containerResource } = metric;
  switch (metric.type) {
    case 'External':
      return amountText(external?.target, status?.external?.current);
    case 'Object':
      return amountText(object?.target, status?.object?.current);
    case 'Pods':
      return `${status?.pods?.current?.averageValue ?? UNKNOWN}/${pods?.target?.averageValue ?? ''}`;
    case 'Resource':
      return `${resource?.name ?? ''}: ${resourceText(resource?.target, status?.resource?.current)}`;
    case 'ContainerResource':
      return `${containerResource?.name ?? ''}: ${resourceText(containerResource?.target, status?.containerResource?.current)}`;
    default:
      return '<unknown type>';
  }
}

function amountText(target: Target, current: Current): string {
  if (target?.averageValue === undefined) return `${current?.value ?? UNKNOWN}/${target?.value ?? ''}`;
  return `${current?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`;
}

function resourceText(target: Target, current: Current): string {
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? UNKNOWN}/${target.averageValue}`;
  const wanted = target?.averageUtilization;
  const actual = current?.averageUtilization;
  return `${actual === undefined ? UNKNOWN : `${actual}%`}/${wanted === undefined ? '<auto>' : `${wanted}%`}`;
}
