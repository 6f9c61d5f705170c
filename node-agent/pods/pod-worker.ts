/**
 * The worker of one pod, from the moment this node takes it on to the moment nothing of it is left.
 *
 * `#sync` is synchronous: it looks at everything known, asks {@link plan} what to do, starts a task for each action (marking
 * what the task is busy with), and reports the status. Tasks do the waiting; when one ends, or anything else happens, the
 * worker syncs again. So a worker never blocks: a deletion is seen while an image is pulled or a hook runs.
 *
 * Forward only: running → ending → finished. Calls to the runtime that change this pod go through `#serial`, one at a time.
 */
import { setMaxListeners } from 'node:events';
import { backoffMs } from '../../lib/backoff.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { corev1 } from '../../proto/index.ts';
import type { PodAttachment } from '../network/pod-network.ts';
import { type PodPaths, podPaths } from '../paths.ts';
import type { ContainerFacts, Sandbox } from '../runtime/runtime.ts';
import { PodVolumes } from '../volumes/pod-volumes.ts';
import { VolumeError } from '../volumes/volume.ts';
import { announceBackoffs, ContainerSlot, reportedReadiness, runIds } from './container-slot.ts';
import { ContainerTasks } from './container-tasks.ts';
import type { PodEnvironment } from './environment.ts';
import type { FieldContext } from './field-reference.ts';
import { instanceOf } from './instances.ts';
import { type Action, plan } from './plan.ts';
import { EMPTY_CONFIG, type PodConfig, readPodConfig, sameConfig } from './pod-config.ts';
import { allContainers } from './pod-resources.ts';
import type { PodSnapshot } from './pod-snapshot.ts';
import type { Ending, PodView, Problem } from './pod-state.ts';
import { podStatus } from './pod-status.ts';
import { makeSandbox, refusal, writeNetworkFiles } from './prepare-pod.ts';
import { SerialTasks } from './serial-tasks.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { deletePodObject, releasePod, tearDownPod } from './tear-down-pod.ts';

/** What an earlier agent left of the pod. */
export interface AdoptedPod {
  readonly sandbox: Sandbox | null;
  readonly attachment: PodAttachment | null;
  readonly containers: readonly ContainerFacts[];
  readonly config: PodConfig;
  readonly startTime: string;
}

/** Back-off of what must be repeated until it works: sandbox, volumes, taking down. */
const RETRY = { initialMs: 500, maxMs: 60_000 };

/** See the top of the file. */
export class PodWorker {
  readonly uid: string;
  readonly paths: PodPaths;
  readonly #env: PodEnvironment;
  readonly #slots = new Map<string, ContainerSlot>();
  readonly #volumes: PodVolumes;
  readonly #serial = new SerialTasks();
  readonly #life = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  readonly #containers: ContainerTasks;
  readonly #snapshot: SnapshotKeeper;
  readonly #startTime: string;
  readonly #onFinished: (worker: PodWorker) => void;
  #pod: corev1.Pod;
  #status: corev1.PodStatus | undefined;
  #config: PodConfig = EMPTY_CONFIG;
  #sandbox: PodView['sandbox'] = 'absent';
  #sandboxProblem: Problem | null = null;
  #podIPs: readonly string[] = [];
  #ending: Ending | null = null;
  #failures = 0;
  #finishAtMs = 0;
  /** An old, finished pod of which nothing is known any more: its status is history and stays. */
  #statusIsHistory = false;
  #cancelWake: () => void = () => undefined;
  /** The object comes from the server, not from a snapshot that may be a moment old: it can be reported on. */
  #heard: boolean;

