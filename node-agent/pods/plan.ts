/**
 * The next steps of a pod. Pure: the same pod, view and time always give the same plan, so that a worker killed half-way
 * and started again goes on where it was.
 *
 *   no sandbox ─prepare─▶ init containers, one after the other ─▶ all containers ─▶ … ─▶ release (all ended for good)
 *   ending ─▶ stop containers ─▶ stop sidecars ─▶ finish (deleted), release (the object stays)
 */

import { isSidecar } from '../../lib/pod-total.ts';
import type { corev1 } from '../../proto/index.ts';
import { type ContainerView, type Ending, isAlive, type PodView, type Problem, UNTOUCHED } from './pod-state.ts';
import { formatSeconds, nextRun, type RestartPolicy, restartPolicyOf, shouldRestart } from './restart-policy.ts';

/** One thing for the worker to do. Actions of one plan may run side by side. */
export type Action =
  /** Make the sandbox, the network and the volumes. */
  | { readonly kind: 'prepare' }
  | { readonly kind: 'start'; readonly container: string; readonly attempt: number; readonly backoffMs: number }
  | {
      readonly kind: 'stop';
      readonly container: string;
      readonly graceSeconds: number;
      /** For the event; empty when none is due. */
      readonly message: string;
    }
  /** Begin to end the whole pod. */
  | { readonly kind: 'end'; readonly reason: 'DeadlineExceeded'; readonly message: string }
  /** The pod ran to its end: give back everything but the facts and logs. */
  | { readonly kind: 'release' }
  /** An ending pod has no live container left: take everything down. */
  | { readonly kind: 'finish' };

/** Why a container is not running, when it should be. */
export interface Waiting {
  readonly reason: string;
  readonly message: string;
}

/** What to do now, and when to look again without being asked. */
export interface Plan {
  readonly actions: readonly Action[];
  /** Milliseconds since the epoch; null when only an event can change anything. */
  readonly wakeAtMs: number | null;
  /** Containers held back, for the status. */
  readonly waiting: ReadonlyMap<string, Waiting>;
}

/** Grace given when a spec names none, as the API's default. */
export const DEFAULT_GRACE_SECONDS = 30;

/** Computes the plan. `nowMs` is wall time. */
export function plan(pod: corev1.Pod, view: PodView, nowMs: number): Plan {
  const draft = new Draft(pod, view, nowMs);
  if (view.ending !== null) {
    draft.end(view.ending);
  } else if (!draft.checkDeadline()) {
    draft.run();
  }
  return { actions: draft.actions, wakeAtMs: draft.wakeAtMs, waiting: draft.waiting };
}

/** Whether every init container that must end has ended well and every sidecar has started. */
export function isInitialized(pod: corev1.Pod, view: PodView): boolean {
  return (
    anyMainTouched(pod, view) ||
    (pod.spec?.initContainers ?? []).every((container) => {
      const { current, started } = viewOf(view, container);
      if (isSidecar(container)) return current?.state === 'running' && started;
      return current?.state === 'exited' && current.exitCode === 0;
    })
  );
}

/** Once an app container has been made, the init containers' work is done for good. */
function anyMainTouched(pod: corev1.Pod, view: PodView): boolean {
  return (pod.spec?.containers ?? []).some((container) => viewOf(view, container).current !== null);
}

/** Whether no container of the pod will ever run again by itself: it succeeded or failed. */
export function isOver(pod: corev1.Pod, view: PodView): boolean {
  const policy = restartPolicyOf(pod.spec?.restartPolicy);
  const containers = pod.spec?.containers ?? [];
  if (!anyMainTouched(pod, view)) {
    return (
      policy === 'Never' && (pod.spec?.initContainers ?? []).some((c) => !isSidecar(c) && hasFailed(viewOf(view, c)))
    );
  }
  return containers.every((container) => {
    const { current, busy } = viewOf(view, container);
    return busy === null && current?.state === 'exited' && !shouldRestart(policyOf(container, policy), current);
  });
}

function hasFailed(view: ContainerView): boolean {
  return view.busy === null && view.current?.state === 'exited' && view.current.exitCode !== 0;
}

