import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  type autoscalingv1,
  type autoscalingv2,
  type corev1,
  type eventsv1,
  fromJson,
  type Json,
  type JsonObject,
  KINDS,
  type KubeObject,
  type ResourceType,
  toJson,
} from '../../proto/index.ts';
import { messageJson } from '../merge/schema-arbitrary.ts';
import { eventFromCore, eventToCore } from './event-conversion.ts';
import { autoscalerFromV2, autoscalerToV2 } from './hpa-conversion.ts';

const RUNS = Number(process.env.SKIFF_PROPERTY_RUNS ?? 60);
const PREFIX = 'autoscaling.alpha.kubernetes.io/';

function read<T extends KubeObject>(type: ResourceType<T>, json: Json): T {
  return fromJson<T>(type.messageName, json).value;
}

const generated = <T extends KubeObject>(type: ResourceType<T>): fc.Arbitrary<T> =>
  messageJson(type.messageName, { depth: 5 }).map((json) => {
    const { apiVersion: _apiVersion, kind: _kind, ...rest } = json as JsonObject;
    return read(type, rest);
  });

describe('an event', () => {
  const [core, later] = [KINDS.Event, KINDS.EventsEvent];

  test('comes back the same from events.k8s.io/v1', () => {
    fc.assert(
      fc.property(generated<corev1.Event>(core), (event) => {
        const back = eventToCore(eventFromCore(structuredClone(event)));
        expect(toJson(core.messageName, back)).toEqual(toJson(core.messageName, event));
      }),
      { numRuns: RUNS },
    );
  });

  test('comes back the same from v1', () => {
    fc.assert(
      fc.property(generated<eventsv1.Event>(later), (event) => {
        const back = eventFromCore(eventToCore(structuredClone(event)));
        expect(toJson(later.messageName, back)).toEqual(toJson(later.messageName, event));
      }),
      { numRuns: RUNS },
    );
  });

  it('has the same facts under other names', () => {
    const event: eventsv1.Event = {
      metadata: { name: 'e' },
      note: 'fell over',
      reason: 'Fell',
      regarding: { kind: 'Pod', name: 'p' },
      related: { kind: 'Node', name: 'n' },
      reportingController: 'example.com/c',
      reportingInstance: 'c-1',
      deprecatedCount: 2,
      deprecatedSource: { component: 'c' },
      deprecatedFirstTimestamp: '2026-01-02T03:04:05Z',
      deprecatedLastTimestamp: '2026-01-02T03:04:06Z',
      series: { count: 3 },
    };
    expect(eventToCore(event)).toEqual({
      metadata: { name: 'e' },
      message: 'fell over',
      reason: 'Fell',
      involvedObject: { kind: 'Pod', name: 'p' },
      related: { kind: 'Node', name: 'n' },
      reportingComponent: 'example.com/c',
      reportingInstance: 'c-1',
      count: 2,
      source: { component: 'c' },
      firstTimestamp: '2026-01-02T03:04:05Z',
      lastTimestamp: '2026-01-02T03:04:06Z',
      series: { count: 3 },
    });
  });
});

