/**
 * Decides on nodes for pods: takes pods from the queue, asks the group of their template for the best node, reserves the
 * room at once in memory, and hands the decisions to the binder in batches. Does no I/O itself.
 */
import type { Clock } from '../../lib/clock.ts';
import { hasReason } from '../../lib/errors.ts';
import type { Binder, BinderEvents, Decision } from './binder.ts';
import { ClusterState } from './cluster-state.ts';
import type { ClusterEvent, SchedulerPlugin } from './plugin.ts';
import { podRequest } from './pod-request.ts';
import { type QueuedPod, SchedulingQueue } from './scheduling-queue.ts';
import { TemplateGroup, unfitMessage } from './template-group.ts';

/** Who is told what became of pods. */
export interface SchedulerEvents {
  scheduled(queued: QueuedPod, node: string): void;
  /** The pod fits nowhere; told once per message. */
  unschedulable(queued: QueuedPod, message: string): void;
  /** A decision could not be written. */
  failed(queued: QueuedPod, err: unknown): void;
}

/** Pods decided on before others get the processor. */
const BATCH = 256;
/** Templates remembered; the longest unused are forgotten. */
const GROUPS = 512;

/** See the top of the file. */
export class Scheduler implements BinderEvents {
  readonly cluster = new ClusterState();
  readonly queue: SchedulingQueue;
  readonly #plugins: readonly SchedulerPlugin[];
  readonly #events: SchedulerEvents;
  readonly #groups = new Map<string, TemplateGroup>();
  /** What happened since the waiting pods were last looked at. */
  readonly #happened = new Set<ClusterEvent>();

  constructor(options: {
    readonly plugins: readonly SchedulerPlugin[];
    readonly clock: Clock;
    readonly events: SchedulerEvents;
  }) {
    this.#plugins = options.plugins;
    this.#events = options.events;
    this.queue = new SchedulingQueue(options.clock);
  }

  /** Something happened that may let waiting pods fit. */
  happened(events: Iterable<ClusterEvent>): void {
    for (const event of events) this.#happened.add(event);
    if (this.#happened.size > 0) this.queue.nudge();
  }

  /** Decides until `signal` aborts and everything handed to the binder has been answered. */
  async run(binder: Binder, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#reconsider();
      const decisions = this.decide(BATCH);
      if (decisions.length > 0) await binder.submit(decisions, signal);
      if (this.queue.activeCount > 0) await new Promise((resolve) => setImmediate(resolve));
      else if (this.#happened.size === 0) await this.queue.wait(signal);
    }
    this.queue.close();
    await binder.drained();
  }

  /** Takes up to `count` pods and reserves room for those that fit. */
  decide(count: number): Decision[] {
    const decisions: Decision[] = [];
    for (const queued of this.queue.take(count)) {
      if (this.cluster.isPlaced(queued.uid)) continue;
      const group = this.#group(queued);
      const node = group.best();
      if (node === undefined) {
        this.#refuse(queued, group);
        continue;
      }
      this.cluster.reserve(queued.uid, node.name, group.template.request);
      decisions.push({ queued, node: node.name });
    }
    return decisions;
  }

  bound({ queued, node }: Decision): void {
    this.queue.remove(queued.uid);
    this.#events.scheduled(queued, node);
  }

  notBound({ queued }: Decision, err: unknown): void {
    this.cluster.unreserve(queued.uid);
    this.happened(['pod-gone']);
    if (!this.queue.has(queued.uid)) return;
    if (hasReason(err, 'NotFound')) {
      this.queue.remove(queued.uid);
      return;
    }
    if (!hasReason(err, 'Conflict')) this.#events.failed(queued, err);
    this.queue.retry(queued);
  }

  #refuse(queued: QueuedPod, group: TemplateGroup): void {
    const message = unfitMessage(group.unfit());
    this.queue.fittedNowhere(queued);
    if (queued.lastMessage === message) return;
    queued.lastMessage = message;
    this.#events.unschedulable(queued, message);
  }

  /** Makes waiting pods active when something happened that helps: a plugin says it may, and a node can in fact take one. */
  #reconsider(): void {
    if (this.#happened.size === 0) return;
    const happened = [...this.#happened];
    this.#happened.clear();
    for (const key of this.queue.waitingTemplates()) {
      const group = this.#groups.get(key);
      const helped =
        group === undefined || (happened.some((event) => group.mayBeHelpedBy(event)) && group.best() !== undefined);
      if (helped) this.queue.reconsider(key);
    }
  }

  #group(queued: QueuedPod): TemplateGroup {
    const key = queued.templateKey;
    let group = this.#groups.get(key);
    if (group === undefined) {
      const spec = queued.pod.spec ?? {};
      group = new TemplateGroup({ spec, request: podRequest(spec) }, this.cluster, this.#plugins);
    }
    // Most recently used last.
    this.#groups.delete(key);
    this.#groups.set(key, group);
    if (this.#groups.size > GROUPS) {
      for (const oldest of this.#groups.keys()) {
        this.#groups.delete(oldest);
        break;
      }
    }
    return group;
  }
}
