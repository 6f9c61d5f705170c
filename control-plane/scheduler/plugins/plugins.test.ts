import { describe, expect, it } from 'vitest';
import type { corev1 } from '../../../proto/index.ts';
import { NodeState } from '../node-state.ts';
import { podRequest } from '../pod-request.ts';
import { PLUGINS } from '../registry.ts';

/** What a pod is told about a node by all filters in order: the first refusal, or that it fits. */
function verdict(pod: corev1.PodSpec, node: corev1.Node, there: readonly corev1.PodSpec[] = []): string {
  const { name, reasons } = firstRefusal(pod, state(node, there));
  return name === '' ? 'fits' : `${name}: ${reasons.join('; ')}`;
}

function state(node: corev1.Node, there: readonly corev1.PodSpec[] = []): NodeState {
  const result = new NodeState(node.metadata?.name ?? '');
  result.setNode(node);
  for (const spec of there) result.add(podRequest(spec));
  return result;
}

function firstRefusal(spec: corev1.PodSpec, node: NodeState): { name: string; reasons: readonly string[] } {
  for (const plugin of PLUGINS) {
    const reasons = plugin.compile({ spec, request: podRequest(spec) })?.filter?.(node) ?? [];
    if (reasons.length > 0) return { name: plugin.name, reasons };
  }
  return { name: '', reasons: [] };
}

function score(plugin: string, spec: corev1.PodSpec, node: NodeState): number {
  const compiled = PLUGINS.find(({ name }) => name === plugin)?.compile({ spec, request: podRequest(spec) });
  return Math.round(compiled?.score?.(node) ?? Number.NaN);
}

const node = (
  more: { spec?: corev1.NodeSpec; labels?: Record<string, string>; allocatable?: Record<string, string> } = {},
): corev1.Node => ({
  metadata: { name: 'n1', labels: { zone: 'a', size: '8', ...more.labels } },
  spec: more.spec,
  status: { allocatable: { cpu: '2', memory: '4Gi', 'ephemeral-storage': '10Gi', pods: '3', ...more.allocatable } },
});

const asking = (requests: Record<string, string>, more: corev1.PodSpec = {}): corev1.PodSpec => ({
  containers: [{ name: 'c', image: 'web:1', resources: { requests } }],
  ...more,
});

const onPort = (hostPort: number, hostIP?: string, protocol?: string): corev1.PodSpec => ({
  containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort, hostIP, protocol }] }],
});

const required = (...terms: corev1.NodeSelectorTerm[]): corev1.PodSpec => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
});

const label = (key: string, operator: string, ...values: string[]): corev1.NodeSelectorTerm => ({
  matchExpressions: [{ key, operator, values }],
});

const taint = (effect: string, key = 'dedicated', value = 'gpu'): corev1.Node =>
  node({ spec: { taints: [{ key, value, effect }] } });
const AFFINITY = "NodeAffinity: node(s) didn't match Pod's node affinity/selector";
const PORTS = "NodePorts: node(s) didn't have free ports for the requested pod ports";

