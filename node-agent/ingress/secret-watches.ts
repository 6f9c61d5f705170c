/** Follows single Secrets by name: a node may not list all of them. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import { Informer } from '../../lib/informer.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import type { AgentLog } from '../pods/environment.ts';

/** What following needs. */
export interface SecretWatchesOptions {
  readonly client: ResourceClient;
  readonly clock: Clock;
  readonly log: AgentLog;
  /** A Secret that is followed came, changed, went, or is known for the first time. */
  readonly onChange: () => void;
}

interface Followed {
  readonly informer: Informer<corev1.Secret>;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** The Secrets wanted, each by a watch of its own, which ends when it is wanted no more. */
export class SecretWatches {
  readonly #options: SecretWatchesOptions;
  readonly #followed = new Map<string, Followed>();

  constructor(options: SecretWatchesOptions) {
    this.#options = options;
  }

  /** Follows exactly these, `namespace/name` each. */
  want(keys: ReadonlySet<string>): void {
    for (const [key, { stop }] of this.#followed) {
      if (keys.has(key)) continue;
      stop.abort();
      this.#followed.delete(key);
    }
    for (const key of keys) if (!this.#followed.has(key)) this.#follow(key);
  }

  /** The Secret as last heard of; undefined when it is not there or not known yet. */
  get(namespace: string, name: string): corev1.Secret | undefined {
    return this.#followed.get(`${namespace}/${name}`)?.informer.get(`${namespace}/${name}`);
  }

  /** Whether all that are wanted have been heard of, there or not. */
  get synced(): boolean {
    return [...this.#followed.values()].every(({ informer }) => informer.hasSynced);
  }

  /** Follows none any more; resolves when all watches have ended. */
  async close(): Promise<void> {
    const ending = [...this.#followed.values()].map(({ done }) => done);
    this.want(new Set());
    await Promise.all(ending);
  }

  #follow(key: string): void {
    const { onChange, ...base } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const select = { namespace, fieldSelector: `metadata.name=${name}` };
    const informer = new Informer<corev1.Secret>({ ...base, type: KINDS.Secret, select });
    informer.addHandler({ onAdd: onChange, onUpdate: onChange, onDelete: onChange });
    const stop = new AbortController();
    this.#followed.set(key, { informer, stop, done: informer.run(stop.signal) });
    informer.synced(stop.signal).then(onChange, () => undefined);
  }
}