  constructor(
    env: PodEnvironment,
    pod: corev1.Pod,
    options: { readonly adopted?: AdoptedPod | undefined; readonly onFinished: (worker: PodWorker) => void },
  ) {
    const { uid = '', name = '', namespace = '' } = pod.metadata ?? {};
    this.uid = uid;
    this.paths = podPaths(env.paths, { uid, name, namespace });
    this.#env = env;
    this.#pod = pod;
    this.#status = pod.status;
    this.#onFinished = options.onFinished;
    this.#volumes = new PodVolumes(this.paths);
    this.#snapshot = new SnapshotKeeper(env, this.paths.snapshot, () => this.#snapshotNow());
    setMaxListeners(0, this.#life.signal);
    const { adopted } = options;
    this.#startTime = adopted?.startTime ?? pod.status?.startTime ?? rfc3339(env.clock.now());
    for (const container of allContainers(pod.spec)) {
      this.#slots.set(container.name ?? '', new ContainerSlot(container.name ?? ''));
    }
    this.#containers = new ContainerTasks({
      env,
      place: () => ({ pod: this.#pod, paths: this.paths }),
      serial: this.#serial,
      signal: this.#life.signal,
      volumes: this.#volumes,
      fields: () => this.#fields(),
      readConfig: () => this.#readConfig(),
      host: () => this.#podIPs[0] ?? env.node.ips[0] ?? '127.0.0.1',
      changed: () => this.#sync(),
    });
    this.#heard = adopted === undefined;
    if (adopted !== undefined) this.#adopt(adopted);
    const over = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (over) {
      this.#sandbox = 'released';
      this.#statusIsHistory = (adopted?.containers.length ?? 0) === 0;
    }
  }

  /** The pod as last heard of, with the status this worker reports. */
  get pod(): corev1.Pod {
    return { ...this.#pod, status: this.#status };
  }

  /** A container of the spec and its runs, for logs and exec. */
  container(name: string): ContainerSlot | undefined {
    return this.#slots.get(name);
  }

  /** Begins. Containers found running are watched and probed at once. */
  start(): void {
    const refused = this.#sandbox === 'absent' ? refusal(this.#pod) : null;
    if (refused !== null) this.#ending = { deleted: false, ...refused, graceSeconds: 0 };
    for (const container of allContainers(this.#pod.spec)) {
      const slot = this.#slots.get(container.name ?? '');
      if (slot?.current?.state === 'running')
        this.#containers.watch(container, slot, reportedReadiness(this.#pod, slot));
      if (slot?.current?.state === 'exited') this.#track(this.#containers.observe(container, slot, slot.current.id));
    }
    this.#noteDeletion();
    this.#sync();
  }

  /** The object has changed. */
  update(pod: corev1.Pod): void {
    const first = !this.#heard;
    if (first) this.#status = pod.status ?? this.#status;
    this.#heard = true;
    this.#pod = pod;
    if (first) this.#takeReportedReadiness();
    this.#noteDeletion();
    this.#sync();
  }

  /** What the server was told before this agent started holds until a probe says otherwise: no container flickers. */
  #takeReportedReadiness(): void {
    for (const container of allContainers(this.#pod.spec)) {
      const slot = this.#slots.get(container.name ?? '');
      if (slot?.probes?.undecided !== true) continue;
      const reported = reportedReadiness(this.#pod, slot);
      if (reported.ready || reported.started) this.#containers.watch(container, slot, reported);
    }
  }

  /** The object is gone: end the pod within `graceSeconds`. */
  deleted(graceSeconds: number): void {
    this.#end({ deleted: true, reason: '', message: '', graceSeconds });
  }

  /** Ends the pod but not its object, whose status then says why. */
  evict(reason: string, message: string, graceSeconds: number): void {
    this.#end({ deleted: false, reason, message, graceSeconds });
  }

  /** A container may have ended. */
  noteExit(containerId: string): void {
    for (const container of allContainers(this.#pod.spec)) {
      const slot = this.#slots.get(container.name ?? '');
      if (slot?.current?.id === containerId || slot?.busy === 'starting') {
        this.#track(this.#containers.observe(container, slot, containerId));
      }
    }
  }

  /** Images came or went: what waits for one does not wait for its back-off. */
  imagesChanged(): void {
    const waiting = [...this.#slots.values()].filter(({ problem }) => problem?.reason.startsWith('ErrImage'));
    for (const slot of waiting) {
      slot.problem = slot.problem === null ? null : { ...slot.problem, retryAtMs: 0 };
    }
    if (waiting.length > 0) this.#sync();
  }

  /** Looks at everything anew, in case a hint was lost, and brings volumes up to date with their sources. */
  resync(): void {
    this.#track(this.#refresh());
  }

  /** Stops working on the pod and leaves it as it is: the agent goes, the containers stay. */
  async drain(): Promise<void> {
    this.#life.abort(new Error('the agent is stopping'));
    this.#cancelWake();
    this.#snapshot.flush();
    for (const slot of this.#slots.values()) slot.stopProbes();
    await Promise.allSettled([...this.#tasks]);
    await this.#serial.idle();
  }

  #adopt(adopted: AdoptedPod): void {
    this.#config = adopted.config;
    if (adopted.sandbox?.ready === true) {
      const hostNetwork = this.#pod.spec?.hostNetwork === true;
      if (hostNetwork || adopted.attachment !== null) this.#sandbox = 'ready';
      this.#podIPs = hostNetwork ? this.#env.node.ips : (adopted.attachment?.ips ?? []);
    }
    const ordered = [...adopted.containers].sort((a, b) => a.attempt - b.attempt);
    for (const facts of ordered) {
      const instance = instanceOf(facts, '');
      if (instance !== null) this.#slots.get(facts.name)?.advance(instance);
    }
  }

  #noteDeletion(): void {
    const { deletionTimestamp, deletionGracePeriodSeconds } = this.#pod.metadata ?? {};
    if (deletionTimestamp === undefined) return;
    this.#end({ deleted: true, reason: '', message: '', graceSeconds: deletionGracePeriodSeconds ?? 0 });
  }

  /** Forward only: a deletion replaces another ending, and grace only shrinks. */
  #end(ending: Ending): void {
    const old = this.#ending;
    if (old?.deleted === true && ending.graceSeconds >= old.graceSeconds) return;
    if (old !== null && !ending.deleted) return;
    this.#ending = ending;
    for (const slot of this.#slots.values()) slot.stop?.shorten(ending.graceSeconds);
    this.#containers.cancelStarts();
    this.#sync();
  }

  #view(): PodView {
    return {
      sandbox: this.#sandbox,
      sandboxProblem: this.#sandboxProblem,
      podIPs: this.#podIPs,
      hostIPs: this.#env.node.ips,
      startTime: this.#startTime,
      containers: new Map([...this.#slots].map(([name, slot]) => [name, slot.view()])),
      ending: this.#ending,
    };
  }

  #sync(): void {
    if (this.#life.signal.aborted) return;
    const nowMs = this.#env.clock.now();
    const before = plan(this.pod, this.#view(), nowMs);
    for (const action of before.actions) this.#perform(action);
    announceBackoffs(this.#env, this.#pod, { slots: this.#slots, waiting: before.waiting });
    const view = this.#view();
    const after = before.actions.length === 0 ? before : plan(this.pod, view, nowMs);
    this.#report(podStatus(this.pod, view, { plan: after, nowMs, runtimeName: this.#env.node.runtimeName }));
    this.#cancelWake();
    const wakeAtMs = Math.min(after.wakeAtMs ?? Infinity, this.#finishAtMs > nowMs ? this.#finishAtMs : Infinity);
    if (wakeAtMs !== Infinity) {
      this.#cancelWake = this.#env.clock.setTimer(() => this.#sync(), Math.max(1, wakeAtMs - nowMs));
    }
  }

  #report(status: corev1.PodStatus): void {
    if (this.#statusIsHistory) return;
    this.#status = status;
    // First to disk: an agent that is killed now must not come back knowing less than the server.
    this.#snapshot.note();
    if (this.#heard) this.#env.statuses.put(this.#pod, status);
  }

  /** Null before anything is made, and while the folder of the pod goes: nothing may bring it back. */
  #snapshotNow(): PodSnapshot | null {
    if (this.#sandbox === 'absent' || (this.#sandbox === 'releasing' && this.#ending?.deleted === true)) return null;
    return { pod: this.pod, config: this.#config, startTime: this.#startTime };
  }

  #perform(action: Action): void {
    switch (action.kind) {
      case 'prepare':
        this.#sandbox = 'preparing';
        this.#track(this.#prepare());
        return;
      case 'start':
        this.#withContainer(action.container, (container, slot) => this.#containers.start(container, slot, action));
        return;
      case 'stop':
        this.#withContainer(action.container, (container, slot) => this.#containers.stop(container, slot, action));
        return;
      case 'end': {
        const graceSeconds = this.#pod.spec?.terminationGracePeriodSeconds ?? 30;
        this.#env.events.record(this.#pod, 'Normal', action.reason, action.message);
        queueMicrotask(() => this.evict(action.reason, action.message, graceSeconds));
        return;
      }
      case 'release':
        this.#takeDown('released');
        return;
      case 'finish':
        this.#takeDown('gone');
        return;
    }
  }

  #withContainer(name: string, task: (container: corev1.Container, slot: ContainerSlot) => Promise<void>): void {
    const container = allContainers(this.#pod.spec).find((candidate) => candidate.name === name);
    const slot = this.#slots.get(name);
    if (container !== undefined && slot !== undefined) this.#track(task(container, slot));
  }

  async #prepare(): Promise<void> {
    const place = { pod: this.#pod, paths: this.paths };
    try {
      this.#config = await this.#readConfig();
      this.#snapshot.write();
      this.#containers.warm();
      const sources = { pod: this.#pod, config: this.#config, fields: this.#fields() };
      const sandbox = this.#env.starts.run('begin', () =>
        this.#serial.run(() => makeSandbox(this.#env, place, this.#life.signal)),
      );
      const volumes = this.#volumes.setUp(sources);
      const [made, mounted] = await Promise.allSettled([sandbox, volumes]);
      if (made.status === 'rejected') throw made.reason;
      this.#podIPs = made.value;
      if (mounted.status === 'rejected') throw mounted.reason;
      writeNetworkFiles(this.#env, place, this.#podIPs);
      this.#sandbox = 'ready';
      this.#sandboxProblem = null;
      this.#failures = 0;
    } catch (err) {
      if (this.#life.signal.aborted) return;
      this.#sandbox = 'absent';
      this.#failures += 1;
      const message = errorMessage(err);
      const mount = err instanceof VolumeError;
      const reason = mount ? 'FailedMount' : 'FailedCreatePodSandBox';
      this.#env.events.record(
        this.#pod,
        'Warning',
        reason,
        mount ? message : `Failed to create pod sandbox: ${message}`,
      );
      this.#env.log.warn({ ...this.#logFields(), err }, 'pod not prepared');
      const retryAtMs = this.#env.clock.now() + backoffMs(RETRY, this.#failures);
      this.#sandboxProblem = { reason, message, retryAtMs };
    }
  }

  #takeDown(to: 'released' | 'gone'): void {
    const nowMs = this.#env.clock.now();
    if (this.#finishAtMs > nowMs) return;
    this.#sandbox = 'releasing';
    this.#track(this.#takeDownNow(to));
  }

  async #takeDownNow(to: 'released' | 'gone'): Promise<void> {
    for (const slot of this.#slots.values()) slot.stopProbes();
    try {
      if (to === 'released') {
        await this.#serial.run(() => releasePod(this.#env, this.uid, this.paths));
        this.#sandbox = 'released';
      } else {
        this.#snapshot.cancel();
        await Promise.all([
          this.#serial.run(() => tearDownPod(this.#env, this.uid, this.paths, runIds(this.uid, this.#slots.values()))),
          this.#env.statuses.flush(this.uid, this.#life.signal),
        ]);
        await deletePodObject(this.#env, this.#pod, this.#life.signal);
        this.#env.statuses.forget(this.uid);
        this.#life.abort();
        this.#onFinished(this);
      }
      this.#failures = 0;
    } catch (err) {
      if (this.#life.signal.aborted) return;
      this.#failures += 1;
      this.#sandbox = 'absent';
      this.#finishAtMs = this.#env.clock.now() + backoffMs(RETRY, this.#failures);
      if (this.#failures === 1) {
        this.#env.events.record(this.#pod, 'Warning', 'FailedKillPod', `error killing pod: ${errorMessage(err)}`);
      }
      this.#env.log.warn({ ...this.#logFields(), err }, 'pod not taken down, trying again');
    }
  }

  async #refresh(): Promise<void> {
    for (const container of allContainers(this.#pod.spec)) {
      const slot = this.#slots.get(container.name ?? '');
      if (slot?.current?.state === 'running') await this.#containers.observe(container, slot, slot.current.id);
    }
    if (this.#sandbox !== 'ready' || this.#ending !== null) return;
    const config = await this.#readConfig();
    const changed = !sameConfig(config, this.#config);
    this.#config = config;
    if (this.#volumes.ready) await this.#volumes.refresh({ pod: this.#pod, config, fields: this.#fields() });
    if (changed) this.#snapshot.write();
  }

  async #readConfig(): Promise<PodConfig> {
    return readPodConfig(this.#env.client, this.#pod, this.#config, this.#life.signal);
  }

  #fields(): FieldContext {
    const { ips, name, allocatable } = this.#env.node;
    return { pod: this.#pod, podIPs: this.#podIPs, hostIPs: ips, nodeName: name, allocatable };
  }

  #logFields(): object {
    const { namespace, name } = this.#pod.metadata ?? {};
    return { namespace, name, uid: this.uid };
  }

  /** Runs a task to its end and looks again after it. Tasks handle their own failures; one that does not is a bug. */
  #track(task: Promise<void>): void {
    const tracked = task
      .catch((err: unknown) => {
        if (!this.#life.signal.aborted) this.#env.log.error({ ...this.#logFields(), err }, 'pod task failed');
      })
      .finally(() => {
        this.#tasks.delete(tracked);
        this.#sync();
      });
    this.#tasks.add(tracked);
  }
}
