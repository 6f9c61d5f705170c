/** What a pod's worker does to one container at a time: start it, watch it, stop it, look how it ended. */
import { errorMessage } from '../../lib/errors.ts';
import type { corev1 } from '../../proto/index.ts';
import { ImageError } from '../images/image-store.ts';
import { pullPolicy } from '../images/pull-policy.ts';
import { ContainerProbes } from '../probes/container-probes.ts';
import { type ProbeTarget, runProbe } from '../probes/run-probe.ts';
import { type ContainerFacts, containerId, RuntimeError } from '../runtime/runtime.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { VolumeError } from '../volumes/volume.ts';
import { ContainerConfigError } from './container-env.ts';
import { ContainerImageError, ensureImage } from './container-image.ts';
import type { ContainerSlot } from './container-slot.ts';
import type { PodEnvironment } from './environment.ts';
import type { FieldContext } from './field-reference.ts';
import { endedUnknown, instanceOf } from './instances.ts';
import { runHook } from './lifecycle-hooks.ts';
import type { PodConfig } from './pod-config.ts';
import type { Instance } from './pod-state.ts';
import type { PodPlace } from './prepare-pod.ts';
import type { SerialTasks } from './serial-tasks.ts';
import { createContainer, logPath, terminationFile } from './start-container.ts';
import { ContainerStop } from './stop-container.ts';
import { terminationMessage } from './termination-message.ts';

/** What the tasks need of their worker. */
export interface ContainerTasksOptions {
  readonly env: PodEnvironment;
  readonly place: () => PodPlace;
  readonly serial: SerialTasks;
  readonly signal: AbortSignal;
  readonly volumes: PodVolumes;
  readonly fields: () => FieldContext;
  readonly readConfig: () => Promise<PodConfig>;
  /** Where probes and hooks reach the pod. */
  readonly host: () => string;
  readonly changed: () => void;
}

/** What could not be made is tried again after this. */
const RETRY_MS = 5000;

/** Every task marks its slot busy before its first wait, and handles its own failures. */
export class ContainerTasks {
  readonly #options: ContainerTasksOptions;
  #starting = new AbortController();

  constructor(options: ContainerTasksOptions) {
    this.#options = options;
  }

  /** Gives up pulls and postStart hooks that are under way. */
  cancelStarts(): void {
    this.#starting.abort(new Error('the pod is ending'));
  }

  /** Mounts ahead what the first containers will stand on, while the sandbox is made. A failure shows at the start. */
  warm(): void {
    const { env, place, signal } = this.#options;
    const { pod } = place();
    const first = pod.spec?.initContainers?.slice(0, 1) ?? [];
    for (const container of first.length > 0 ? first : (pod.spec?.containers ?? [])) {
      if (pullPolicy(container) === 'Always') continue;
      const mount = async (): Promise<void> => {
        const image = await env.images.resolve(container.image ?? '');
        if (image === undefined || signal.aborted) return;
        await env.images.mountRootfs(image, containerId(pod.metadata?.uid ?? '', container.name ?? '', 0));
      };
      this.#warming.push(mount().catch(() => undefined));
    }
  }
  readonly #warming: Promise<void>[] = [];

