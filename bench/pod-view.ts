/** The pods of the cluster as a watch tells of them, with the moment each piece of news came. */
import { GrpcResourceClient } from '../lib/client/grpc-resource-client.ts';
import { type appsv1, type corev1, KINDS, type KubeObject, type ResourceType } from '../proto/index.ts';
import type { World } from './world.ts';

/** One piece of news: an object as it was then. */
export interface News {
  readonly atMs: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
}

/** Follows deployments, replica sets and pods until closed. */
export class PodView {
  readonly news: News[] = [];
  readonly pods = new Map<string, corev1.Pod>();
  readonly #stop = new AbortController();
  readonly #client: GrpcResourceClient;
  #changed: () => void = () => undefined;
  #following: Promise<unknown> = Promise.resolve();

  constructor(world: World) {
    this.#client = new GrpcResourceClient(world.connection);
  }

  /** Begins; resolves when the first lists are there. */
  async start(): Promise<void> {
    const follow = async <T extends KubeObject>(type: ResourceType<T>): Promise<() => Promise<void>> => {
      const { resourceVersion } = await this.#client.list(type);
      return async () => {
        for await (const events of this.#client.watch(type, resourceVersion, { signal: this.#stop.signal })) {
          const atMs = now();
          for (const event of events) {
            if (event.type === 'BOOKMARK') continue;
            this.news.push({ atMs, type: event.type, object: { ...event.object, kind: type.kind } as KubeObject });
            if (type.kind === 'Pod') this.#take(event.type, event.object as corev1.Pod);
          }
          this.#changed();
        }
      };
    };
    const follows = [await follow(KINDS.Deployment), await follow(KINDS.ReplicaSet), await follow(KINDS.Pod)];
    this.#following = Promise.all(follows.map((run) => run()));
    this.#following.catch((err: unknown) => {
      process.stderr.write(`the watch ended: ${String(err)}\n`);
      process.exit(1);
    });
  }

  /** Resolves once `condition` holds; looked at after each piece of news. Throws after the deadline. */
  async until(what: string, condition: () => boolean, timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`${what} did not come within ${timeoutMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Pods that are Ready now. */
  ready(): corev1.Pod[] {
    return [...this.pods.values()].filter((pod) => isReady(pod));
  }

  /** Ends the watches. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following.catch(() => undefined);
  }

  #take(type: News['type'], pod: corev1.Pod): void {
    const uid = pod.metadata?.uid ?? '';
    if (type === 'DELETED') this.pods.delete(uid);
    else this.pods.set(uid, pod);
  }
}

/** Milliseconds since 1970 with fractions, the same in every process of this machine. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Whether the pod's Ready condition is True. */
export function isReady(pod: corev1.Pod): boolean {
  return (pod.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
}

/** A Deployment of sleeping containers. */
export function deployment(
  name: string,
  replicas: number,
  image: string,
  command: readonly string[],
): appsv1.Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: 'main', image, imagePullPolicy: 'IfNotPresent', command: [...command] }],
        },
      },
    },
  };
}