describe('an autoscaler', () => {
  const [v1, v2] = [KINDS.HorizontalPodAutoscalerV1, KINDS.HorizontalPodAutoscaler];
  const cpu = (percent: number): autoscalingv2.MetricSpec => ({
    type: 'Resource',
    resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
  });
  const others: autoscalingv2.MetricSpec[] = [
    { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } },
    { type: 'Resource', resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 70 } } },
    {
      type: 'ContainerResource',
      containerResource: { name: 'cpu', container: 'web', target: { type: 'Utilization', averageUtilization: 9 } },
    },
    {
      type: 'Pods',
      pods: {
        metric: { name: 'hits', selector: { matchLabels: { a: 'b' } } },
        target: { type: 'AverageValue', averageValue: '1500m' },
      },
    },
    {
      type: 'Object',
      object: {
        describedObject: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'i' },
        metric: { name: 'hits' },
        target: { type: 'Value', value: '2k' },
      },
    },
    {
      type: 'Object',
      object: {
        describedObject: { kind: 'Service', name: 's' },
        metric: { name: 'hits' },
        target: { type: 'AverageValue', averageValue: '2' },
      },
    },
    {
      type: 'External',
      external: { metric: { name: 'jobs', selector: {} }, target: { type: 'AverageValue', averageValue: '3' } },
    },
    { type: 'External', external: { metric: { name: 'jobs' }, target: { type: 'Value', value: '3' } } },
  ];
  const rules = fc.record(
    {
      stabilizationWindowSeconds: fc.nat(3600),
      selectPolicy: fc.constantFrom('Max', 'Min', 'Disabled'),
      policies: fc.array(
        fc.record({ type: fc.constantFrom('Pods', 'Percent'), value: fc.nat(9), periodSeconds: fc.nat(9) }),
        { minLength: 1, maxLength: 3 },
      ),
      tolerance: fc.constantFrom('0', '100m'),
    },
    { requiredKeys: [] },
  );
  const autoscalers: fc.Arbitrary<autoscalingv2.HorizontalPodAutoscaler> = fc
    .record({
      annotations: fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('1', '2')),
      metrics: fc.subarray(others),
      percent: fc.option(fc.nat(100), { nil: undefined }),
      behavior: fc.option(fc.record({ scaleUp: rules, scaleDown: rules }, { requiredKeys: [] }), { nil: undefined }),
      measured: fc.subarray<autoscalingv2.MetricStatus>([
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 5, averageValue: '1' } } },
        {
          type: 'ContainerResource',
          containerResource: { name: 'cpu', container: 'c', current: { averageValue: '1' } },
        },
        { type: 'Pods', pods: { metric: { name: 'hits' }, current: { averageValue: '1' } } },
        {
          type: 'Object',
          object: { describedObject: { kind: 'A', name: 'a' }, metric: { name: 'm' }, current: { value: '1' } },
        },
        { type: 'External', external: { metric: { name: 'm' }, current: { value: '1', averageValue: '2' } } },
      ]),
      conditions: fc.subarray([
        { type: 'AbleToScale', status: 'True', reason: 'R', message: 'm', lastTransitionTime: '2026-01-02T03:04:05Z' },
        { type: 'ScalingActive', status: 'False' },
      ]),
    })
    .map(({ annotations, metrics, percent, behavior, measured, conditions }) =>
      read<autoscalingv2.HorizontalPodAutoscaler>(v2, {
        metadata: { name: 'h', annotations },
        spec: {
          minReplicas: 1,
          maxReplicas: 3,
          scaleTargetRef: { kind: 'Deployment', name: 'd' },
          // The target of CPU use comes last: that is where it stands after a conversion.
          metrics: [...metrics, ...(percent === undefined ? [] : [cpu(percent)])],
          ...(behavior === undefined ? {} : { behavior }),
        },
        status: { currentReplicas: 2, currentMetrics: measured, conditions },
      } as unknown as Json),
    );

  test('of v2 comes back the same from v1', () => {
    fc.assert(
      fc.property(autoscalers, (autoscaler) => {
        const through = read<autoscalingv1.HorizontalPodAutoscaler>(
          v1,
          toJson(v1.messageName, autoscalerFromV2(structuredClone(autoscaler))),
        );
        expect(toJson(v2.messageName, autoscalerToV2(through))).toEqual(toJson(v2.messageName, autoscaler));
      }),
      { numRuns: RUNS * 5 },
    );
  });

  test('of v1 comes back the same from v2, whatever it is', () => {
    fc.assert(
      fc.property(generated<autoscalingv1.HorizontalPodAutoscaler>(v1), (autoscaler) => {
        const once = autoscalerFromV2(autoscalerToV2(structuredClone(autoscaler)));
        const { metadata: _metadata, ...fields } = toJson(v1.messageName, autoscaler);
        const { metadata: _other, ...back } = toJson(v1.messageName, once);
        expect(back).toEqual(fields);
        // The measured CPU use travels in an annotation as well, from then on.
        const twice = autoscalerFromV2(autoscalerToV2(structuredClone(once)));
        expect(toJson(v1.messageName, twice)).toEqual(toJson(v1.messageName, once));
      }),
      { numRuns: RUNS },
    );
  });

  it('is written in v1 as Kubernetes writes it', () => {
    const v1Form = autoscalerFromV2({
      metadata: { name: 'h', annotations: { note: 'x', [`${PREFIX}metrics`]: 'stale' } },
      spec: {
        maxReplicas: 3,
        metrics: [cpu(50), ...others.slice(3, 5)],
        behavior: { scaleUp: { selectPolicy: 'Max', policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }] } },
      },
      status: { conditions: [{ type: 'AbleToScale', status: 'True' }] },
    });
    expect(v1Form.spec).toEqual({ maxReplicas: 3, targetCPUUtilizationPercentage: 50 });
    expect(v1Form.metadata?.annotations).toEqual({
      note: 'x',
      [`${PREFIX}behavior`]:
        '{"ScaleUp":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}]},"ScaleDown":null}',
      [`${PREFIX}conditions`]: '[{"type":"AbleToScale","status":"True"}]',
      [`${PREFIX}metrics`]:
        '[{"type":"Pods","pods":{"metricName":"hits","targetAverageValue":"1500m","selector":{"matchLabels":{"a":"b"}}}},' +
        '{"type":"Object","object":{"target":{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","name":"i"},"metricName":"hits","targetValue":"2k"}}]',
    });
  });

  it.each(['', '{', '[1, null, "x"]', '{"a": 1}', '[{"type": 5, "pods": []}]'])(
    'survives the annotation %j',
    (text) => {
      const annotations = Object.fromEntries(
        ['metrics', 'behavior', 'current-metrics', 'conditions'].map((name) => [`${PREFIX}${name}`, text]),
      );
      const object = autoscalerToV2({ metadata: { name: 'h', annotations }, spec: { maxReplicas: 1 } });
      expect(object.metadata).toEqual({ name: 'h' });
      expect(() => toJson(v2.messageName, object)).not.toThrow();
    },
  );
});
