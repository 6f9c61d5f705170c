/** The changes of one kind in a {@link MemoryResourceClient}, and the watches that follow them. */
import type { KubeObject } from '../../proto/index.ts';
import { ApiError } from '../errors.ts';
import { compareVersions } from '../resource-version.ts';
import type { ObjectEvent } from './resource-client.ts';

/** One write: the object before and after it. At least one is there. */
export interface Change {
  readonly resourceVersion: string;
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
}

/** Whether an object is wanted by a watch. */
export type Matcher = (object: KubeObject) => boolean;

interface Watch {
  readonly matches: Matcher;
  pending: ObjectEvent<KubeObject>[];
  failure: Error | undefined;
  wake: () => void;
}

/** Keeps every change until it is told to forget. */
export class ChangeHistory {
  #changes: Change[] = [];
  /** Watches from an older version than this get `Expired`. */
  #oldest = '0';
  readonly #watches = new Set<Watch>();
  readonly #limit: number;

  /** Keeps at most `limit` changes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Watches open now. */
  get watchCount(): number {
    return this.#watches.size;
  }

  /** Records a change and hands it to the watches. */
  record(change: Change): void {
    this.#changes.push(change);
    if (this.#changes.length > this.#limit * 2) {
      const dropped = this.#changes.splice(0, this.#changes.length - this.#limit);
      this.#oldest = dropped.at(-1)?.resourceVersion ?? this.#oldest;
    }
    for (const watch of this.#watches) {
      const event = eventOf(change, watch.matches);
      if (event === undefined) continue;
      watch.pending.push(event);
      watch.wake();
    }
  }

  /** Sends a bookmark at `resourceVersion` to every watch. */
  bookmark(resourceVersion: string): void {
    for (const watch of this.#watches) {
      watch.pending.push({ type: 'BOOKMARK', resourceVersion, initialEventsEnd: false });
      watch.wake();
    }
  }

  /** Forgets everything up to `resourceVersion`. */
  forget(resourceVersion: string): void {
    this.#changes = this.#changes.filter((c) => compareVersions(c.resourceVersion, resourceVersion) > 0);
    this.#oldest = resourceVersion;
  }

  /** Ends every open watch with `failure`; events not yet taken are lost, as on a cut connection. */
  fail(failure: Error): void {
    for (const watch of this.#watches) {
      watch.pending = [];
      watch.failure = failure;
      watch.wake();
    }
  }

  /** Changes after `resourceVersion` that `matches` wants, in batches, until `signal` aborts. */
  async *watch(
    resourceVersion: string,
    matches: Matcher,
    signal?: AbortSignal,
  ): AsyncGenerator<ObjectEvent<KubeObject>[]> {
    if (compareVersions(resourceVersion, this.#oldest) < 0) {
      throw new ApiError('Expired', `Cannot watch from version ${resourceVersion}: it is too old`);
    }
    const watch: Watch = { matches, pending: [], failure: undefined, wake: () => undefined };
    for (const change of this.#changes) {
      if (compareVersions(change.resourceVersion, resourceVersion) <= 0) continue;
      const event = eventOf(change, matches);
      if (event !== undefined) watch.pending.push(event);
    }
    this.#watches.add(watch);
    try {
      while (signal?.aborted !== true) {
        if (watch.failure !== undefined) throw watch.failure;
        if (watch.pending.length > 0) {
          const batch = watch.pending;
          watch.pending = [];
          yield batch;
          continue;
        }
        await new Promise<void>((resolve) => {
          watch.wake = () => {
            signal?.removeEventListener('abort', watch.wake);
            resolve();
          };
          signal?.addEventListener('abort', watch.wake, { once: true });
        });
        watch.wake = () => undefined;
      }
    } finally {
      this.#watches.delete(watch);
    }
  }
}

function eventOf(change: Change, matches: Matcher): ObjectEvent<KubeObject> | undefined {
  const { before, after, resourceVersion } = change;
  const had = before !== undefined && matches(before);
  if (after !== undefined && matches(after)) {
    return { type: had ? 'MODIFIED' : 'ADDED', object: after, resourceVersion };
  }
  return had ? { type: 'DELETED', object: after ?? before, resourceVersion } : undefined;
}
