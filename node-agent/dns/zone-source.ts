/** The zone's data, followed from the cluster's view; until that has synced, as it was when last saved. */
import { rm } from 'node:fs/promises';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { ClusterView } from '../features/cluster-view.ts';
import { readSavedZone, saveZone } from './saved-zone.ts';
import { ZoneData } from './zone-data.ts';

/** The part of the view that names are made of. */
export type ZoneView = Pick<ClusterView, 'services' | 'endpointSlices' | 'namespaces' | 'peers'>;

/** The part of a log it needs. */
export interface ZoneLog {
  warn(fields: object, message: string): void;
}

const SAVE_EVERY_MS = 10_000;
/** Saving takes at most this share of the time. */
const SAVE_SHARE = 0.005;

/** See the top of the file. */
export class ZoneSource {
  readonly #view: ZoneView;
  readonly #file: string;
  readonly #live: ZoneData;
  #saved: ZoneData | undefined;
  #changes = 0;
  #detach: (() => void)[] = [];

  constructor(view: ZoneView, file: string) {
    this.#view = view;
    this.#file = file;
    this.#live = new ZoneData(() => view.peers.hasSynced);
  }

  /** What is known; undefined when that is nothing. Pods are known only when synced. */
  get current(): ZoneData | undefined {
    return this.#isSynced ? this.#live : this.#saved;
  }

  get #isSynced(): boolean {
    const { services, endpointSlices, namespaces } = this.#view;
    return services.hasSynced && endpointSlices.hasSynced && namespaces.hasSynced;
  }

  /** Reads what was saved, and follows the view from now on. */
  start(): void {
    this.#saved = readSavedZone(this.#file);
    const zone = this.#live;
    const changed = (): void => {
      this.#changes += 1;
    };
    this.#detach = [
      this.#view.services.addHandler(
        follow(
          (service) => zone.putService(service),
          (service) => zone.deleteService(service),
          changed,
        ),
      ),
      this.#view.endpointSlices.addHandler(
        follow(
          (slice) => zone.putSlice(slice),
          (slice) => zone.deleteSlice(slice),
          changed,
        ),
      ),
      this.#view.namespaces.addHandler(
        follow(
          ({ metadata }) => zone.putNamespace(metadata?.name ?? ''),
          ({ metadata }) => zone.deleteNamespace(metadata?.name ?? ''),
          changed,
        ),
      ),
      this.#view.peers.addHandler(
        follow(
          (pod) => zone.putPod(pod),
          (pod) => zone.deletePod(pod),
          () => undefined,
        ),
      ),
    ];
  }

  /** Saves what has changed every few seconds until `signal` aborts; then lets go of the view. Never rejects. */
  async keepSaved(clock: Clock, log: ZoneLog, signal: AbortSignal): Promise<void> {
    let savedChanges = -1;
    let pauseMs = SAVE_EVERY_MS;
    for (;;) {
      const stopping = signal.aborted;
      if (this.#isSynced && savedChanges !== this.#changes) {
        this.#saved = undefined;
        savedChanges = this.#changes;
        const startMs = clock.monotonicMs();
        try {
          await saveZone(this.#live, this.#file);
        } catch (err) {
          log.warn({ file: this.#file, err }, 'names of the cluster could not be saved');
        }
        pauseMs = Math.max(SAVE_EVERY_MS, (clock.monotonicMs() - startMs) / SAVE_SHARE);
      }
      if (stopping) break;
      await sleep(clock, pauseMs, signal);
    }
    for (const detach of this.#detach) detach();
    this.#detach = [];
  }

  /** Forgets what was saved. */
  async remove(): Promise<void> {
    await rm(this.#file, { force: true });
  }
}

function follow<T>(put: (object: T) => void, remove: (object: T) => void, changed: () => void) {
  return {
    onAdd: (object: T): void => {
      put(object);
      changed();
    },
    onUpdate: (old: T, object: T): void => {
      remove(old);
      put(object);
      changed();
    },
    onDelete: (object: T): void => {
      remove(object);
      changed();
    },
  };
}
