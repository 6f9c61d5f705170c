/** What `get pods` says about a pod in a word: its STATUS, READY and RESTARTS cells, with kubectl's rules. */
import { isSidecar } from '../../lib/pod-total.ts';
import type { corev1 } from '../../proto/index.ts';

/** The cells of a pod. */
export interface PodSummary {
  /** Ready containers of all: `1/2`. Sidecars count. */
  readonly ready: string;
  readonly status: string;
  readonly restarts: number;
  /** When the latest of the restarted containers last ended, RFC 3339; undefined when none has. */
  readonly lastRestart: string | undefined;
}

interface Tally {
  ready: number;
  restarts: number;
  lastRestart: string | undefined;
}

/** The cells of `pod`. */
export function podSummary(pod: corev1.Pod): PodSummary {
  const sidecars = new Set((pod.spec?.initContainers ?? []).filter(isSidecar).map((c) => c.name));
  const init = initProgress(pod, sidecars);
  let { status, tally } = init;
  if (init.reason !== undefined) status = init.reason;
  if (init.reason === undefined || hasCondition(pod, 'Initialized')) {
    tally = init.sidecarTally;
    status = mainStatus(pod, status, tally);
  }
  const total = (pod.spec?.containers?.length ?? 0) + sidecars.size;
  return {
    ready: `${tally.ready}/${total}`,
    status: deletionStatus(pod) ?? status,
    restarts: tally.restarts,
    lastRestart: tally.lastRestart,
  };
}

interface InitProgress {
  /** The phase, or the reason the pod itself gives. */
  readonly status: string;
  /** What the first unfinished init container says; undefined when all are done. */
  readonly reason: string | undefined;
  readonly tally: Tally;
  readonly sidecarTally: Tally;
}

function initProgress(pod: corev1.Pod, sidecars: ReadonlySet<string | undefined>): InitProgress {
  const gated = pod.status?.conditions?.some((c) => c.type === 'PodScheduled' && c.reason === 'SchedulingGated');
  const status = gated === true ? 'SchedulingGated' : pod.status?.reason || pod.status?.phase || '';
  const tally: Tally = { ready: 0, restarts: 0, lastRestart: undefined };
  const sidecarTally: Tally = { ready: 0, restarts: 0, lastRestart: undefined };
  const total = pod.spec?.initContainers?.length ?? 0;
  for (const [index, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const isSidecar = sidecars.has(container.name);
    count(tally, container);
    if (isSidecar) count(sidecarTally, container);
    const { terminated, waiting } = container.state ?? {};
    if (terminated !== undefined && (terminated.exitCode ?? 0) === 0) continue;
    if (isSidecar && container.started === true) {
      if (container.ready === true) {
        tally.ready += 1;
        sidecarTally.ready += 1;
      }
      continue;
    }
    let reason = `Init:${index}/${total}`;
    if (terminated !== undefined) reason = `Init:${endReason(terminated)}`;
    else if (waiting?.reason !== undefined && waiting.reason !== 'PodInitializing') reason = `Init:${waiting.reason}`;
    return { status, reason, tally, sidecarTally };
  }
  return { status, reason: undefined, tally, sidecarTally };
}

/** The word of the first container that has one, `status` when none has; counts into `tally`. */
function mainStatus(pod: corev1.Pod, status: string, tally: Tally): string {
  let word = status;
  let running = false;
  for (const container of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    count(tally, container);
    const { waiting, terminated, running: runs } = container.state ?? {};
    if (waiting?.reason !== undefined && waiting.reason !== '') word = waiting.reason;
    else if (terminated !== undefined) word = endReason(terminated);
    else if (container.ready === true && runs !== undefined) {
      running = true;
      tally.ready += 1;
    }
  }
  if (word !== 'Completed' || !running) return word;
  return hasCondition(pod, 'Ready') ? 'Running' : 'NotReady';
}

function deletionStatus(pod: corev1.Pod): string | undefined {
  if (pod.metadata?.deletionTimestamp === undefined) return undefined;
  if (pod.status?.reason === 'NodeLost') return 'Unknown';
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed' ? undefined : 'Terminating';
}

function endReason(end: corev1.ContainerStateTerminated): string {
  if (end.reason !== undefined && end.reason !== '') return end.reason;
  return (end.signal ?? 0) !== 0 ? `Signal:${end.signal}` : `ExitCode:${end.exitCode ?? 0}`;
}

function count(tally: Tally, container: corev1.ContainerStatus): void {
  tally.restarts += container.restartCount ?? 0;
  const ended = container.lastState?.terminated?.finishedAt;
  if (ended !== undefined && (tally.lastRestart === undefined || ended > tally.lastRestart)) tally.lastRestart = ended;
}

function hasCondition(pod: corev1.Pod, type: string): boolean {
  return pod.status?.conditions?.some((c) => c.type === type && c.status === 'True') ?? false;
}
