/**
 * The dead-man: a promise that this node's stateful pods are dead so many seconds after its last renewal, kept by a watchdog that
 * needs no agent. With it another node may have them without anybody being asked.
 *
 *   arm:     the pods listed, the watchdog running → the renewals carry the promise → each that the server took feeds
 *   fire:    not fed for the deadline: the watchdog ends the pods, and whatever is started in their cgroups after
 *   return:  a renewal is taken again → each stateful pod is asked for anew, and only one that is to stay is started
 *   disarm:  a renewal without the promise is taken → the watchdog goes. Never before: the promise holds until it is taken back.
 *
 * What feeds is the time *before* the renewal was sent, so the watchdog's deadline is never later than the one the control plane counts.
 *
 * Why no pod runs twice: see `control-plane/controllers/fencing/fencing.ts`. This side's half is {@link DeadMan.refusesStart}: after
 * the deadline has passed once, a pod is started only after a renewal was taken and then the pod read as not being deleted.
 */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { DEAD_MAN_ANNOTATION, isFenceable } from '../../lib/fencing.ts';
import { Informer } from '../../lib/informer.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import type { AttachedPod, FeatureCondition, NodeFeature, OnFeatureChange } from '../features/node-feature.ts';
import type { LeaseCompanion, PreparedRenewal } from '../node/node-lease.ts';
import type { AgentLog } from '../pods/environment.ts';
import type { DeadManFiles } from './dead-man-files.ts';
import type { Watchdog } from './watchdog.ts';

/** What the dead-man is made of. */
export interface DeadManParts {
  readonly node: string;
  /** Undefined: no dead-man is asked for; one that an earlier agent armed is let go in order. */
  readonly seconds: number | undefined;
  readonly files: DeadManFiles;
  readonly watchdog: Watchdog;
  /** The folders of a pod's cgroups. */
  readonly cgroupFolders: (pod: corev1.Pod) => readonly string[];
  /** Seconds since the machine's boot, with the time it was suspended. */
  readonly uptimeSeconds: () => number;
  readonly client: ResourceClient;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly changed: OnFeatureChange;
}

/** A renewal waits no longer than this for the dead-man to be armed. */
const ARM_LIMIT_MS = 2_000;
/** Lists of pods that are gone are cleared away once in so many renewals. */
const SWEEP_EVERY = 20;

const OFF: Verdict = { armed: false, reason: 'Off', message: 'the agent runs without --dead-man' };
const STARTING: Verdict = { armed: false, reason: 'Starting', message: 'no renewal was taken yet' };

interface Verdict {
  readonly armed: boolean;
  readonly reason: string;
  readonly message: string;
}

/** See the top of the file. */
export class DeadMan implements NodeFeature, LeaseCompanion {
  readonly name = 'dead-man';
  readonly renewals = this;
  readonly #parts: DeadManParts;
  readonly #pods: Informer<corev1.Pod>;
  /** A renewal with the promise was taken, by us or by an earlier agent, and none without it since. */
  #promised: boolean;
  /** A renewal was taken since this agent began. */
  #renewed = false;
  /** Uids of pods read as not being deleted since the deadline passed last, or since this agent began. */
  readonly #confirmed = new Set<string>();
  readonly #confirming = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #verdict: Verdict;
  #renewals = 0;

