/** What a pod's worker keeps about one container of the spec. */
import type { corev1 } from '../../proto/index.ts';
import type { ContainerProbes } from '../probes/container-probes.ts';
import { containerId } from '../runtime/runtime.ts';
import type { PodEnvironment } from './environment.ts';
import type { Waiting } from './plan.ts';
import { allContainers } from './pod-resources.ts';
import type { ContainerView, Instance, Problem } from './pod-state.ts';
import type { ContainerStop } from './stop-container.ts';

/** Owned and changed by the pod's worker only. */
export class ContainerSlot {
  readonly name: string;
  current: Instance | null = null;
  previous: Instance | null = null;
  busy: 'starting' | 'stopping' | null = null;
  problem: Problem | null = null;
  /** postStart has ended, or there is none, for the current run. */
  hookDone = true;
  probes: ContainerProbes | null = null;
  /** Under way while `busy` is `stopping`. */
  stop: ContainerStop | null = null;
  /** Failed pulls of its image in a row. */
  pullFailures = 0;
  /** The attempt whose back-off has been announced. */
  announcedBackoff = -1;
  /** The number of failed pulls whose back-off has been announced. */
  announcedPullFailures = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** The current state as plans take it. */
  view(): ContainerView {
    const running = this.current?.state === 'running';
    const verdict = this.probes?.verdict;
    const probe = verdict?.unhealthy ?? null;
    return {
      current: this.current,
      previous: this.previous,
      busy: this.busy,
      problem: this.problem,
      started: running && this.hookDone && (verdict?.started ?? true),
      ready: running && this.hookDone && this.busy !== 'stopping' && (verdict?.ready ?? true),
      unhealthy: probe === null || !running ? null : { probe, graceSeconds: this.#probeGrace(probe) },
    };
  }

  /** Takes a run that has ended or been made as the current one; the one before it becomes the previous. */
  advance(instance: Instance): void {
    if (this.current !== null && this.current.attempt < instance.attempt) this.previous = this.current;
    this.current = instance;
  }

  #probeGrace(probe: 'startup' | 'liveness'): number | null {
    return this.probes?.graceSeconds(probe) ?? null;
  }

  /** Ends the probes of the current run. */
  stopProbes(): void {
    this.probes?.stop();
  }
}

/** Records, once for each crash and each failed pull, that a container is held back. */
export function announceBackoffs(
  { events }: Pick<PodEnvironment, 'events'>,
  pod: corev1.Pod,
  {
    slots,
    waiting,
  }: { readonly slots: ReadonlyMap<string, ContainerSlot>; readonly waiting: ReadonlyMap<string, Waiting> },
): void {
  const { name: podName, namespace, uid } = pod.metadata ?? {};
  for (const [name, { reason }] of waiting) {
    const slot = slots.get(name);
    if (slot === undefined) continue;
    const record = (type: 'Normal' | 'Warning', why: string, message: string): void =>
      events.record(pod, type, why, message, `spec.containers{${name}}`);
    const attempt = slot.current?.attempt ?? -1;
    if (reason === 'CrashLoopBackOff' && slot.announcedBackoff !== attempt) {
      slot.announcedBackoff = attempt;
      record(
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${name} in pod ${podName}_${namespace}(${uid})`,
      );
    } else if (reason === 'ImagePullBackOff' && slot.announcedPullFailures !== slot.pullFailures) {
      slot.announcedPullFailures = slot.pullFailures;
      const image = allContainers(pod.spec).find((container) => container.name === name)?.image ?? '';
      record('Normal', 'BackOff', `Back-off pulling image "${image}"`);
      record('Warning', 'Failed', 'Error: ImagePullBackOff');
    }
  }
}

/** What the pod's status says about the current run: the truth from before the agent was restarted. */
export function reportedReadiness(pod: corev1.Pod, slot: ContainerSlot): { started: boolean; ready: boolean } {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === slot.name);
  const same = slot.current !== null && status?.containerID?.endsWith(`/${slot.current.id}`) === true;
  return { started: same && status.started === true, ready: same && status.ready === true };
}

/** Ids of every run that may have left something on the node, one that is about to be made included. */
export function runIds(podUid: string, slots: Iterable<ContainerSlot>): string[] {
  return [...slots].flatMap(({ name, current, previous }) => {
    const known = [current, previous].flatMap((run) => (run === null ? [] : [run.id]));
    return [...new Set([containerId(podUid, name, current?.attempt ?? 0), ...known])];
  });
}
