/** The conditions of a pod. Pure. */
import { rfc3339 } from '../../lib/clock.ts';
import { isSidecar } from '../../lib/pod-total.ts';
import type { corev1 } from '../../proto/index.ts';
import type { PodView } from './pod-state.ts';

/** What the conditions are computed from. */
export interface ConditionContext {
  readonly view: PodView;
  readonly phase: string;
  readonly initialized: boolean;
  /** Of the app containers. */
  readonly containerStatuses: readonly corev1.ContainerStatus[];
  readonly nowMs: number;
}

interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
}

const TRUE: Verdict = { status: 'True' };

/** Ours in Kubernetes' order, then whatever others have set. */
export function podConditions(pod: corev1.Pod, context: ConditionContext): corev1.PodCondition[] {
  const containersReady = containersReadyOf(pod, context);
  const verdicts: readonly (readonly [string, Verdict])[] = [
    ['PodReadyToStartContainers', { status: context.view.sandbox === 'ready' ? 'True' : 'False' }],
    ['Initialized', initializedOf(pod, context)],
    ['Ready', readyOf(pod, containersReady)],
    ['ContainersReady', containersReady],
    ['PodScheduled', TRUE],
  ];
  const old = pod.status?.conditions ?? [];
  const own = new Set(verdicts.map(([type]) => type));
  const time = rfc3339(context.nowMs);
  return [
    ...verdicts.map(([type, verdict]) =>
      condition(
        type,
        verdict,
        old.find((c) => c.type === type),
        time,
      ),
    ),
    ...old.filter(({ type }) => !own.has(type ?? '')),
  ];
}

function condition(
  type: string,
  verdict: Verdict,
  old: corev1.PodCondition | undefined,
  time: string,
): corev1.PodCondition {
  const same = old?.status === verdict.status && old.lastTransitionTime !== undefined;
  return { type, ...verdict, lastTransitionTime: same ? old.lastTransitionTime : time };
}

function initializedOf(pod: corev1.Pod, context: ConditionContext): Verdict {
  if (context.phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' };
  if (context.initialized) return TRUE;
  const incomplete = (pod.spec?.initContainers ?? [])
    .filter((container) => {
      const view = context.view.containers.get(container.name ?? '');
      if (isSidecar(container)) return !(view?.current?.state === 'running' && view.started);
      return !(view?.current?.state === 'exited' && view.current.exitCode === 0);
    })
    .map((container) => container.name);
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${incomplete.join(' ')}]`,
  };
}

function containersReadyOf(pod: corev1.Pod, context: ConditionContext): Verdict {
  if (context.phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' };
  if (context.phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => {
    const view = context.view.containers.get(container.name ?? '');
    return isSidecar(container) && !(view?.current?.state === 'running' && view.started && view.ready);
  });
  const unready = [
    ...sidecars.map((container) => container.name),
    ...context.containerStatuses.filter((status) => status.ready !== true).map((status) => status.name),
  ];
  if (unready.length === 0) return TRUE;
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${unready.join(' ')}]`,
  };
}

function readyOf(pod: corev1.Pod, containersReady: Verdict): Verdict {
  if (containersReady.status === 'False') return containersReady;
  const conditions = pod.status?.conditions ?? [];
  const problems = (pod.spec?.readinessGates ?? []).flatMap(({ conditionType = '' }) => {
    const gate = conditions.find((candidate) => candidate.type === conditionType);
    if (gate === undefined) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    return gate.status === 'True'
      ? []
      : [`the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`];
  });
  if (problems.length === 0) return TRUE;
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: problems.join(', ') };
}
