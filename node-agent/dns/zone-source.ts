/** The zone's data, followed from the cluster's view; until that has synced, as it was when last saved. */
import { mkdirSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { corev1, discoveryv1 } from '../../proto/index.ts';
import type { ClusterView } from '../features/cluster-view.ts';
import { ZoneData } from './zone-data.ts';

/** The part of the view that names are made of. */
export type ZoneView = Pick<ClusterView, 'services' | 'endpointSlices' | 'namespaces' | 'peers'>;

/** The part of a log it needs. */
export interface ZoneLog {
  warn(fields: object, message: string): void;
}

interface SavedZone {
  readonly version: number;
  readonly services: readonly corev1.Service[];
  readonly slices: readonly discoveryv1.EndpointSlice[];
  readonly namespaces: readonly string[];
}

const SAVED_VERSION = 1;
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
    this.#saved = readSaved(this.#file);
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
          await this.#save();
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

  async #save(): Promise<void> {
    const { services, slices, namespaces } = this.#live.contents();
    const saved: SavedZone = {
      version: SAVED_VERSION,
      services: services.map(cutService),
      slices: slices.map(cutSlice),
      namespaces,
    };
    mkdirSync(dirname(this.#file), { recursive: true });
    await writeFile(`${this.#file}.new`, JSON.stringify(saved), { mode: 0o600 });
    await rename(`${this.#file}.new`, this.#file);
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

function cutService({ metadata, spec }: corev1.Service): corev1.Service {
  return {
    metadata: { namespace: metadata?.namespace, name: metadata?.name },
    spec: {
      type: spec?.type,
      clusterIP: spec?.clusterIP,
      clusterIPs: spec?.clusterIPs,
      externalName: spec?.externalName,
      publishNotReadyAddresses: spec?.publishNotReadyAddresses,
      ports: spec?.ports?.map(({ name, port, protocol }) => ({ name, port, protocol })),
    },
  };
}

function cutSlice({ metadata, ports, endpoints }: discoveryv1.EndpointSlice): discoveryv1.EndpointSlice {
  return {
    metadata: { namespace: metadata?.namespace, name: metadata?.name, labels: metadata?.labels },
    ports,
    endpoints: endpoints?.map(({ addresses, conditions, hostname }) => ({ addresses, conditions, hostname })),
  };
}

function readSaved(file: string): ZoneData | undefined {
  try {
    const saved = JSON.parse(readFileSync(file, 'utf8')) as SavedZone;
    if (saved.version !== SAVED_VERSION) return undefined;
    const zone = new ZoneData(() => false);
    for (const service of saved.services) zone.putService(service);
    for (const slice of saved.slices) zone.putSlice(slice);
    for (const namespace of saved.namespaces) zone.putNamespace(namespace);
    return zone;
  } catch {
    // None yet, or unreadable: then nothing is known until the view has synced.
    return undefined;
  }
}
