/** The status of a pod in Kubernetes' words, from what its worker knows. Pure. */

import { isSidecar } from '../../lib/pod-total.ts';
import { qosClass } from '../../lib/qos.ts';
import type { corev1 } from '../../proto/index.ts';
import { isInitialized, isOver, type Plan, viewOf } from './plan.ts';
import { podConditions } from './pod-conditions.ts';
import { type ContainerView, type Instance, isAlive, type PodView } from './pod-state.ts';
import { restartPolicyOf } from './restart-policy.ts';

/** A phase of a pod's life. */
export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** What the status needs besides pod and view. */
export interface StatusContext {
  /** From {@link plan}, for the containers held back. */
  readonly plan: Plan;
  readonly nowMs: number;
  /** `crun`: the scheme of container ids. */
  readonly runtimeName: string;
}

/**
 * The status to report. Conditions that others own (readiness gates) are kept, transition times change only when a
 * condition does, and a pod that is over never comes back to life.
 */
export function podStatus(pod: corev1.Pod, view: PodView, context: StatusContext): corev1.PodStatus {
  const old = pod.status;
  const initialized = isInitialized(pod, view);
  const initContainerStatuses = (pod.spec?.initContainers ?? []).map((container) =>
    containerStatus(container, { pod, view, context, initialized: true, init: !isSidecar(container) }),
  );
  const containerStatuses = (pod.spec?.containers ?? []).map((container) =>
    containerStatus(container, { pod, view, context, initialized, init: false }),
  );
  const phase = podPhase(pod, view, containerStatuses);
  const failure = failureOf(view);
  // A pod that is over has given its addresses back, but its status goes on telling which they were.
  const isPast = phase === 'Succeeded' || phase === 'Failed';
  const podIPs = view.podIPs.length === 0 && isPast ? (old?.podIPs ?? []) : view.podIPs.map((ip) => ({ ip }));
  const podIP = podIPs[0]?.ip;
  const [hostIP] = view.hostIPs;
  return {
    ...(old?.nominatedNodeName === undefined ? {} : { nominatedNodeName: old.nominatedNodeName }),
    phase,
    conditions: podConditions(pod, { view, phase, initialized, containerStatuses, nowMs: context.nowMs }),
    ...failure,
    ...(hostIP === undefined ? {} : { hostIP, hostIPs: view.hostIPs.map((ip) => ({ ip })) }),
    ...(podIP === undefined ? {} : { podIP, podIPs }),
    startTime: view.startTime,
    ...(initContainerStatuses.length === 0 ? {} : { initContainerStatuses }),
    containerStatuses,
    qosClass: old?.qosClass ?? qosClass(pod.spec),
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

function failureOf(view: PodView): { reason?: string; message?: string } {
  if (view.ending === null || view.ending.deleted) return {};
  return { reason: view.ending.reason, message: view.ending.message };
}

function podPhase(pod: corev1.Pod, view: PodView, statuses: readonly corev1.ContainerStatus[]): PodPhase {
  const old = pod.status?.phase;
  if (old === 'Succeeded' || old === 'Failed') return old;
  const ended = ![...view.containers.values()].some(isAlive);
  if (view.ending?.deleted === false) return 'Failed';
  const containers = pod.spec?.containers ?? [];
  if (isOver(pod, view) || (view.ending !== null && ended && statuses.some((s) => s.state?.terminated !== undefined))) {
    const allWell = containers.every((container) => viewOf(view, container).current?.exitCode === 0);
    return allWell ? 'Succeeded' : 'Failed';
  }
  if (!isInitialized(pod, view)) return 'Pending';
  const never = containers.some((container) => {
    const { current } = viewOf(view, container);
    return current === null || current.state === 'created';
  });
  if (never) return 'Pending';
  const running = statuses.some((status) => status.state?.running !== undefined);
  if (running || restartPolicyOf(pod.spec?.restartPolicy) !== 'Never') return 'Running';
  return containers.some((container) => isAlive(viewOf(view, container))) ? 'Running' : 'Failed';
}

interface ContainerContext {
  readonly pod: corev1.Pod;
  readonly view: PodView;
  readonly context: StatusContext;
  readonly initialized: boolean;
  /** An init container that must end; its readiness is having ended well. */
  readonly init: boolean;
}

function containerStatus(container: corev1.Container, options: ContainerContext): corev1.ContainerStatus {
  const name = container.name ?? '';
  const view = viewOf(options.view, container);
  const { current } = view;
  const running = current?.state === 'running';
  const waiting = waitingOf(name, view, options);
  const scheme = options.context.runtimeName;
  const lastState =
    waiting !== null && current?.state === 'exited' ? terminated(current, scheme) : terminated(view.previous, scheme);
  const started = running && view.started;
  const ready = options.init ? current?.state === 'exited' && current.exitCode === 0 : started && view.ready;
  const old = oldStatus(options.pod, name);
  // A run forgotten in a reboot is still told of, so that the next one is counted as a restart and does not write over its log.
  const containerID = current === null ? old?.containerID : `${scheme}://${current.id}`;
  return {
    name,
    state: waiting !== null ? { waiting } : running ? runningState(current) : (terminated(current, scheme) ?? {}),
    lastState: lastState ?? old?.lastState ?? {},
    ready,
    restartCount: current?.attempt ?? old?.restartCount ?? 0,
    image: current?.image || (container.image ?? ''),
    imageID: current?.imageID ?? '',
    ...(containerID === undefined ? {} : { containerID }),
    started,
  };
}

function oldStatus(pod: corev1.Pod, name: string): corev1.ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].find((status) => status.name === name);
}

/** Why the container is waiting; null when it runs or has ended. */
function waitingOf(name: string, view: ContainerView, options: ContainerContext): corev1.ContainerStateWaiting | null {
  const { current } = view;
  const held = options.context.plan.waiting.get(name);
  if (current?.state === 'running') return null;
  if (held !== undefined && options.view.ending === null) return { reason: held.reason, message: held.message };
  if (current?.state === 'exited') return null;
  if (options.view.ending !== null && current === null && view.busy === null) {
    return { reason: options.initialized ? 'ContainerCreating' : 'PodInitializing' };
  }
  return { reason: options.initialized ? 'ContainerCreating' : 'PodInitializing' };
}

function runningState(instance: Instance): corev1.ContainerState {
  return { running: instance.startedAt === null ? {} : { startedAt: seconds(instance.startedAt) } };
}

function terminated(instance: Instance | null, scheme: string): corev1.ContainerState | undefined {
  if (instance?.state !== 'exited') return undefined;
  return {
    terminated: {
      exitCode: instance.exitCode ?? 137,
      reason: instance.reason,
      ...(instance.message === '' ? {} : { message: instance.message }),
      ...(instance.startedAt === null ? {} : { startedAt: seconds(instance.startedAt) }),
      ...(instance.finishedAt === null ? {} : { finishedAt: seconds(instance.finishedAt) }),
      containerID: `${scheme}://${instance.id}`,
    },
  };
}

/** Kubernetes' times have whole seconds. */
function seconds(time: string): string {
  return time.replace(/\.\d+/, '');
}
