/** The Node object as this machine reports it. Pure. */
import { rfc3339 } from '../../lib/clock.ts';
import type { corev1 } from '../../proto/index.ts';
import type { FeatureCondition } from '../features/node-feature.ts';
import type { Machine } from './machine.ts';

/** What the report is made of. */
export interface NodeReport {
  readonly name: string;
  readonly machine: Machine;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly podCidr: string;
  readonly maxPods: number;
  /** Taken from what pods may have: for the system and for us. */
  readonly reserved: { readonly cpuMilli: number; readonly memoryBytes: number };
  /** `crun://1.8.1`. */
  readonly runtimeVersion: string;
  readonly agentVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly images: readonly corev1.ContainerImage[];
  readonly health: NodeHealth;
  /** What features of the node vouch for. */
  readonly conditions?: readonly FeatureCondition[];
  /** Annotations that features want on the Node; undefined takes one away. */
  readonly annotations?: Readonly<Record<string, string | undefined>>;
}

/** How the machine is; a text says why it is not well. */
export interface NodeHealth {
  readonly notReady: string | null;
  readonly memoryPressure: boolean;
  readonly diskPressure: boolean;
  readonly pidPressure: boolean;
}

/** Kubernetes' default limit of names reported per node. */
const MAX_IMAGES = 50;

/** The object to create when there is none. */
export function newNode(report: NodeReport): corev1.Node {
  return {
    metadata: { name: report.name, labels: nodeLabels(report) },
    spec: { podCIDR: report.podCidr, podCIDRs: [report.podCidr] },
  };
}

/** Labels every node has; an operator's own stay. */
export function nodeLabels(report: NodeReport): Record<string, string> {
  return {
    ...report.labels,
    'kubernetes.io/arch': report.machine.architecture,
    'kubernetes.io/hostname': report.name,
    'kubernetes.io/os': 'linux',
  };
}

/** What the node has, and what of it pods may ask for, as quantities. */
export function nodeResources(report: Pick<NodeReport, 'machine' | 'maxPods' | 'reserved'>): {
  readonly capacity: Record<string, string>;
  readonly allocatable: Record<string, string>;
} {
  const { machine, maxPods, reserved } = report;
  const pods = String(maxPods);
  const storage = String(machine.diskBytes);
  const capacity = {
    cpu: String(machine.cpuCount),
    memory: kibi(machine.memoryBytes),
    'ephemeral-storage': storage,
    pods,
  };
  const cpuMilli = machine.cpuCount * 1000 - reserved.cpuMilli;
  const allocatable = {
    cpu: cpuMilli % 1000 === 0 ? String(cpuMilli / 1000) : `${cpuMilli}m`,
    memory: kibi(Math.max(0, machine.memoryBytes - reserved.memoryBytes)),
    'ephemeral-storage': storage,
    pods,
  };
  return { capacity, allocatable };
}

function kibi(bytes: number): string {
  return `${Math.floor(bytes / 1024)}Ki`;
}

/** The Node's annotations as features want them; undefined when they are so already. Those of others stay. */
export function wantedAnnotations(
  present: Readonly<Record<string, string>> | undefined,
  wanted: NodeReport['annotations'],
): Record<string, string> | undefined {
  const entries = Object.entries(wanted ?? {});
  if (entries.every(([key, value]) => present?.[key] === value)) return undefined;
  const rest = Object.entries(present ?? {}).filter(
    ([key]) => wanted?.[key] === undefined && !Object.hasOwn(wanted ?? {}, key),
  );
  return Object.fromEntries([
    ...rest,
    ...entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  ]);
}

/** The status to write; conditions of others and transition times of unchanged ones are kept. */
export function nodeStatus(report: NodeReport, old: corev1.NodeStatus | undefined, nowMs: number): corev1.NodeStatus {
  const { machine, health } = report;
  const own = [
    condition(
      'MemoryPressure',
      health.memoryPressure,
      ['KubeletHasInsufficientMemory', 'KubeletHasSufficientMemory'],
      'memory available',
    ),
    condition(
      'DiskPressure',
      health.diskPressure,
      ['KubeletHasDiskPressure', 'KubeletHasNoDiskPressure'],
      'disk space available',
    ),
    condition(
      'PIDPressure',
      health.pidPressure,
      ['KubeletHasInsufficientPID', 'KubeletHasSufficientPID'],
      'process numbers available',
    ),
    health.notReady === null
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'the agent is posting ready status' }
      : { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: health.notReady },
    ...(report.conditions ?? []),
  ];
  const time = rfc3339(nowMs);
  const before = old?.conditions ?? [];
  const conditions = own.map((verdict): corev1.NodeCondition => {
    const same = before.find(({ type, status }) => type === verdict.type && status === verdict.status);
    return { ...verdict, lastHeartbeatTime: time, lastTransitionTime: same?.lastTransitionTime ?? time };
  });
  const names = new Set(own.map(({ type }) => type));
  return {
    ...old,
    addresses: [
      ...report.addresses.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: report.name },
    ],
    ...nodeResources(report),
    conditions: [...conditions, ...before.filter(({ type }) => !names.has(type ?? ''))],
    daemonEndpoints: { kubeletEndpoint: { Port: report.port } },
    images: [...report.images].sort((a, b) => (b.sizeBytes ?? 0) - (a.sizeBytes ?? 0)).slice(0, MAX_IMAGES),
    nodeInfo: {
      architecture: machine.architecture,
      bootID: machine.bootID,
      containerRuntimeVersion: report.runtimeVersion,
      kernelVersion: machine.kernelVersion,
      kubeletVersion: report.agentVersion,
      kubeProxyVersion: '',
      machineID: machine.machineID,
      operatingSystem: 'linux',
      osImage: machine.osImage,
      systemUUID: machine.systemUUID,
    },
  };
}

function condition(type: string, bad: boolean, reasons: readonly [string, string], what: string): corev1.NodeCondition {
  return {
    type,
    status: bad ? 'True' : 'False',
    reason: bad ? reasons[0] : reasons[1],
    message: bad ? `the node has not enough ${what}` : `the node has enough ${what}`,
  };
}

/** Whether a write is due: something differs besides the heartbeat's time. */
export function statusDiffers(old: corev1.NodeStatus | undefined, status: corev1.NodeStatus): boolean {
  return comparable(old) !== comparable(status);
}

function comparable(status: corev1.NodeStatus | undefined): string {
  const { conditions = [], addresses, allocatable, capacity, images = [], nodeInfo } = status ?? {};
  return JSON.stringify([
    conditions.map(({ type, status: value, reason, message }) => `${type} ${value} ${reason} ${message}`).sort(),
    addresses?.map(({ type, address }) => [type, address]),
    amounts(allocatable),
    amounts(capacity),
    images.map(({ names = [] }) => names),
    [
      nodeInfo?.bootID,
      nodeInfo?.kernelVersion,
      nodeInfo?.containerRuntimeVersion,
      nodeInfo?.kubeletVersion,
      nodeInfo?.osImage,
    ],
  ]);
}

function amounts(quantities: Readonly<Record<string, string>> | undefined): string[] {
  return Object.entries(quantities ?? {})
    .map(([name, quantity]) => `${name}=${quantity}`)
    .sort();
}