describe('scheduler filters', () => {
  const cases: [what: string, pod: corev1.PodSpec, node: corev1.Node, there: corev1.PodSpec[], expected: string][] = [
    ['a pod that asks for nothing', {}, node(), [], 'fits'],
    ['requests that fill the node exactly', asking({ cpu: '2', memory: '4Gi' }), node(), [], 'fits'],
    ['one millicore too much', asking({ cpu: '2001m' }), node(), [], 'NodeResourcesFit: Insufficient cpu'],
    [
      'cpu and memory both short',
      asking({ cpu: '3', memory: '5Gi' }),
      node(),
      [],
      'NodeResourcesFit: Insufficient cpu; Insufficient memory',
    ],
    [
      'room taken by pods that are there',
      asking({ memory: '3Gi' }),
      node(),
      [asking({ memory: '2Gi' })],
      'NodeResourcesFit: Insufficient memory',
    ],
    [
      'ephemeral storage',
      asking({ 'ephemeral-storage': '11Gi' }),
      node(),
      [],
      'NodeResourcesFit: Insufficient ephemeral-storage',
    ],
    [
      'an extended resource the node lacks',
      asking({ 'example.com/gpu': '1' }),
      node(),
      [],
      'NodeResourcesFit: Insufficient example.com/gpu',
    ],
    [
      'an extended resource the node has',
      asking({ 'example.com/gpu': '1' }),
      node({ allocatable: { 'example.com/gpu': '1' } }),
      [],
      'fits',
    ],
    ['as many pods as the node takes', {}, node(), [{}, {}, {}], 'NodeResourcesFit: Too many pods'],
    [
      'an init container larger than the containers',
      asking({ cpu: '1' }, { initContainers: [{ resources: { requests: { cpu: '3' } } }] }),
      node(),
      [],
      'NodeResourcesFit: Insufficient cpu',
    ],
    [
      'init containers one after the other',
      asking(
        { cpu: '1' },
        { initContainers: [{ resources: { requests: { cpu: '2' } } }, { resources: { requests: { cpu: '2' } } }] },
      ),
      node(),
      [],
      'fits',
    ],
    [
      'a sidecar beside the containers',
      asking(
        { cpu: '1500m' },
        { initContainers: [{ restartPolicy: 'Always', resources: { requests: { cpu: '1' } } }] },
      ),
      node(),
      [],
      'NodeResourcesFit: Insufficient cpu',
    ],
    [
      'overhead',
      asking({ cpu: '1900m' }, { overhead: { cpu: '200m' } }),
      node(),
      [],
      'NodeResourcesFit: Insufficient cpu',
    ],
    [
      'a request of the whole pod instead of its containers',
      asking({ cpu: '3' }, { resources: { requests: { cpu: '1' } } }),
      node(),
      [],
      'fits',
    ],
    [
      'a cordoned node',
      {},
      node({ spec: { unschedulable: true } }),
      [],
      'NodeUnschedulable: node(s) were unschedulable',
    ],
    [
      'a cordoned node that is tolerated',
      { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] },
      node({ spec: { unschedulable: true } }),
      [],
      'fits',
    ],
    ['another node named', { nodeName: 'n2' }, node(), [], "NodeName: node(s) didn't match the requested node name"],
    ['a taint', {}, taint('NoSchedule'), [], 'TaintToleration: node(s) had untolerated taint {dedicated: gpu}'],
    [
      'a taint without value',
      {},
      taint('NoExecute', 'off', ''),
      [],
      'TaintToleration: node(s) had untolerated taint {off: }',
    ],
    ['a taint that only advises', {}, taint('PreferNoSchedule'), [], 'fits'],
    [
      'a toleration of that value',
      { tolerations: [{ key: 'dedicated', value: 'gpu', effect: 'NoSchedule' }] },
      taint('NoSchedule'),
      [],
      'fits',
    ],
    [
      'a toleration of another value',
      { tolerations: [{ key: 'dedicated', value: 'db' }] },
      taint('NoSchedule'),
      [],
      'TaintToleration: node(s) had untolerated taint {dedicated: gpu}',
    ],
    [
      'a toleration of another effect',
      { tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoExecute' }] },
      taint('NoSchedule'),
      [],
      'TaintToleration: node(s) had untolerated taint {dedicated: gpu}',
    ],
    ['a toleration of everything', { tolerations: [{ operator: 'Exists' }] }, taint('NoExecute'), [], 'fits'],
    ['a node selector that matches', { nodeSelector: { zone: 'a' } }, node(), [], 'fits'],
    ['a node selector that does not', { nodeSelector: { zone: 'b' } }, node(), [], AFFINITY],
    [
      'one of two required terms',
      required(label('zone', 'In', 'b'), label('zone', 'In', 'a', 'c')),
      node(),
      [],
      'fits',
    ],
    ['no required term', required(label('zone', 'NotIn', 'a')), node(), [], AFFINITY],
    [
      'a selector and a term that does not match',
      { nodeSelector: { zone: 'a' }, ...required(label('zone', 'DoesNotExist')) },
      node(),
      [],
      AFFINITY,
    ],
    ['an empty required term', required({}), node(), [], AFFINITY],
    ['a number greater than', required(label('size', 'Gt', '4')), node(), [], 'fits'],
    ['a number not less than', required(label('size', 'Lt', '4')), node(), [], AFFINITY],
    [
      'the node by field',
      required({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }),
      node(),
      [],
      'fits',
    ],
    [
      'another node by field',
      required({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n2'] }] }),
      node(),
      [],
      AFFINITY,
    ],
    ['a host port in use', onPort(80), node(), [onPort(80)], PORTS],
    ['another host port', onPort(81), node(), [onPort(80)], 'fits'],
    ['the same port of another protocol', onPort(80, '', 'UDP'), node(), [onPort(80)], 'fits'],
    ['the same port of another address', onPort(80, '10.0.0.1'), node(), [onPort(80, '10.0.0.2')], 'fits'],
    ['the same port of any address, then of one', onPort(80, '10.0.0.1'), node(), [onPort(80, '0.0.0.0')], PORTS],
    ['the same port of one address, then of any', onPort(80), node(), [onPort(80, '10.0.0.1')], PORTS],
  ];

  it.each(cases)('%s', (_what, pod, onNode, there, expected) => {
    expect(verdict(pod, onNode, there)).toBe(expected);
  });

  it('forgets the port of a pod that is gone', () => {
    const there = state(node(), [onPort(80)]);
    there.remove(podRequest(onPort(80)));
    expect(firstRefusal(onPort(80), there).name).toBe('');
  });
});

describe('scheduler scores', () => {
  it('prefers the node with more room left', () => {
    const pod = asking({ cpu: '500m', memory: '1Gi' });
    expect(score('LeastAllocated', pod, state(node()))).toBe(75);
    expect(score('LeastAllocated', pod, state(node(), [pod]))).toBe(50);
  });

  it('counts pods that ask for nothing as if they asked for a little', () => {
    expect(score('LeastAllocated', { containers: [{}] }, state(node(), [{ containers: [{}] }]))).toBeLessThan(
      score('LeastAllocated', { containers: [{}] }, state(node())),
    );
  });

  it('prefers even use of cpu and memory', () => {
    expect(score('BalancedAllocation', asking({ cpu: '1', memory: '2Gi' }), state(node()))).toBe(100);
    expect(score('BalancedAllocation', asking({ cpu: '2' }), state(node()))).toBe(50);
  });

  it('weighs preferred node affinity', () => {
    const preferredDuringSchedulingIgnoredDuringExecution = [
      { weight: 30, preference: label('zone', 'In', 'a') },
      { weight: 10, preference: label('zone', 'In', 'b') },
    ];
    const pod = { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution } } };
    expect(score('NodeAffinity', pod, state(node()))).toBe(75);
    expect(score('NodeAffinity', pod, state(node({ labels: { zone: 'b' } })))).toBe(25);
  });

  it('prefers nodes without taints that advise against them', () => {
    expect(score('TaintToleration', {}, state(taint('PreferNoSchedule')))).toBe(50);
    expect(score('TaintToleration', {}, state(node()))).toBe(100);
  });

  it('prefers nodes that have the image, under whichever name', () => {
    const images = [{ names: ['docker.io/library/web:1'], sizeBytes: 500 * 1024 * 1024 }];
    const has = state({ ...node(), status: { ...node().status, images } });
    expect(score('ImageLocality', asking({}), has)).toBe(49);
    expect(score('ImageLocality', asking({}), state(node()))).toBe(0);
  });
});
