import { formatQuantity, quantityNumber } from '../../lib/quantity.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { ageOf } from '../output/human-duration.ts';
import { listAt, mapAt, textAt } from '../resources/fields.ts';
import {
  conditionLines,
  type DescribeInput,
  eventLines,
  identityFields,
  nameFields,
  tableLines,
  timeAndAge,
} from './common.ts';
import { block, field, formatDescription, present } from './description.ts';
import { leaseField, waitingPods } from './fencing.ts';

/** Everything about a node. `relatives` are the pods on it. */
export function describeNode(input: DescribeInput): string {
  const { object: node, events, relatives, nowMs } = input;
  const waiting = waitingPods(input);
  const pods = relatives.filter((pod) => !['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase')));
  const taints = listAt(node, 'spec', 'taints').map((taint) => {
    const value = textAt(taint, 'value');
    return `${textAt(taint, 'key')}${value === '' ? '' : `=${value}`}:${textAt(taint, 'effect')}`;
  });
  const roles = mapAt(node, 'metadata', 'labels')
    .filter(([key]) => key.startsWith('node-role.kubernetes.io/'))
    .map(([key]) => key.slice('node-role.kubernetes.io/'.length));
  const list = (...path: string[]): string[] =>
    mapAt(node, ...path).flatMap(([key, value]) => (value === '' ? [] : [`${key}: ${value}`]));
  return [
    formatDescription(
      present([
        ...nameFields(node),
        field('Roles', roles.join(',') || '<none>'),
        ...identityFields(node),
        field('CreationTimestamp', timeAndAge(textAt(node, 'metadata', 'creationTimestamp'), nowMs)),
        field('Taints', taints),
        field('Unschedulable', textAt(node, 'spec', 'unschedulable') || 'false'),
        leaseField(input),
        field('PodCIDR', textAt(node, 'spec', 'podCIDR')),
        field(
          'Addresses',
          listAt(node, 'status', 'addresses').map((one) => `${textAt(one, 'type')}: ${textAt(one, 'address')}`),
        ),
        field('Capacity', list('status', 'capacity')),
        field('Allocatable', list('status', 'allocatable')),
        field('System Info', list('status', 'nodeInfo')),
      ]),
    ),
    block('Conditions', conditionLines(node)),
    ...(waiting.length === 0 ? [] : [block('Stateful pods that wait for a proof of their death', waiting)]),
    block(`Pods (${pods.length} in total)`, podLines(pods, nowMs)),
    block('Allocated resources', allocatedLines(node, pods)),
    block('Events', eventLines(events, nowMs)),
  ].join('');
}

function podLines(pods: readonly JsonObject[], nowMs: number): string[] {
  if (pods.length === 0) return [];
  const rows = pods.map((pod) => [
    textAt(pod, 'metadata', 'namespace'),
    textAt(pod, 'metadata', 'name'),
    formatCpu(podAmount(pod, 'requests', 'cpu')),
    formatCpu(podAmount(pod, 'limits', 'cpu')),
    formatBytes(podAmount(pod, 'requests', 'memory')),
    formatBytes(podAmount(pod, 'limits', 'memory')),
    ageOf(textAt(pod, 'metadata', 'creationTimestamp'), nowMs),
  ]);
  return tableLines([
    ['Namespace', 'Name', 'CPU Requests', 'CPU Limits', 'Memory Requests', 'Memory Limits', 'Age'],
    ...rows,
  ]);
}

function allocatedLines(node: JsonObject, pods: readonly JsonObject[]): string[] {
  const row = (resource: 'cpu' | 'memory', print: (amount: number) => string): string[] => {
    const all = amountOf(textAt(node, 'status', 'allocatable', resource));
    const cell = (kind: 'requests' | 'limits'): string => {
      const sum = pods.reduce((total, pod) => total + podAmount(pod, kind, resource), 0);
      return `${print(sum)} (${all === 0 ? 0 : Math.floor((sum / all) * 100)}%)`;
    };
    return [resource, cell('requests'), cell('limits')];
  };
  return tableLines([['Resource', 'Requests', 'Limits'], row('cpu', formatCpu), row('memory', formatBytes)]);
}

/** What a pod's containers ask for, or the largest init container if that is more. */
function podAmount(pod: JsonObject, kind: 'requests' | 'limits', resource: string): number {
  const amounts = (field: string): number[] =>
    listAt(pod, 'spec', field).map((container) => amountOf(textAt(container, 'resources', kind, resource)));
  const running = amounts('containers').reduce((sum, amount) => sum + amount, 0);
  return Math.max(running, ...amounts('initContainers'));
}

/** What a quantity amounts to; 0 for none. */
function amountOf(text: string): number {
  return quantityNumber(text) ?? 0;
}

/** Cores as `250m` or `2`. */
function formatCpu(cores: number): string {
  return formatQuantity({ nano: BigInt(Math.round(cores * 1000)) * 1_000_000n, family: 'decimal' });
}

/** Bytes as `64Mi`, in the largest unit that is whole. */
function formatBytes(bytes: number): string {
  return formatQuantity({ nano: BigInt(Math.ceil(bytes)) * 1_000_000_000n, family: 'binary' });
}
