/** Kinds in two versions from the command line: written in one, read in the other, and unchanged when written again. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../proto/index.ts';
import { CliUnderTest } from '../harness/cli-under-test.ts';

const AUTOSCALER_V1 = `
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata:
  name: web
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 5
  targetCPUUtilizationPercentage: 65
`;

const AUTOSCALER_V2 = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: api
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
  maxReplicas: 5
  metrics:
  - type: Pods
    pods:
      metric: {name: hits}
      target: {type: AverageValue, averageValue: 1500m}
  - type: Resource
    resource:
      name: cpu
      target: {type: Utilization, averageUtilization: 70}
  behavior:
    scaleDown: {selectPolicy: Disabled}
`;

const EVENT = `
apiVersion: events.k8s.io/v1
kind: Event
metadata:
  name: fall
  namespace: default
eventTime: 2026-01-02T03:04:05.000000Z
reportingController: example.com/watcher
reportingInstance: watcher-1
action: Watch
reason: Fell
regarding: {kind: Pod, namespace: default, name: web}
note: The pod fell over.
type: Warning
`;

describe('kinds in two versions', () => {
  let under: CliUnderTest;
  beforeAll(async () => {
    under = await CliUnderTest.start();
  });
  afterAll(() => under?.stop());

  const json = async (...args: string[]): Promise<JsonObject> =>
    JSON.parse(await under.ok('get', ...args, '-o', 'json')) as JsonObject;
  /** What a write prints; that autoscalers have no effect yet may be said besides. */
  const write = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await under.run(args);
    expect(stderr).toMatch(/^(Warning: HorizontalPodAutoscaler is stored but .*\n)?$/);
    expect(code).toBe(0);
    return stdout;
  };
  const V1 = 'horizontalpodautoscalers.v1.autoscaling';

  test('an autoscaler of v1 is one of v2', async () => {
    const file = under.file('v1.yaml', AUTOSCALER_V1);
    expect(await write('apply', '-f', file)).toBe('horizontalpodautoscaler.autoscaling/web created\n');
    expect(await under.ok('apply', '-f', file)).toBe('horizontalpodautoscaler.autoscaling/web unchanged\n');
    const target = { type: 'Utilization', averageUtilization: 65 };
    expect(await json('hpa', 'web')).toMatchObject({
      apiVersion: 'autoscaling/v2',
      spec: { minReplicas: 1, metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }] },
    });
    const v1 = await json(V1, 'web');
    expect(v1).toMatchObject({
      apiVersion: 'autoscaling/v1',
      spec: { minReplicas: 1, maxReplicas: 5, targetCPUUtilizationPercentage: 65 },
    });
    const exported = under.file('exported.yaml', await under.ok('get', V1, 'web', '-o', 'yaml'));
    expect(await under.ok('apply', '-f', exported)).toBe('horizontalpodautoscaler.autoscaling/web unchanged\n');
  });

  test('an autoscaler of v2 has its other metrics and its behavior in annotations of v1', async () => {
    await write('apply', '-f', under.file('v2.yaml', AUTOSCALER_V2));
    const { metadata, spec } = (await json(V1, 'api')) as { metadata: { annotations: JsonObject }; spec: JsonObject };
    expect(spec).toMatchObject({ targetCPUUtilizationPercentage: 70 });
    const prefix = 'autoscaling.alpha.kubernetes.io/';
    expect(metadata.annotations[`${prefix}metrics`]).toBe(
      '[{"type":"Pods","pods":{"metricName":"hits","targetAverageValue":"1500m"}}]',
    );
    expect(metadata.annotations[`${prefix}behavior`]).toContain('"SelectPolicy":"Disabled"');
    // Written back in v1 nothing is lost.
    const before = await json('hpa', 'api');
    await write('replace', '-f', under.file('back.json', JSON.stringify(await json(V1, 'api'))));
    expect((await json('hpa', 'api')).spec).toEqual(before.spec);
  });

  test('an event of events.k8s.io is one of v1', async () => {
    const file = under.file('event.yaml', EVENT);
    expect(await under.ok('apply', '-f', file)).toBe('event.events.k8s.io/fall created\n');
    expect(await under.ok('apply', '-f', file)).toBe('event.events.k8s.io/fall unchanged\n');
    expect(await json('events.v1', 'fall')).toMatchObject({
      apiVersion: 'v1',
      involvedObject: { kind: 'Pod', name: 'web' },
      message: 'The pod fell over.',
      reportingComponent: 'example.com/watcher',
    });
    expect(await json('events.events.k8s.io', 'fall')).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      regarding: { kind: 'Pod', name: 'web' },
      note: 'The pod fell over.',
    });
    await under.ok('delete', 'events.events.k8s.io', 'fall');
    expect((await under.run(['get', 'events.v1', 'fall'])).stderr).toContain('events "fall" not found');
  });
});
