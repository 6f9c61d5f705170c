import { describe, expect, it } from 'vitest';
import type { autoscalingv2, Json } from '../../proto/index.ts';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.ts';
import { problemsOf, readObject, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const METRIC = 'spec.metrics.0';
const metric = 'spec.metrics[0]';
const valid: Json = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    maxReplicas: 5,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
    behavior: { scaleUp: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } },
  },
};
const pods = (target: Json): Json => ({ type: 'Pods', pods: { metric: { name: 'hits' }, target } });
const object = (target: Json): Json => ({
  type: 'Object',
  object: { describedObject: { kind: 'Ingress', name: 'i' }, metric: { name: 'hits' }, target },
});
const external = (target: Json): Json => ({ type: 'External', external: { metric: { name: 'jobs' }, target } });

describe('an autoscaler', () => {
  it('gets the defaults of Kubernetes', () => {
    const bare = withValue(withValue(valid, 'spec.metrics', undefined), 'spec.behavior', {});
    expect(readObject<autoscalingv2.HorizontalPodAutoscaler>(bare).spec).toMatchObject({
      minReplicas: 1,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
      ],
      behavior: {
        scaleUp: {
          stabilizationWindowSeconds: 0,
          selectPolicy: 'Max',
          policies: [
            { type: 'Pods', value: 4, periodSeconds: 15 },
            { type: 'Percent', value: 100, periodSeconds: 15 },
          ],
        },
        scaleDown: { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
      },
    });
  });

  it('is valid', () => {
    expect(problemsOf(valid)).toEqual([]);
  });

  it.each<[path: string, value: Json]>([
    [METRIC, pods({ type: 'AverageValue', averageValue: '100m' })],
    [METRIC, object({ type: 'Value', value: 5 })],
    [METRIC, external({ type: 'Value', value: '1k' })],
    [
      METRIC,
      {
        type: 'ContainerResource',
        containerResource: { name: 'cpu', container: 'web', target: { type: 'AverageValue', averageValue: '1' } },
      },
    ],
    ['spec.minReplicas', 5],
    ['spec.behavior.scaleDown', { selectPolicy: 'Disabled', stabilizationWindowSeconds: 3600, tolerance: '0.1' }],
  ])('may have %s: %j', (path, value) => {
    expect(problemsOf(withValue(valid, path, value))).toEqual([]);
  });

  it.each<[path: string, value: Json | undefined, problem: string]>([
    ['spec.minReplicas', 0, 'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1'],
    ['spec.minReplicas', 6, 'spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`'],
    ['spec.scaleTargetRef', undefined, 'spec.scaleTargetRef: Required value'],
    ['spec.scaleTargetRef.kind', undefined, 'spec.scaleTargetRef.kind: Required value'],
    ['spec.scaleTargetRef.name', 'a/b', 'spec.scaleTargetRef.name: Invalid value: "a/b": may not contain \'/\''],
    ['spec.scaleTargetRef.apiVersion', 'a/b/c', 'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected…'],
    [`${METRIC}.type`, undefined, `${metric}.type: Required value`],
    [`${METRIC}.type`, 'Load', `${metric}.type: Unsupported value: "Load": supported values: "ContainerResource", …`],
    [METRIC, { type: 'Pods' }, `${metric}.pods: Required value: must populate information for the given metric source`],
    [
      `${METRIC}.pods`,
      { metric: { name: 'h' }, target: { type: 'AverageValue', averageValue: '1' } },
      `${metric}.pods: Forbidden: must populate the given metric source only`,
    ],
    [
      `${METRIC}.resource.target`,
      { type: 'Utilization' },
      `${metric}.resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization`,
    ],
    [
      `${METRIC}.resource.target.averageValue`,
      '1',
      `${metric}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization`,
    ],
    [
      `${METRIC}.resource.target.averageUtilization`,
      0,
      `${metric}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0`,
    ],
    [
      `${METRIC}.resource.target.type`,
      'Exact',
      `${metric}.resource.target.type: Unsupported value: "Exact": supported…`,
    ],
    [`${METRIC}.resource.name`, undefined, `${metric}.resource.name: Required value`],
    [
      METRIC,
      pods({ type: 'Value', value: '1' }),
      `${metric}.pods.target.averageValue: Required value: must specify a positive target averageValue`,
    ],
    [
      METRIC,
      pods({ type: 'AverageValue', averageValue: '-1' }),
      `${metric}.pods.target.averageValue: Invalid value: "-1": must be positive`,
    ],
    [
      METRIC,
      object({ type: 'Value' }),
      `${metric}.object.target.averageValue: Required value: must set either a target value or averageValue`,
    ],
    [
      METRIC,
      external({ type: 'Value' }),
      `${metric}.external.target.averageValue: Required value: must set either a target value for metric or a per-pod target`,
    ],
    [
      METRIC,
      external({ type: 'Value', value: '1', averageValue: '1' }),
      `${metric}.external.target.value: Forbidden: may not set both a target value for metric and a per-pod target`,
    ],
    [
      'spec.behavior.scaleUp.stabilizationWindowSeconds',
      3601,
      'spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600',
    ],
    [
      'spec.behavior.scaleUp.selectPolicy',
      'Some',
      'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Some": supported values: "Disabled", "Max", "Min"',
    ],
    [
      'spec.behavior.scaleUp.policies.0.value',
      0,
      'spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero',
    ],
    [
      'spec.behavior.scaleUp.policies.0.periodSeconds',
      1801,
      'spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800',
    ],
    [
      'spec.behavior.scaleUp.policies.0.type',
      'Some',
      'spec.behavior.scaleUp.policies[0].type: Unsupported value: "Some": supported values: "Percent", "Pods"',
    ],
    [
      'spec.behavior.scaleUp.tolerance',
      '-0.1',
      'spec.behavior.scaleUp.tolerance: Invalid value: "-100m": must be greater or equal to zero',
    ],
  ])('may not have %s: %j', (path, value, problem) => {
    expectProblem(problemsOf(withValue(valid, path, value)), problem);
  });

  it('must say how many pods there may be', () => {
    expectProblem(
      problemsOf(withValue(withValue(valid, 'spec.maxReplicas', undefined), 'spec.minReplicas', undefined)).slice(0, 1),
      'spec.maxReplicas: Invalid value: 0: must be greater than 0',
    );
  });
});

