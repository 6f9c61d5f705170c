/** The loads an autoscaler follows: rules for each source, and how they are shown. */
import type { ErrorCause } from '../../lib/errors.ts';
import { pathSegment } from '../../lib/name-rules.ts';
import { parseQuantity } from '../../lib/quantity.ts';
import type { autoscalingv2 } from '../../proto/index.ts';
import { byRule, forbidden, invalid, required } from './validation/field-errors.ts';
import { validateLabelSelector } from './validation/labels.ts';

const GROUP_VERSION = /^[^/]*(\/[^/]*)?$/;

/** The part of a metric that belongs to each type. */
const SOURCES = {
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
  ContainerResource: 'containerResource',
  External: 'external',
} as const;

type Source = (typeof SOURCES)[keyof typeof SOURCES];

/** What is wrong with one metric. A type nobody knows is refused by the schema. */
export function validateMetric(metric: autoscalingv2.MetricSpec, field: string): ErrorCause[] {
  const present = Object.values(SOURCES).filter((source) => metric[source] !== undefined);
  const expected = (SOURCES as Readonly<Record<string, Source>>)[metric.type ?? ''];
  const causes = present.flatMap((source) => RULES[source](metric, `${field}.${source}`));
  if (expected === undefined) return causes;
  if (!present.includes(expected)) {
    causes.push(required(`${field}.${expected}`, 'must populate information for the given metric source'));
  }
  const others = present.filter((source) => source !== expected);
  return [
    ...causes,
    ...others.map((source) => forbidden(`${field}.${source}`, 'must populate the given metric source only')),
  ];
}

type Rule = (metric: autoscalingv2.MetricSpec, field: string) => ErrorCause[];

const RULES: Readonly<Record<Source, Rule>> = {
  object: ({ object }, field) => {
    const { target, metric, describedObject } = object ?? {};
    const causes = [
      ...validateReference(describedObject, `${field}.describedObject`),
      ...validateMetricName(metric, field),
    ];
    if (target?.value === undefined && target?.averageValue === undefined) {
      causes.push(required(`${field}.target.averageValue`, 'must set either a target value or averageValue'));
    }
    return [...causes, ...validateTarget(target, `${field}.target`)];
  },
  external: ({ external }, field) => {
    const { target, metric } = external ?? {};
    const causes = validateMetricName(metric, field);
    const [value, average] = [target?.value !== undefined, target?.averageValue !== undefined];
    const either = 'a target value for metric';
    if (!value && !average) {
      causes.push(required(`${field}.target.averageValue`, `must set either ${either} or a per-pod target`));
    }
    if (value && average) {
      causes.push(forbidden(`${field}.target.value`, `may not set both ${either} and a per-pod target`));
    }
    return [...causes, ...validateTarget(target, `${field}.target`)];
  },
  pods: ({ pods }, field) => {
    const { target, metric } = pods ?? {};
    const causes = validateMetricName(metric, field);
    if (target?.averageValue === undefined) {
      causes.push(required(`${field}.target.averageValue`, 'must specify a positive target averageValue'));
    }
    return [...causes, ...validateTarget(target, `${field}.target`)];
  },
  resource: ({ resource }, field) => validateResource(resource?.target, `${field}.target`),
  containerResource: ({ containerResource }, field) => validateResource(containerResource?.target, `${field}.target`),
};

function validateResource(target: autoscalingv2.MetricTarget | undefined, field: string): ErrorCause[] {
  const [utilization, average] = [target?.averageUtilization !== undefined, target?.averageValue !== undefined];
  const causes: ErrorCause[] = [];
  if (!utilization && !average) {
    const why = 'must set either a target raw value or a target utilization';
    causes.push(required(`${field}.averageUtilization`, why));
  }
  if (utilization && average) {
    const why = 'may not set both a target raw value and a target utilization';
    causes.push(forbidden(`${field}.averageValue`, why));
  }
  return [...causes, ...validateTarget(target, field)];
}

function validateMetricName(metric: autoscalingv2.MetricIdentifier | undefined, field: string): ErrorCause[] {
  return [
    ...byRule(`${field}.metric.name`, metric?.name ?? '', pathSegment),
    ...validateLabelSelector(metric?.selector, `${field}.metric.selector`),
  ];
}

function validateTarget(target: autoscalingv2.MetricTarget = {}, field: string): ErrorCause[] {
  const causes = (['value', 'averageValue'] as const).flatMap((name) => {
    const amount = target[name];
    const isPositive = amount === undefined || (parseQuantity(amount)?.nano ?? 1n) > 0n;
    return isPositive ? [] : [invalid(`${field}.${name}`, amount, 'must be positive')];
  });
  const percent = target.averageUtilization;
  if (percent !== undefined && percent < 1) {
    causes.push(invalid(`${field}.averageUtilization`, percent, 'must be greater than 0'));
  }
  return causes;
}

/** What is wrong with a reference to an object of any version; its kind and name are asked for by the schema. */
export function validateReference(
  reference: autoscalingv2.CrossVersionObjectReference | undefined,
  field: string,
): ErrorCause[] {
  const { apiVersion = '', kind = '', name = '' } = reference ?? {};
  const causes = [...byRule(`${field}.kind`, kind, pathSegment), ...byRule(`${field}.name`, name, pathSegment)];
  if (!GROUP_VERSION.test(apiVersion)) {
    causes.push(invalid(`${field}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
  }
  return causes;
}