function policyOf(container: corev1.Container, podPolicy: RestartPolicy): RestartPolicy {
  return container.restartPolicy === undefined ? podPolicy : restartPolicyOf(container.restartPolicy);
}

/** 0, or one more than the last run there was when the runtime has lost all facts (a reboot). */
function firstAttempt(pod: corev1.Pod, container: string): number {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container);
  const hasRun = status?.containerID !== undefined && status.containerID !== '';
  return hasRun ? (status.restartCount ?? 0) + 1 : 0;
}

/** What is known of a container of the spec. */
export function viewOf(view: PodView, container: corev1.Container): ContainerView {
  return view.containers.get(container.name ?? '') ?? UNTOUCHED;
}

class Draft {
  readonly actions: Action[] = [];
  readonly waiting = new Map<string, Waiting>();
  wakeAtMs: number | null = null;
  readonly #pod: corev1.Pod;
  readonly #view: PodView;
  readonly #nowMs: number;
  readonly #policy: RestartPolicy;

  constructor(pod: corev1.Pod, view: PodView, nowMs: number) {
    this.#pod = pod;
    this.#view = view;
    this.#nowMs = nowMs;
    this.#policy = restartPolicyOf(pod.spec?.restartPolicy);
  }

  /** Stops everything: the containers first, the sidecars once those are gone. */
  end({ deleted, graceSeconds }: Ending): void {
    const { containers = [], initContainers = [] } = this.#pod.spec ?? {};
    if (deleted && graceSeconds === 0 && this.#isIdle()) {
      // Nobody is to be asked: taking the sandbox down kills what runs.
      this.actions.push({ kind: 'finish' });
      return;
    }
    const plain = [...containers, ...initContainers.filter((c) => !isSidecar(c))];
    const sidecars = initContainers.filter(isSidecar);
    for (const container of plain) this.#stopForGood(container, graceSeconds);
    if (plain.some((container) => isAlive(viewOf(this.#view, container)))) return;
    for (const container of sidecars) this.#stopForGood(container, graceSeconds);
    if (sidecars.some((container) => isAlive(viewOf(this.#view, container)))) return;
    const { sandbox } = this.#view;
    if (sandbox === 'preparing' || sandbox === 'releasing') return;
    if (deleted) this.actions.push({ kind: 'finish' });
    else if (sandbox !== 'released') this.actions.push({ kind: 'release' });
  }

  #isIdle(): boolean {
    const { sandbox, containers } = this.#view;
    const working = sandbox === 'preparing' || sandbox === 'releasing';
    return !working && [...containers.values()].every(({ busy }) => busy === null);
  }

  #stopForGood(container: corev1.Container, graceSeconds: number): void {
    const { current, busy } = viewOf(this.#view, container);
    if (busy === null && current !== null && current.state !== 'exited') {
      this.#stop(container, graceSeconds, `Stopping container ${container.name}`);
    }
  }

  #stop(container: corev1.Container, graceSeconds: number, message: string): void {
    this.actions.push({ kind: 'stop', container: container.name ?? '', graceSeconds, message });
  }

  /** True when the pod's time is over. */
  checkDeadline(): boolean {
    const seconds = this.#pod.spec?.activeDeadlineSeconds;
    if (seconds === undefined || isOver(this.#pod, this.#view)) return false;
    const dueMs = Date.parse(this.#view.startTime) + seconds * 1000;
    if (this.#nowMs < dueMs) {
      this.#wakeAt(dueMs);
      return false;
    }
    this.actions.push({
      kind: 'end',
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    });
    return true;
  }

  run(): void {
    if (this.#view.sandbox === 'released') return;
    if (isOver(this.#pod, this.#view)) {
      this.#wrapUp();
      return;
    }
    if (this.#view.sandbox !== 'ready') {
      if (this.#view.sandbox === 'absent' && this.#due(this.#view.sandboxProblem)) {
        this.actions.push({ kind: 'prepare' });
      }
      return;
    }
    const mayStartMain = this.#runInit();
    if (!mayStartMain) return;
    for (const container of this.#pod.spec?.containers ?? []) {
      this.#keepRunning(container, policyOf(container, this.#policy));
    }
  }

  /** Starts what is next among the init containers; true when the app containers may run. */
  #runInit(): boolean {
    const initialized = anyMainTouched(this.#pod, this.#view);
    for (const container of this.#pod.spec?.initContainers ?? []) {
      const view = viewOf(this.#view, container);
      if (isSidecar(container)) {
        this.#keepRunning(container, 'Always');
        if (!initialized && !(view.current?.state === 'running' && view.started)) return false;
      } else if (!initialized) {
        const { current, busy } = view;
        if (busy === null && current?.state === 'exited' && current.exitCode === 0) continue;
        this.#keepRunning(container, this.#policy === 'Never' ? 'Never' : 'OnFailure');
        return false;
      }
    }
    return true;
  }

  #wrapUp(): void {
    const sidecars = (this.#pod.spec?.initContainers ?? []).filter(isSidecar);
    const grace = this.#pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    for (const container of sidecars) this.#stopForGood(container, grace);
    const idle = !sidecars.some((container) => isAlive(viewOf(this.#view, container)));
    if (idle && (this.#view.sandbox === 'ready' || this.#view.sandbox === 'absent')) {
      this.actions.push({ kind: 'release' });
    }
  }

  /** One container that should be running (or run to its end). */
  #keepRunning(container: corev1.Container, policy: RestartPolicy): void {
    const view = viewOf(this.#view, container);
    const name = container.name ?? '';
    if (view.problem !== null) this.waiting.set(name, this.#nameNow(view.problem));
    if (view.busy !== null) return;
    const { current } = view;
    if (current === null) {
      if (this.#due(view.problem)) this.#start(name, firstAttempt(this.#pod, name), 0);
      return;
    }
    if (current.state === 'created') {
      // Cut short between create and start: the same run goes on.
      if (this.#due(view.problem)) this.#start(name, current.attempt, current.backoffMs);
      return;
    }
    if (current.state === 'running') {
      this.#checkRunning(container, view);
      return;
    }
    const changed = current.specImage !== (container.image ?? '') && policy !== 'Never';
    if (!changed && !shouldRestart(policy, current)) return;
    const next = nextRun(current);
    if (!changed && next.atMs > this.#nowMs) {
      this.#wakeAt(next.atMs);
      this.waiting.set(name, this.#crashLoop(name, next.delayMs));
      return;
    }
    if (this.#due(view.problem)) this.#start(name, current.attempt + 1, next.backoffMs);
  }

  #checkRunning(container: corev1.Container, view: ContainerView): void {
    const { current, unhealthy } = view;
    const podGrace = this.#pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    const name = container.name ?? '';
    if (current?.lost === true) {
      this.#stop(container, 0, `Container ${name} lost its monitor, will be restarted`);
    } else if (unhealthy !== null) {
      const message = `Container ${name} failed ${unhealthy.probe} probe, will be restarted`;
      this.#stop(container, unhealthy.graceSeconds ?? podGrace, message);
    } else if (current !== null && current.specImage !== (container.image ?? '')) {
      this.#stop(container, podGrace, `Container ${name} definition changed, will be restarted`);
    }
  }

  #crashLoop(name: string, delayMs: number): Waiting {
    const { name: pod, namespace, uid } = this.#pod.metadata ?? {};
    return {
      reason: 'CrashLoopBackOff',
      message: `back-off ${formatSeconds(delayMs)} restarting failed container=${name} pod=${pod}_${namespace}(${uid})`,
    };
  }

  #nameNow(problem: Problem): Waiting {
    const { later } = problem;
    if (later === undefined) return problem;
    if (later.atMs <= this.#nowMs) return later;
    this.#wakeAt(later.atMs);
    return problem;
  }

  #start(container: string, attempt: number, backoffMs: number): void {
    this.actions.push({ kind: 'start', container, attempt, backoffMs });
  }

  /** Whether something that failed may be tried again; plans a look at that time otherwise. */
  #due(problem: Problem | null): boolean {
    if (problem === null || problem.retryAtMs <= this.#nowMs) return true;
    this.#wakeAt(problem.retryAtMs);
    return false;
  }

  #wakeAt(ms: number): void {
    if (this.wakeAtMs === null || ms < this.wakeAtMs) this.wakeAtMs = ms;
  }
}
