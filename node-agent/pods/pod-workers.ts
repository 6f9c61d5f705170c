/**
 * All pod workers of the node: adopts what an earlier agent left, follows the pods assigned here, routes hints.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '../../lib/errors.ts';
import { Informer } from '../../lib/informer.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { podPaths } from '../paths.ts';
import type { PodEnvironment } from './environment.ts';
import { readSnapshots } from './pod-snapshot.ts';
import { PodWorker } from './pod-worker.ts';
import { tearDownPod } from './tear-down-pod.ts';

/** A resync is spread over so many ticks, each for a part of the pods. */
const RESYNC_PARTS = 6;
/** For a pod whose object vanished without a word about grace: a moment to hear the signal. */
const VANISHED_GRACE_SECONDS = 1;

/** See the top of the file. Call `adopt` once, then `run`. */
export class PodWorkers {
  readonly #env: PodEnvironment;
  readonly #workers = new Map<string, PodWorker>();
  readonly #informer: Informer<corev1.Pod>;
  #closed = false;
  #tick = 0;

  constructor(env: PodEnvironment) {
    this.#env = env;
    this.#informer = new Informer({
      client: env.client,
      type: KINDS.Pod,
      select: { fieldSelector: `spec.nodeName=${env.node.name}` },
      clock: env.clock,
      log: env.log,
    });
  }

  /** Pods this node works on. */
  list(): readonly PodWorker[] {
    return [...this.#workers.values()];
  }

  /** The worker of a pod by name; of two with one name the one that is not being deleted. */
  find(namespace: string, name: string): PodWorker | undefined {
    const named = this.list().filter(({ pod }) => pod.metadata?.namespace === namespace && pod.metadata.name === name);
    return named.find(({ pod }) => pod.metadata?.deletionTimestamp === undefined) ?? named[0];
  }

  /** The node has other images than before: containers that wait for theirs look again at once. */
  imagesChanged(): void {
    for (const worker of this.list()) worker.imagesChanged();
  }

  /**
   * The sweep before anything is served: pods with a snapshot are adopted and go on at once, server or not; what belongs to
   * no known pod is taken down.
   */
  async adopt(): Promise<void> {
    const { runtime, images, network, paths, log } = this.#env;
    const [inventory, mounted, snapshots] = await Promise.all([
      runtime.adopt(),
      images.sweep(),
      readSnapshots(join(paths.run, 'pods')),
    ]);
    for (const what of inventory.undone) log.info({ what }, 'undone what was cut short');
    const known = new Set([...snapshots].filter(([, snapshot]) => snapshot !== null).map(([uid]) => uid));
    const unknown = new Set(
      [...inventory.sandboxes, ...inventory.containers].map(({ podUid }) => podUid).filter((uid) => !known.has(uid)),
    );
    for (const [uid, snapshot] of snapshots) if (snapshot === null) unknown.add(uid);
    for (const uid of unknown) {
      const owner = [...inventory.sandboxes, ...inventory.containers].find(({ podUid }) => podUid === uid);
      await this.#tearDownUnknown(uid, owner?.podNamespace ?? '', owner?.podName ?? '');
    }
    for (const what of await network.sweep(known)) log.info({ what }, 'network freed');
    const containers = inventory.containers.filter(({ podUid }) => known.has(podUid));
    const ids = new Set(containers.map(({ id }) => id));
    for (const id of mounted.adopted) if (!ids.has(id)) await images.unmountRootfs(id);
    for (const [uid, snapshot] of snapshots) {
      if (snapshot === null) continue;
      const worker = this.#add(snapshot.pod, {
        sandbox: inventory.sandboxes.find(({ podUid }) => podUid === uid) ?? null,
        attachment: await network.inspect(uid),
        containers: containers.filter(({ podUid }) => podUid === uid),
        config: snapshot.config,
        startTime: snapshot.startTime,
      });
      log.info({ namespace: snapshot.pod.metadata?.namespace, name: snapshot.pod.metadata?.name, uid }, 'pod adopted');
      worker.start();
    }
  }

  async #tearDownUnknown(uid: string, namespace: string, name: string): Promise<void> {
    this.#env.log.warn({ uid, namespace, name }, 'removing what belongs to no known pod');
    try {
      await tearDownPod(this.#env, uid, podPaths(this.#env.paths, { uid, namespace, name }));
    } catch (err) {
      this.#env.log.error({ uid, err }, 'unknown pod not removed');
    }
  }

  /** Follows the node's pods until aborted; then drains: containers stay as they are. */
  async run(signal: AbortSignal): Promise<void> {
    const { runtime, clock } = this.#env;
    const offExit = runtime.onExit(({ id, podUid }) => this.#workers.get(podUid)?.noteExit(id));
    this.#informer.addHandler({
      onAdd: (pod) => this.#onPod(pod),
      onUpdate: (_, pod) => this.#onPod(pod),
      onDelete: (pod) => {
        const grace = pod.metadata?.deletionGracePeriodSeconds ?? VANISHED_GRACE_SECONDS;
        this.#workers.get(pod.metadata?.uid ?? '')?.deleted(grace);
      },
    });
    let cancelTick = (): void => undefined;
    const tick = (): void => {
      cancelTick = clock.setTimer(() => {
        this.#resyncPart();
        tick();
      }, this.#env.resyncMs / RESYNC_PARTS);
    };
    tick();
    const following = Promise.all([this.#informer.run(signal), runtime.run(signal), this.#afterSync(signal)]);
    await following;
    cancelTick();
    offExit();
    this.#closed = true;
    await Promise.all(this.list().map((worker) => worker.drain()));
  }

  /** Once the server has said which pods there are: those it does not know end, their folders go. */
  async #afterSync(signal: AbortSignal): Promise<void> {
    try {
      await this.#informer.synced(signal);
    } catch {
      // Aborted before the server was ever reached: nothing is known to be gone.
      return;
    }
    this.#env.statuses.retryNow();
    const listed = new Set(this.#informer.list().map(({ metadata }) => metadata?.uid ?? ''));
    for (const worker of this.list()) if (!listed.has(worker.uid)) worker.deleted(VANISHED_GRACE_SECONDS);
    await this.#removeOrphanedData(listed);
  }

  /** Data of pods that are gone: left by a reboot, which clears the snapshots but not the disk. */
  async #removeOrphanedData(listed: ReadonlySet<string>): Promise<void> {
    const { data, podLogs } = this.#env.paths;
    const isLive = (uid: string): boolean => listed.has(uid) || this.#workers.has(uid);
    try {
      for (const uid of await readdir(join(data, 'pods')).catch(() => [])) {
        if (!isLive(uid)) await rm(join(data, 'pods', uid), { recursive: true, force: true });
      }
      for (const name of await readdir(podLogs).catch(() => [])) {
        const [, , uid = ''] = name.split('_');
        if (uid !== '' && !isLive(uid)) await rm(join(podLogs, name), { recursive: true, force: true });
      }
    } catch (err) {
      this.#env.log.warn({ err: errorMessage(err) }, 'data of former pods not removed');
    }
  }

  #onPod(pod: corev1.Pod): void {
    if (this.#closed) return;
    const worker = this.#workers.get(pod.metadata?.uid ?? '');
    if (worker !== undefined) worker.update(pod);
    else this.#add(pod, undefined).start();
  }

  #add(pod: corev1.Pod, adopted: ConstructorParameters<typeof PodWorker>[2]['adopted']): PodWorker {
    const worker = new PodWorker(this.#env, pod, {
      adopted,
      onFinished: (finished) => {
        if (this.#workers.get(finished.uid) === finished) this.#workers.delete(finished.uid);
      },
    });
    this.#workers.set(worker.uid, worker);
    return worker;
  }

  #resyncPart(): void {
    this.#tick += 1;
    for (const [index, worker] of this.list().entries()) {
      if (index % RESYNC_PARTS === this.#tick % RESYNC_PARTS) worker.resync();
    }
  }
}
