/** A cluster without machines: the API in memory, the real controllers, and nodes that only say they run their pods. */

import type {
  ControllerDefinition,
  ControllerLog,
  ControllerSettings,
} from '../../control-plane/controllers/controller.ts';
import { runControllers } from '../../control-plane/controllers/run-controllers.ts';
import type { ServedKinds } from '../../control-plane/controllers/served-kinds.ts';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { FakeClock, rfc3339, sleep } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import { Informer, objectKey } from '../../lib/informer.ts';
import { type appsv1, type corev1, KINDS } from '../../proto/index.ts';

/** What the simulated nodes do. */
export interface KubeletBehaviour {
  /** Milliseconds from creation until a pod is ready; undefined means never. */
  readyAfterMs: (pod: corev1.Pod) => number | undefined;
  /** Milliseconds from the request until a deleted pod is gone; undefined means never. */
  goneAfterMs: (pod: corev1.Pod) => number | undefined;
}

const silent: ControllerLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** See the top of the file. */
export class SimulatedCluster {
  readonly clock = new FakeClock();
  readonly client = new MemoryResourceClient({ clock: this.clock });
  readonly behaviour: KubeletBehaviour = { readyAfterMs: () => 1000, goneAfterMs: () => 500 };
  /** Called after every change of a pod. */
  onPodChange: () => void = () => undefined;
  /** Warnings that controllers logged. */
  readonly warnings: string[] = [];
  #abort = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  readonly #settings: Partial<ControllerSettings>;
  readonly #controllers: readonly ControllerDefinition[] | undefined;
  readonly #kinds: ServedKinds | undefined;
  readonly #nodes = ['n1', 'n2', 'n3'];
  #nextNode = 0;

  constructor(
    options: {
      settings?: Partial<ControllerSettings>;
      controllers?: readonly ControllerDefinition[];
      kinds?: ServedKinds;
    } = {},
  ) {
    this.#settings = options.settings ?? {};
    this.#controllers = options.controllers;
    this.#kinds = options.kinds;
    this.client.observe((type) => {
      if (type.kind === 'Pod') this.onPodChange();
    });
  }

  /** Makes caches show changes only after random times up to `maxMs`, each kind on its own. */
  lag(maxMs: number, random: () => number): void {
    const watch = this.client.watch.bind(this.client);
    const { clock } = this;
    this.client.watch = async function* (type, version, options) {
      for await (const batch of watch(type, version, options)) {
        await sleep(clock, Math.floor(random() * maxMs), options?.signal);
        yield batch;
      }
    };
  }

  /** Starts the controllers and, unless `kubelet` is false, the nodes. */
  async start({ kubelet = true } = {}): Promise<void> {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const log: ControllerLog = {
      ...silent,
      warn: (fields, message) => {
        const { err, key } = fields as { err?: Error; key?: string };
        this.warnings.push(`${message} ${key ?? ''}: ${err?.message ?? ''}`);
      },
    };
    const controllers = runControllers(
      this.client,
      {
        log,
        clock: this.clock,
        settings: this.#settings,
        ...(this.#controllers === undefined ? {} : { controllers: this.#controllers }),
        ...(this.#kinds === undefined ? {} : { kinds: this.#kinds }),
      },
      signal,
    );
    this.#running = Promise.all([controllers, kubelet ? this.#runKubelet(signal) : undefined]);
    await this.clock.advance(0);
  }

  /** Stops everything, as a crash would for all that the API can see. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  /** Moves time on in steps until `holds`; fails after `limitMs` with what there is. */
  async until(holds: () => boolean, what: string, limitMs = 120_000): Promise<void> {
    for (let passedMs = 0; passedMs <= limitMs; passedMs += 100) {
      if (holds()) return;
      await this.clock.advance(100);
    }
    throw new Error(`no ${what} after ${limitMs} ms:\n${this.describe()}`);
  }

  /** All pods, the ones being deleted too. */
  pods(): corev1.Pod[] {
    return this.client.peek(KINDS.Pod);
  }

  /** Pods neither ended nor being deleted. */
  activePods(): corev1.Pod[] {
    return this.pods().filter((pod) => pod.metadata?.deletionTimestamp === undefined && pod.status?.phase !== 'Failed');
  }

  /** Ready pods that are not being deleted. */
  readyPods(): corev1.Pod[] {
    return this.activePods().filter(isReady);
  }

  /** Deployments' and ReplicaSets' sizes and pods, for messages. */
  describe(): string {
    const sets = this.client
      .peek(KINDS.ReplicaSet)
      .map((s) => `${objectKey(s)} size ${s.spec?.replicas} status ${JSON.stringify(s.status)}`);
    const deployments = this.client
      .peek(KINDS.Deployment)
      .map((d) => `${objectKey(d)} size ${d.spec?.replicas} status ${JSON.stringify(d.status)}`);
    const pods = this.pods().map(
      (p) =>
        `${objectKey(p)} ${p.status?.phase} ready ${isReady(p)}${p.metadata?.deletionTimestamp === undefined ? '' : ' going'}`,
    );
    return [...deployments, ...sets, ...pods, ...this.warnings.slice(-10)].join('\n');
  }

  /** Messages of the events with that reason, sorted by time. */
  eventMessages(reason: string): string[] {
    return this.client
      .peek(KINDS.Event)
      .filter((event) => event.reason === reason)
      .map((event) => event.message ?? '');
  }

  /** Changes an object until it succeeds. */
  async changeDeployment(name: string, change: (spec: appsv1.DeploymentSpec) => appsv1.DeploymentSpec): Promise<void> {
    const current = await this.client.get(KINDS.Deployment, { namespace: 'default', name });
    await this.client.update(KINDS.Deployment, {
      ...current,
      metadata: { ...current.metadata, resourceVersion: undefined },
      spec: change(current.spec ?? {}),
    });
  }

  async #runKubelet(signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    const handle = (pod: corev1.Pod): void => {
      const uid = pod.metadata?.uid ?? '';
      if ((pod.spec?.nodeName ?? '') === '' && !seen.has(uid)) void this.#bind(pod);
      if (!seen.has(uid)) {
        seen.add(uid);
        this.#later(this.behaviour.readyAfterMs(pod), () => this.#makeReady(pod), signal);
      }
      if (pod.metadata?.deletionTimestamp !== undefined && !seen.has(`gone ${uid}`)) {
        seen.add(`gone ${uid}`);
        this.#later(this.behaviour.goneAfterMs(pod), () => this.#remove(pod), signal);
      }
    };
    const informer = new Informer({ client: this.client, type: KINDS.Pod, clock: this.clock });
    informer.addHandler({ onAdd: handle, onUpdate: (_, pod) => handle(pod) });
    await informer.run(signal);
  }

