/** Tells pods that they fit nowhere: the condition PodScheduled, written in the background, the newest message only. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type Clock, rfc3339 } from '../../lib/clock.ts';
import { hasReason } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import type { QueuedPod } from './scheduling-queue.ts';

const WRITERS = 8;

/** The part of a pino logger it needs. */
interface ConditionLog {
  warn(fields: object, message: string): void;
}

/** See the top of the file. */
export class PodConditionWriter {
  readonly #client: ResourceClient;
  readonly #clock: Clock;
  readonly #log: ConditionLog;
  readonly #pending = new Map<string, { readonly queued: QueuedPod; readonly message: string }>();
  #wake: () => void = () => undefined;

  constructor(client: ResourceClient, options: { readonly clock: Clock; readonly log: ConditionLog }) {
    this.#client = client;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Asks for the condition to be written. */
  unschedulable(queued: QueuedPod, message: string): void {
    this.#pending.set(queued.uid, { queued, message });
    this.#wake();
  }

  /** Writes until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wake();
    signal.addEventListener('abort', onAbort, { once: true });
    while (!signal.aborted) {
      if (this.#pending.size === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = () => undefined;
        continue;
      }
      const batch = [...this.#pending.values()].values();
      this.#pending.clear();
      await Promise.all(
        Array.from({ length: WRITERS }, async () => {
          for (const { queued, message } of batch) await this.#write(queued, message, signal);
        }),
      );
    }
    signal.removeEventListener('abort', onAbort);
  }

  async #write(queued: QueuedPod, message: string, signal: AbortSignal): Promise<void> {
    const { pod } = queued;
    const old = pod.status?.conditions?.find((c) => c.type === 'PodScheduled');
    if (old?.status === 'False' && old.message === message) return;
    const condition: corev1.PodCondition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: old?.status === 'False' ? old.lastTransitionTime : rfc3339(this.#clock.now()),
    };
    const others = (pod.status?.conditions ?? []).filter((c) => c.type !== 'PodScheduled');
    const status = { ...pod.status, conditions: [...others, condition] };
    try {
      await this.#client.update(KINDS.Pod, { ...pod, status }, { subresource: 'status', signal });
    } catch (err) {
      if (signal.aborted || hasReason(err, 'NotFound')) return;
      // The pod changed: tell it again when it is tried next.
      queued.lastMessage = '';
      if (!hasReason(err, 'Conflict')) this.#log.warn({ err, name: pod.metadata?.name }, 'cannot write pod condition');
    }
  }
}