  /** Makes and starts a run. */
  async start(
    container: corev1.Container,
    slot: ContainerSlot,
    run: { readonly attempt: number; readonly backoffMs: number },
  ): Promise<void> {
    const { env, serial } = this.#options;
    slot.busy = 'starting';
    const signal = AbortSignal.any([this.#options.signal, this.#starting.signal]);
    try {
      const place = this.#options.place();
      const { pod } = place;
      const fieldPath = fieldPathOf(pod, container);
      this.#checkMayStart(pod);
      const config = await this.#options.readConfig();
      const image = await ensureImage(env, { pod, container, config, fieldPath, signal });
      slot.pullFailures = 0;
      await Promise.all(this.#warming.splice(0));
      const fields = this.#options.fields();
      const { volumes } = this.#options;
      const make = async (): Promise<ContainerFacts> => {
        signal.throwIfAborted();
        // Pulling the image may have taken long.
        this.#checkMayStart(pod);
        if (!volumes.ready) await volumes.setUp({ pod, config, fields });
        const { attempt, backoffMs } = run;
        const request = { ...place, container, attempt, backoffMs, image, config, fields, volumes };
        const created = await createContainer(env, request);
        env.events.record(pod, 'Normal', 'Created', `Created container: ${container.name}`, fieldPath);
        signal.throwIfAborted();
        const started = await env.runtime.startContainer(created.id);
        env.events.record(pod, 'Normal', 'Started', `Started container ${container.name}`, fieldPath);
        return started;
      };
      const facts = await env.starts.run('finish', () => serial.run(make));
      this.#took(container, slot, facts);
      await this.#afterStart(container, slot, signal);
    } catch (err) {
      if (!this.#options.signal.aborted) await this.#startFailed(container, slot, run, err);
    } finally {
      slot.busy = null;
    }
  }

  #checkMayStart(pod: corev1.Pod): void {
    const refused = this.#options.env.hooks?.refusesStart(pod);
    if (refused !== undefined) throw new ContainerConfigError('StartRefused', refused);
  }

  /** Probes a running container; `known` is what was true before the agent was restarted. */
  watch(
    container: corev1.Container,
    slot: ContainerSlot,
    known?: { readonly started: boolean; readonly ready: boolean },
  ): void {
    const { env, place, host, changed } = this.#options;
    const { current } = slot;
    slot.stopProbes();
    slot.probes = null;
    if (current === null || !hasProbes(container)) return;
    const target: ProbeTarget = { containerId: current.id, container, host: host() };
    slot.probes = new ContainerProbes({
      container,
      wheel: env.wheel,
      clock: env.clock,
      startedAtMs: Date.parse(current.startedAt ?? '') || env.clock.now(),
      ...(known === undefined ? {} : { initial: known }),
      look: (probe, timeoutMs, signal) => runProbe(env.runtime, target, probe, { timeoutMs, signal }),
      onChange: changed,
      onFailure: (kind, message) => {
        const { pod } = place();
        const name = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' }[kind];
        env.events.record(pod, 'Warning', 'Unhealthy', `${name} probe failed: ${message}`, fieldPathOf(pod, container));
      },
    });
    slot.probes.start();
  }

  /** Stops the current run. */
  async stop(
    container: corev1.Container,
    slot: ContainerSlot,
    how: { readonly graceSeconds: number; readonly message: string },
  ): Promise<void> {
    const { env, place, signal } = this.#options;
    const { current } = slot;
    if (current === null) return;
    slot.busy = 'stopping';
    const { pod } = place();
    const fieldPath = fieldPathOf(pod, container);
    env.events.record(pod, 'Normal', 'Killing', how.message, fieldPath);
    slot.stopProbes();
    const hook = container.lifecycle?.preStop;
    const target: ProbeTarget = { containerId: current.id, container, host: this.#options.host() };
    slot.stop = new ContainerStop({
      runtime: env.runtime,
      clock: env.clock,
      id: current.id,
      graceSeconds: how.graceSeconds,
      withdraw: pod.metadata?.deletionTimestamp === undefined ? null : (limit) => env.hooks?.withdraw(pod, limit),
      preStop:
        hook === undefined || current.state !== 'running' || current.lost
          ? null
          : (limit) => runHook(hook, target, { runtime: env.runtime, clock: env.clock, signal: limit }),
      onHookFailure: (message) => {
        env.events.record(pod, 'Warning', 'FailedPreStopHook', `PreStopHook failed: ${message}`, fieldPath);
      },
    });
    try {
      if (current.state === 'created') {
        // Nothing of it has run: there is nobody to ask.
        await this.#options.serial.run(() => env.runtime.removeContainer(current.id));
        slot.current = { ...current, state: 'exited', exitCode: 137, reason: 'Error', finishedAt: this.#nowIso() };
        return;
      }
      const facts = await slot.stop.run(signal);
      await this.#ended(container, slot, current, facts);
    } catch (err) {
      if (signal.aborted) return;
      env.log.warn({ container: container.name, uid: pod.metadata?.uid, err }, 'container not stopped, trying again');
    } finally {
      slot.busy = null;
      slot.stop = null;
    }
  }

  /** Reads how a run is, after a hint that it may have ended. */
  async observe(container: corev1.Container, slot: ContainerSlot, id: string): Promise<void> {
    const { env, serial } = this.#options;
    // Behind a start that is under way: its result comes first.
    const facts = await serial.run(() => env.runtime.inspect(id));
    const { current } = slot;
    if (current === null || current.id !== id || slot.busy === 'stopping') return;
    if (current.state === 'exited' && current.message !== '') return;
    if (facts === null || facts.state === 'exited' || facts.state === 'lost') {
      await this.#ended(container, slot, current, facts);
      this.#options.changed();
    }
  }

  #took(container: corev1.Container, slot: ContainerSlot, facts: ContainerFacts): void {
    const instance = instanceOf(facts, '');
    if (instance === null) return;
    const forgotten = slot.current?.attempt === instance.attempt ? null : slot.previous;
    slot.advance(instance);
    slot.problem = null;
    slot.hookDone = container.lifecycle?.postStart === undefined;
    if (forgotten !== null && forgotten.id !== instance.id) void this.#discard(forgotten, 'whole');
    if (slot.previous !== null) void this.#discard(slot.previous, 'rootfs');
    this.watch(container, slot);
    this.#options.changed();
  }

  async #afterStart(container: corev1.Container, slot: ContainerSlot, signal: AbortSignal): Promise<void> {
    const { env, place, host } = this.#options;
    const hook = container.lifecycle?.postStart;
    const { current } = slot;
    if (hook === undefined || current === null) return;
    const target: ProbeTarget = { containerId: current.id, container, host: host() };
    try {
      await runHook(hook, target, { runtime: env.runtime, clock: env.clock, signal });
      slot.hookDone = true;
    } catch (err) {
      if (signal.aborted) return;
      const { pod } = place();
      env.events.record(
        pod,
        'Warning',
        'FailedPostStartHook',
        `PostStartHook failed: ${errorMessage(err)}`,
        fieldPathOf(pod, container),
      );
      slot.busy = null;
      const graceSeconds = pod.spec?.terminationGracePeriodSeconds ?? 30;
      await this.stop(container, slot, { graceSeconds, message: 'FailedPostStartHook' });
    }
  }

  /** Takes in the end of a run. */
  async #ended(
    container: corev1.Container,
    slot: ContainerSlot,
    run: Instance,
    facts: ContainerFacts | null,
  ): Promise<void> {
    if (facts?.state === 'lost' && facts.process !== null) {
      if (slot.current?.id === run.id) slot.current = { ...run, lost: true };
      return;
    }
    const known = facts === null || facts.state === 'lost' ? null : instanceOf(facts, '');
    const ended = known?.state === 'exited' ? known : endedUnknown(run, this.#nowIso());
    const place = this.#options.place();
    const name = container.name ?? '';
    const message = await terminationMessage(container, {
      file: terminationFile(place, name, run.attempt),
      logPath: logPath(place, name, run.attempt),
      failed: ended.exitCode !== 0,
    });
    if (slot.current?.id !== run.id) return;
    slot.current = message === '' ? ended : { ...ended, message };
    slot.stopProbes();
    slot.probes = null;
  }

  async #startFailed(
    container: corev1.Container,
    slot: ContainerSlot,
    run: { readonly attempt: number; readonly backoffMs: number },
    err: unknown,
  ): Promise<void> {
    const { env, place } = this.#options;
    const { pod } = place();
    const nowMs = env.clock.now();
    const fieldPath = fieldPathOf(pod, container);
    if (this.#starting.signal.aborted) {
      await this.#undo(container, slot, run);
      return;
    }
    if (err instanceof ContainerImageError) {
      slot.pullFailures += 1;
      slot.problem = err.problem(container.image ?? '', slot.pullFailures, nowMs);
      return;
    }
    const message = errorMessage(err);
    env.log.warn(
      { namespace: pod.metadata?.namespace, name: pod.metadata?.name, container: container.name, err },
      'container not started',
    );
    if (err instanceof VolumeError) {
      env.events.record(pod, 'Warning', 'FailedMount', message);
      slot.problem = { reason: 'CreateContainerConfigError', message, retryAtMs: nowMs + RETRY_MS };
      return;
    }
    env.events.record(pod, 'Warning', 'Failed', `Error: ${message}`, fieldPath);
    if (err instanceof RuntimeError && err.code === 'CannotRun') {
      await this.#undo(container, slot, run);
      slot.advance(this.#startError(container, run, message));
      slot.problem = null;
      return;
    }
    const reason =
      err instanceof ContainerConfigError
        ? err.reason
        : err instanceof ImageError
          ? 'CreateContainerError'
          : 'RunContainerError';
    slot.problem = { reason, message, retryAtMs: nowMs + RETRY_MS };
  }

  /** A run that never came to be, as Kubernetes shows it: ended at once with code 128. */
  #startError(
    container: corev1.Container,
    run: { readonly attempt: number; readonly backoffMs: number },
    message: string,
  ): Instance {
    const { env, place } = this.#options;
    const id = containerId(place().pod.metadata?.uid ?? '', container.name ?? '', run.attempt);
    return {
      id,
      attempt: run.attempt,
      backoffMs: run.backoffMs,
      state: 'exited',
      startedAt: null,
      finishedAt: new Date(env.clock.now()).toISOString(),
      exitCode: 128,
      reason: 'StartError',
      message,
      specImage: container.image ?? '',
      image: container.image ?? '',
      imageID: '',
      lost: false,
    };
  }

  async #undo(container: corev1.Container, slot: ContainerSlot, run: { readonly attempt: number }): Promise<void> {
    const id = containerId(this.#options.place().pod.metadata?.uid ?? '', container.name ?? '', run.attempt);
    const { env, serial } = this.#options;
    // A start that was cut short after the command began is a run like any other: it will be stopped as one.
    const facts = await serial.run(() => env.runtime.inspect(id)).catch(() => null);
    const instance = facts === null ? null : instanceOf(facts, '');
    if (instance?.state === 'running') {
      slot.advance(instance);
      return;
    }
    await serial.run(() => env.runtime.removeContainer(id)).catch(() => undefined);
    await env.images.unmountRootfs(id).catch(() => undefined);
    if (slot.current?.id === id) slot.current = null;
  }

  /** An older run: its root folder goes when the next one is there, the rest when it is the last but one. */
  async #discard(instance: Instance, how: 'rootfs' | 'whole'): Promise<void> {
    const { env, serial, signal } = this.#options;
    try {
      await serial.run(async () => {
        if (signal.aborted) return;
        if (how === 'whole') await env.runtime.removeContainer(instance.id);
        await env.images.unmountRootfs(instance.id);
      });
    } catch (err) {
      env.log.warn({ container: instance.id, err }, 'old container not removed');
    }
  }

  #nowIso(): string {
    return new Date(this.#options.env.clock.now()).toISOString();
  }
}

function hasProbes({ startupProbe, livenessProbe, readinessProbe }: corev1.Container): boolean {
  return startupProbe !== undefined || livenessProbe !== undefined || readinessProbe !== undefined;
}

/** Which part of the pod an event is about. */
function fieldPathOf(pod: corev1.Pod, container: corev1.Container): string {
  const init = (pod.spec?.initContainers ?? []).some(({ name }) => name === container.name);
  return `spec.${init ? 'initContainers' : 'containers'}{${container.name}}`;
}