  #later(delayMs: number | undefined, act: () => Promise<void>, signal: AbortSignal): void {
    if (delayMs === undefined) return;
    this.clock.setTimer(() => {
      if (!signal.aborted) void act();
    }, delayMs);
  }

  async #bind(pod: corev1.Pod): Promise<void> {
    const node = this.#nodes[this.#nextNode++ % this.#nodes.length] ?? 'n1';
    const { namespace = '', name = '', uid = '' } = pod.metadata ?? {};
    await this.client.bind([{ namespace, name, uid, node }]);
  }

  async #makeReady(pod: corev1.Pod): Promise<void> {
    const fresh = this.#fresh(pod);
    if (fresh === undefined || fresh.status?.phase === 'Failed') return;
    const ready = { type: 'Ready', status: 'True', lastTransitionTime: rfc3339(this.clock.now()) };
    const others = (fresh.status?.conditions ?? []).filter((c) => c.type !== 'Ready');
    const status = { ...fresh.status, phase: 'Running', conditions: [...others, ready] };
    await this.client.update(KINDS.Pod, { ...fresh, status }, { subresource: 'status' });
  }

  async #remove(pod: corev1.Pod): Promise<void> {
    const { namespace, name = '', uid = '' } = pod.metadata ?? {};
    if (this.#fresh(pod) === undefined) return;
    try {
      await this.client.delete(KINDS.Pod, { namespace, name }, { uid, gracePeriodSeconds: 0 });
    } catch (err) {
      if (!(err instanceof ApiError)) throw err;
    }
  }

  #fresh(pod: corev1.Pod): corev1.Pod | undefined {
    return this.client.peek(KINDS.Pod).find((p) => p.metadata?.uid === pod.metadata?.uid);
  }
}

/** Whether a pod is ready. */
export function isReady(pod: corev1.Pod): boolean {
  return pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
}

/** A Deployment of `replicas` pods of `image`. */
export function deployment(
  name: string,
  spec: { replicas: number; image?: string } & Omit<Partial<appsv1.DeploymentSpec>, 'replicas'>,
): appsv1.Deployment {
  const { replicas, image = 'web:1', ...rest } = spec;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 10,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      selector: { matchLabels: { app: name } },
      template: template(name, image),
      ...rest,
    },
  };
}

/** A pod template labelled `app: name`. */
export function template(name: string, image: string): corev1.PodTemplateSpec {
  return { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image }] } };
}

/** A Node that says it is ready. */
export function readyNode(name: string, at: string): corev1.Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: at, lastTransitionTime: at }] },
  };
}
