/** Runs the scheduler over one client. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { EventRecorder } from '../../lib/events.ts';
import type { Informer } from '../../lib/informer.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { type LeaderPartOptions, leaderPart } from '../controllers/leader-part.ts';
import { Binder } from './binder.ts';
import type { SchedulerPlugin } from './plugin.ts';
import { PodConditionWriter } from './pod-conditions.ts';
import { PLUGINS } from './registry.ts';
import { Scheduler } from './scheduler.ts';

const NAME = 'default-scheduler';
/** Milliseconds after which waiting pods are looked at though nothing was seen to help: an event is a hint, not a proof. */
const RESYNC_MS = 60_000;

/** What {@link runScheduler} may be given. */
export interface RunSchedulerOptions extends LeaderPartOptions {
  /** Which plugins; all of the registry unless said. */
  readonly plugins?: readonly SchedulerPlugin[];
}

/**
 * Runs until `signal` aborts. Only the leader may run it. Scheduling begins when the caches hold every node and every pod,
 * so that what was bound before is counted.
 */
export async function runScheduler(
  client: ResourceClient,
  options: RunSchedulerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { log } = options;
  const { clock, informers, runInformers } = leaderPart(client, options, signal);
  const nodes = informers.of(KINDS.Node);
  const pods = informers.of(KINDS.Pod);
  const recorder = new EventRecorder({ client, component: NAME, clock, log });
  const conditions = new PodConditionWriter(client, { clock, log });
  const scheduler = new Scheduler({
    plugins: options.plugins ?? PLUGINS,
    clock,
    events: {
      scheduled: ({ pod }, node) => {
        const { namespace, name } = pod.metadata ?? {};
        recorder.record(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${node}`);
      },
      unschedulable: (queued, message) => {
        recorder.record(queued.pod, 'Warning', 'FailedScheduling', message);
        conditions.unschedulable(queued, message);
      },
      failed: ({ pod }, err) => {
        const { namespace, name } = pod.metadata ?? {};
        log.warn({ namespace, name, err }, 'cannot bind pod');
        recorder.record(pod, 'Warning', 'FailedScheduling', `binding rejected: ${errorMessage(err)}`);
      },
    },
  });
  const removeHandlers = [follow(nodes, scheduler), followPods(pods, scheduler)];
  const binder = new Binder(client, clock, scheduler);
  await Promise.all([recorder.run(signal), conditions.run(signal), runInformers(), start()]);
  for (const remove of removeHandlers) remove();

  async function start(): Promise<void> {
    try {
      await Promise.all([nodes.synced(signal), pods.synced(signal)]);
    } catch (err) {
      if (signal.aborted) return;
      throw err;
    }
    log.info({ nodes: nodes.size, pods: pods.size }, 'scheduler started');
    options.onReady?.();
    const cancelResync = resync(scheduler, clock);
    await scheduler.run(binder, signal);
    cancelResync();
  }
}

type Nodes = Informer<corev1.Node>;
type Pods = Informer<corev1.Pod>;

function follow(nodes: Nodes, scheduler: Scheduler): () => void {
  return nodes.addHandler({
    onAdd: (node) => scheduler.happened(scheduler.cluster.setNode(node)),
    onUpdate: (_, node) => scheduler.happened(scheduler.cluster.setNode(node)),
    onDelete: (node) => scheduler.cluster.removeNode(node.metadata?.name ?? ''),
  });
}

function followPods(pods: Pods, scheduler: Scheduler): () => void {
  const gone = (pod: corev1.Pod): void => {
    const uid = pod.metadata?.uid ?? '';
    scheduler.queue.remove(uid);
    if (scheduler.cluster.removePod(uid)) scheduler.happened(['pod-gone']);
  };
  const seen = (pod: corev1.Pod): void => {
    const { phase } = pod.status ?? {};
    if (phase === 'Succeeded' || phase === 'Failed') {
      gone(pod);
    } else if ((pod.spec?.nodeName ?? '') !== '') {
      scheduler.queue.remove(pod.metadata?.uid ?? '');
      scheduler.cluster.setPod(pod);
    } else if (isForUs(pod)) {
      scheduler.queue.add(pod);
    } else {
      scheduler.queue.remove(pod.metadata?.uid ?? '');
    }
  };
  return pods.addHandler({
    onAdd: seen,
    onUpdate: (old, pod) => {
      // Most changes of bound pods are of their status and move nothing here.
      const sameSpec =
        old.metadata?.generation === pod.metadata?.generation && old.spec?.nodeName === pod.spec?.nodeName;
      const bound = (pod.spec?.nodeName ?? '') !== '';
      if (bound && sameSpec && pod.metadata?.generation !== undefined && old.status?.phase === pod.status?.phase)
        return;
      seen(pod);
    },
    onDelete: gone,
  });
}

/** Whether the pod is to be scheduled, by us, now. */
function isForUs({ metadata, spec }: corev1.Pod): boolean {
  const scheduler = spec?.schedulerName ?? '';
  return (
    metadata?.deletionTimestamp === undefined &&
    (scheduler === '' || scheduler === NAME) &&
    (spec?.schedulingGates ?? []).length === 0
  );
}

function resync(scheduler: Scheduler, clock: Clock): () => void {
  let cancel = (): void => undefined;
  const plan = (): void => {
    cancel = clock.setTimer(() => {
      if (scheduler.queue.waitingTemplates().length > 0) scheduler.happened(['node-added', 'pod-gone']);
      plan();
    }, RESYNC_MS);
  };
  plan();
  return () => cancel();
}
