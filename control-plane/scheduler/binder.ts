/** Writes decisions: many bindings in one call, a few calls at a time. */
import type { PodBinding, ResourceClient } from '../../lib/client/resource-client.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { ApiError, hasReason } from '../../lib/errors.ts';
import { KINDS } from '../../proto/index.ts';
import type { QueuedPod } from './scheduling-queue.ts';

/** A decision to be written. */
export interface Decision {
  readonly queued: QueuedPod;
  readonly node: string;
}

/** Who is told how it went. */
export interface BinderEvents {
  bound(decision: Decision): void;
  /** It is certain that this binding did not happen. */
  notBound(decision: Decision, err: unknown): void;
}

const CALLS_AT_A_TIME = 4;
const LOST_ANSWER_RETRY_MS = 500;

/** See the top of the file. */
export class Binder {
  readonly #client: ResourceClient;
  readonly #clock: Clock;
  readonly #events: BinderEvents;
  readonly #underWay = new Set<Promise<void>>();

  constructor(client: ResourceClient, clock: Clock, events: BinderEvents) {
    this.#client = client;
    this.#clock = clock;
    this.#events = events;
  }

  /** Begins to write the decisions; resolves when there is room for more. Never rejects. */
  async submit(decisions: readonly Decision[], signal: AbortSignal): Promise<void> {
    const call: Promise<void> = this.#bind(decisions, signal).finally(() => this.#underWay.delete(call));
    this.#underWay.add(call);
    if (this.#underWay.size >= CALLS_AT_A_TIME) await Promise.race(this.#underWay);
  }

  /** Resolves when nothing is under way. */
  async drained(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #bind(decisions: readonly Decision[], signal: AbortSignal): Promise<void> {
    let results: readonly (Error | undefined)[];
    try {
      results = await this.#client.bind(decisions.map(toBinding), signal);
    } catch (err) {
      const error = err instanceof Error ? err : new Error(String(err));
      results = decisions.map(() => error);
    }
    await Promise.all(
      decisions.map(async (decision, i) => {
        const err = results[i];
        if (err === undefined) this.#events.bound(decision);
        else if (isCertain(err)) this.#events.notBound(decision, err);
        else await this.#findOut(decision, err, signal);
      }),
    );
  }

  /** After a lost answer the room stays reserved until the API says what became of the pod. */
  async #findOut(decision: Decision, failure: Error, signal: AbortSignal): Promise<void> {
    const { namespace, name, uid, node } = toBinding(decision);
    while (!signal.aborted) {
      try {
        const pod = await this.#client.get(KINDS.Pod, { namespace, name }, signal);
        if (pod.metadata?.uid === uid && pod.spec?.nodeName === node) this.#events.bound(decision);
        else this.#events.notBound(decision, failure);
        return;
      } catch (err) {
        if (hasReason(err, 'NotFound')) {
          this.#events.notBound(decision, err);
          return;
        }
        await sleep(this.#clock, LOST_ANSWER_RETRY_MS, signal);
      }
    }
  }
}

function toBinding({ queued, node }: Decision): PodBinding {
  const { namespace = '', name = '' } = queued.pod.metadata ?? {};
  return { namespace, name, uid: queued.uid, node };
}

/** Whether such an error means that nothing was written. */
function isCertain(err: Error): boolean {
  return err instanceof ApiError && !hasReason(err, 'ServiceUnavailable', 'Timeout', 'InternalError');
}