describe('an autoscaler is shown', () => {
  const cells = (json: Json): Record<string, string> => {
    const value = readObject<autoscalingv2.HorizontalPodAutoscaler>(json);
    return Object.fromEntries(horizontalPodAutoscaler.columns.map(({ name, cell }) => [name, cell(value)]));
  };
  it('with the columns of kubectl', () => {
    expect(cells(valid)).toEqual({
      NAME: 'web',
      REFERENCE: 'Deployment/web',
      TARGETS: 'cpu: <unknown>/50%',
      MINPODS: '1',
      MAXPODS: '5',
      REPLICAS: '0',
      AGE: '',
    });
  });

  it.each<[metrics: Json, current: Json, text: string]>([
    [
      [pods({ type: 'AverageValue', averageValue: '2' })],
      [{ type: 'Pods', pods: { current: { averageValue: '1' } } }],
      '1/2',
    ],
    [[object({ type: 'Value', value: '9' })], [{ type: 'Object', object: { current: { value: '3' } } }], '3/9'],
    [[external({ type: 'AverageValue', averageValue: '9' })], [], '<unknown>/9 (avg)'],
    [
      [
        { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } },
        { type: 'ContainerResource', containerResource: { name: 'cpu', target: { averageUtilization: 9 } } },
        pods({ averageValue: '1' }),
      ],
      [
        { type: 'Resource', resource: { name: 'memory', current: { averageValue: '1Mi' } } },
        { type: 'ContainerResource', containerResource: { current: { averageUtilization: 7 } } },
      ],
      'memory: 1Mi/1Gi, cpu: 7%/9% + 1 more...',
    ],
  ])('with its targets: row %#', (metrics, currentMetrics, text) => {
    const json = withValue(withValue(valid, 'spec.metrics', metrics), 'status', { currentMetrics });
    expect(cells(json).TARGETS).toBe(text);
  });
});
