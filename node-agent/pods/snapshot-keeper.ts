/** Keeps the snapshot of one pod up to date, writing no more often than it matters. */
import type { corev1 } from '../../proto/index.ts';
import type { PodEnvironment } from './environment.ts';
import { type PodSnapshot, writeSnapshot } from './pod-snapshot.ts';

/** What is merely on its way may be written this much later. */
const DELAY_MS = 100;

/** Owned by the pod's worker. */
export class SnapshotKeeper {
  readonly #env: PodEnvironment;
  readonly #file: string;
  /** What there is to write; null while nothing may be written. */
  readonly #current: () => PodSnapshot | null;
  #written = '';
  #cancel: (() => void) | null = null;

  constructor(env: PodEnvironment, file: string, current: () => PodSnapshot | null) {
    this.#env = env;
    this.#file = file;
    this.#current = current;
  }

  /** The pod may have changed: writes what a later agent needs, at once when it runs, a moment later before. */
  note(): void {
    const snapshot = this.#current();
    if (snapshot === null) return;
    const version = versionOf(snapshot.pod);
    if (version === this.#written) return;
    this.#written = version;
    if (snapshot.pod.status?.phase !== 'Pending') this.write();
    else this.#cancel ??= this.#env.clock.setTimer(() => this.write(), DELAY_MS);
  }

  /** Writes now. A failure is logged: the pod runs on, but a later agent would not know it. */
  write(): void {
    this.cancel();
    const snapshot = this.#current();
    if (snapshot === null) return;
    try {
      writeSnapshot(this.#file, snapshot);
    } catch (err) {
      const { namespace, name, uid } = snapshot.pod.metadata ?? {};
      this.#env.log.error({ namespace, name, uid, err }, 'pod snapshot not written');
    }
  }

  /** Writes now what has been put off, if anything. */
  flush(): void {
    if (this.#cancel !== null) this.write();
  }

  /** Forgets what has been put off. */
  cancel(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}

/** Changes when something does that matters for going on without the server. */
function versionOf({ metadata, status }: corev1.Pod): string {
  const { phase = '', containerStatuses = [], initContainerStatuses = [] } = status ?? {};
  const states = [...initContainerStatuses, ...containerStatuses].map(
    (s) => `${s.containerID} ${s.started} ${s.ready}`,
  );
  return [metadata?.generation ?? 0, metadata?.deletionTimestamp ?? '', phase, ...states].join('\n');
}