  constructor(parts: DeadManParts) {
    this.#parts = parts;
    const { client, clock, log, node, files, seconds } = parts;
    this.#pods = new Informer({
      client,
      type: KINDS.Pod,
      select: { fieldSelector: `spec.nodeName=${node}` },
      clock,
      log,
    });
    this.#promised = files.readFeeding() !== undefined;
    this.#verdict = seconds === undefined ? OFF : STARTING;
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#stop.abort(), { once: true });
    if (this.#parts.seconds === undefined) return;
    const off = this.#pods.addHandler({
      onAdd: (pod) => this.#follow(pod),
      onUpdate: (_, pod) => this.#follow(pod),
    });
    await this.#pods.run(signal);
    off();
  }

  conditions(): readonly FeatureCondition[] {
    const { armed, reason, message } = this.#verdict;
    return [{ type: 'DeadManArmed', status: armed ? 'True' : 'False', reason, message }];
  }

  /** Before each renewal; see {@link LeaseCompanion}. */
  async beforeRenewal(signal: AbortSignal): Promise<PreparedRenewal> {
    const { seconds, uptimeSeconds } = this.#parts;
    const problem = seconds === undefined ? OFF : await this.#arm(seconds, signal);
    const sentSeconds = uptimeSeconds();
    if (seconds === undefined || problem !== undefined) {
      return {
        annotations: { [DEAD_MAN_ANNOTATION]: undefined },
        renewed: () => this.#takenWithout(problem ?? OFF, sentSeconds),
      };
    }
    // From here on: a renewal whose answer is lost may have been taken.
    this.#promised = true;
    return {
      annotations: { [DEAD_MAN_ANNOTATION]: String(seconds) },
      renewed: () => {
        this.#feed(sentSeconds, seconds);
        this.#say({ armed: true, reason: 'Armed', message: `stateful pods end ${seconds} s after the last renewal` });
      },
    };
  }

  /** Why no container of the pod may be started now. Lists its cgroups for the watchdog before it agrees. */
  refusesStart(pod: corev1.Pod): string | undefined {
    if (!isFenceable(pod)) return undefined;
    const { files, cgroupFolders, seconds, uptimeSeconds } = this.#parts;
    const uid = pod.metadata?.uid ?? '';
    if (seconds !== undefined) files.listPod(uid, cgroupFolders(pod));
    if (!this.#promised) return undefined;
    const feeding = files.readFeeding();
    if (feeding === undefined || uptimeSeconds() - feeding.fedSeconds >= feeding.deadlineSeconds) {
      return 'the node has not reached its control plane for so long that another may have been given this stateful pod';
    }
    if (this.#confirmed.has(uid)) return undefined;
    void this.#confirm(pod, this.#stop.signal);
    return 'the control plane has not said yet that this stateful pod is still to run here';
  }

  /** Asks before the first start, so that it is not refused first. */
  async podAttached({ pod }: AttachedPod, signal: AbortSignal): Promise<void> {
    if (!isFenceable(pod) || !this.#promised || this.#confirmed.has(pod.metadata?.uid ?? '')) return;
    await this.#confirm(pod, signal);
  }

  /** With the agent stopped and its pods gone: the watchdog goes, too. */
  async teardown(): Promise<void> {
    await this.#parts.watchdog.stop(new AbortController().signal);
    this.#parts.files.remove();
  }

  /** Undefined when armed; otherwise why not. */
  async #arm(seconds: number, signal: AbortSignal): Promise<Verdict | undefined> {
    const { files, watchdog, cgroupFolders, uptimeSeconds, log, clock } = this.#parts;
    const enough = new AbortController();
    const cancel = clock.setTimer(() => enough.abort(), ARM_LIMIT_MS);
    const limit = AbortSignal.any([signal, enough.signal]);
    try {
      // Which pods run here must be known, also those that an agent without dead-man started.
      if (!this.#pods.hasSynced) await this.#pods.synced(limit);
      for (const pod of this.#pods.list()) {
        if (isFenceable(pod)) files.listPod(pod.metadata?.uid ?? '', cgroupFolders(pod));
      }
      if (watchdog.isWatching()) return undefined;
      files.prepare();
      const old = files.readFeeding();
      // One from the future is of an earlier boot. Otherwise, while a promise stands, it counts from the renewal that made it, and
      // may have been broken meanwhile.
      if (old === undefined || old.fedSeconds > uptimeSeconds() || !this.#promised) {
        files.feed({ fedSeconds: uptimeSeconds(), deadlineSeconds: seconds });
      }
      await watchdog.start(limit);
      return undefined;
    } catch (err) {
      if (signal.aborted) return STARTING;
      if (enough.signal.aborted) {
        return { armed: false, reason: 'PodsUnknown', message: 'the pods of this node are not known yet' };
      }
      if (this.#verdict.reason !== 'CannotStart') log.error({ node: this.#parts.node, err }, 'dead-man not armed');
      return { armed: false, reason: 'CannotStart', message: errorMessage(err) };
    } finally {
      cancel();
    }
  }

  /** The server took a renewal with the promise. */
  #feed(sentSeconds: number, deadlineSeconds: number): void {
    const { files, uptimeSeconds, clock, log, node } = this.#parts;
    try {
      const last = files.readFeeding();
      files.feed({ fedSeconds: sentSeconds, deadlineSeconds });
      const late = last !== undefined && uptimeSeconds() - last.fedSeconds >= last.deadlineSeconds;
      const isNews = late || files.hasFired || !this.#renewed;
      this.#renewed = true;
      if (late || files.hasFired) {
        log.warn({ node, fired: files.hasFired }, 'the dead-man fired, stateful pods are asked for anew');
        this.#confirmed.clear();
        this.#confirming.clear();
        files.clearFired();
      }
      // Ahead of their starts, which would be refused first otherwise.
      if (isNews) for (const pod of this.#pods.list()) if (isFenceable(pod)) void this.#confirm(pod, this.#stop.signal);
      this.#renewals += 1;
      if (this.#renewals % SWEEP_EVERY === 0) files.sweep(clock.now());
    } catch (err) {
      // Not fed means that the pods end: the watchdog decides.
      log.error({ node, err }, 'dead-man not fed');
    }
  }

  /** The server took a renewal without the promise: nobody counts on the pods' death any more. */
  #takenWithout(verdict: Verdict, sentSeconds: number): void {
    const { files, watchdog, seconds, log, node } = this.#parts;
    this.#promised = false;
    this.#renewed = true;
    this.#say(verdict);
    if (seconds !== undefined) {
      // It may be armed again at the next renewal.
      if (watchdog.isWatching()) this.#feed(sentSeconds, seconds);
      return;
    }
    if (files.readFeeding() === undefined) return;
    watchdog.stop(this.#stop.signal).then(
      () => files.remove(),
      (err: unknown) => log.warn({ node, err }, 'dead-man not let go'),
    );
  }

  /** Asks once at a time for the pod, once a renewal was taken. Never rejects. */
  async #confirm(pod: corev1.Pod, signal: AbortSignal): Promise<void> {
    const { client, log } = this.#parts;
    const { namespace, name = '', uid = '' } = pod.metadata ?? {};
    if (!this.#renewed) return;
    const running = this.#confirming.get(uid);
    if (running !== undefined) return running;
    const ask = async (): Promise<void> => {
      try {
        const found = await client.get(KINDS.Pod, { namespace, name }, signal);
        const stays = found.metadata?.uid === uid && found.metadata.deletionTimestamp === undefined;
        // An answer to a question from before the dead-man fired says nothing.
        if (stays && this.#confirming.get(uid) === asked) this.#confirmed.add(uid);
      } catch (err) {
        log.debug({ namespace, name, err }, 'stateful pod not confirmed');
      }
    };
    const asked = ask().finally(() => {
      if (this.#confirming.get(uid) === asked) this.#confirming.delete(uid);
    });
    this.#confirming.set(uid, asked);
    await asked;
  }

  #follow(pod: corev1.Pod): void {
    const { files, cgroupFolders, log } = this.#parts;
    const uid = pod.metadata?.uid ?? '';
    try {
      if (isFenceable(pod)) files.listPod(uid, cgroupFolders(pod));
      else files.unlistPod(uid);
    } catch (err) {
      log.error({ uid, err }, 'pod not listed for the dead-man');
    }
  }

  #say(verdict: Verdict): void {
    const { reason, message } = this.#verdict;
    if (verdict.reason === reason && verdict.message === message) return;
    this.#verdict = verdict;
    this.#parts.changed();
  }
}
