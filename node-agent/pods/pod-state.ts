/** What a pod's worker knows at one moment: the whole input, besides the pod itself, of every decision about it. */

/** One run of a container, from the runtime's facts or, when it never came to be, from what the worker tried. */
export interface Instance {
  readonly id: string;
  /** Restart count of this run, from 0. */
  readonly attempt: number;
  readonly state: 'created' | 'running' | 'exited';
  /** RFC 3339; null before start. */
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** Null unless exited with a known code. */
  readonly exitCode: number | null;
  /** Kubernetes' reason once exited: Completed, Error, OOMKilled, StartError, ContainerStatusUnknown. */
  readonly reason: string;
  /** The termination message; empty when there is none. */
  readonly message: string;
  /** Back-off that counts when this run ends before the back-off is forgotten; 0 for the first run. */
  readonly backoffMs: number;
  /** The image as the spec named it when this run was made. */
  readonly specImage: string;
  /** The image's full name and id for the status. */
  readonly image: string;
  readonly imageID: string;
  /** Its monitor is gone while it may still run: to be stopped and replaced. */
  readonly lost: boolean;
}

/** Why the last attempt to make a container gave none, and when to try again. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
  readonly retryAtMs: number;
  /** What it is called from `atMs` on: a failed pull becomes a back-off. */
  readonly later?: { readonly atMs: number; readonly reason: string; readonly message: string };
}

/** One container of the spec. */
export interface ContainerView {
  readonly current: Instance | null;
  readonly previous: Instance | null;
  /** What the worker is doing to it right now. */
  readonly busy: 'starting' | 'stopping' | null;
  readonly problem: Problem | null;
  /** The startup probe has passed (or there is none) and postStart has ended. */
  readonly started: boolean;
  /** The readiness probe passes (or there is none). */
  readonly ready: boolean;
  /** Why the liveness or startup probe gave the current run up; null while it is well. */
  readonly unhealthy: { readonly probe: 'liveness' | 'startup'; readonly graceSeconds: number | null } | null;
}

/** Why a pod is being ended before its containers ended by themselves. */
export interface Ending {
  /** Its object is deleted, or gone; otherwise the object stays and says why. */
  readonly deleted: boolean;
  /** For the status, such as `DeadlineExceeded`; empty when deleted. */
  readonly reason: string;
  readonly message: string;
  readonly graceSeconds: number;
}

/** Everything the worker knows of its pod. */
export interface PodView {
  /** `released`: the pod is over and its network, volumes and root folders are given back. */
  readonly sandbox: 'absent' | 'preparing' | 'ready' | 'releasing' | 'released';
  readonly sandboxProblem: Problem | null;
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
  /** RFC 3339: when this node took the pod on. */
  readonly startTime: string;
  readonly containers: ReadonlyMap<string, ContainerView>;
  readonly ending: Ending | null;
}

/** A container nobody has touched yet. */
export const UNTOUCHED: ContainerView = {
  current: null,
  previous: null,
  busy: null,
  problem: null,
  started: false,
  ready: false,
  unhealthy: null,
};

/** Whether something of this container may be running. */
export function isAlive(view: ContainerView): boolean {
  return view.busy !== null || (view.current !== null && view.current.state !== 'exited');
}
