/** Pods as the command line shows them, and waiting for what becomes of them. */
import type { TestCluster } from './cluster.ts';
import type { ContainerStatusJson, PodJson } from './objects.ts';
import { waitFor } from './wait.ts';

/** A pod with more of its status than {@link PodJson}. */
export interface PodDetail extends Omit<PodJson, 'status'> {
  readonly status: PodJson['status'] & {
    readonly reason?: string;
    readonly message?: string;
    readonly hostIP?: string;
    readonly qosClass?: string;
    readonly initContainerStatuses?: readonly ContainerStatusJson[];
  };
}

/** An event as far as tests look at it. */
export interface EventJson {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count?: number;
  readonly involvedObject: { readonly kind: string; readonly name: string };
}

/** The default namespace's pods, for many tests waiting at the same time: they share their questions to the server. */
export class PodBoard {
  readonly #cluster: TestCluster;
  #asking: Promise<readonly PodDetail[]> | undefined;

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  /** The pod as it is, or was a moment ago. Fails when there is none. */
  async pod(name: string): Promise<PodDetail> {
    const pods = await this.#list();
    const found = pods.find((one) => one.metadata.name === name);
    if (found === undefined) throw new Error(`there is no pod ${name}`);
    return found;
  }

  /** Waits until `test` holds for the pod, and returns it. On failure it says what the status was. */
  until(name: string, what: string, test: (pod: PodDetail) => boolean, timeoutMs = 60_000): Promise<PodDetail> {
    return waitFor(
      `pod ${name} to ${what}`,
      async () => {
        const pod = await this.pod(name);
        if (test(pod)) return pod;
        throw new Error(JSON.stringify(pod.status));
      },
      { timeoutMs, everyMs: 200 },
    );
  }

  /** Waits until the pod is Succeeded or Failed. */
  finished(name: string): Promise<PodDetail> {
    return this.until(name, 'finish', ({ status }) => status.phase === 'Succeeded' || status.phase === 'Failed');
  }

  /** Waits until all containers of the pod run. */
  running(name: string): Promise<PodDetail> {
    return this.until(
      name,
      'run',
      ({ spec, status }) =>
        status.phase === 'Running' &&
        status.containerStatuses?.length === spec.containers.length &&
        status.containerStatuses.every(({ state }) => state.running !== undefined),
    );
  }

  /** Waits until the pod is Ready. */
  ready(name: string): Promise<PodDetail> {
    return this.until(name, 'be ready', isReadyNow);
  }

  /** Waits until a container waits with `reason`, and returns its message. */
  async waiting(name: string, reason: string, timeoutMs?: number): Promise<string> {
    const waits = ({ status }: PodDetail): ContainerStatusJson | undefined =>
      [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].find(
        ({ state }) => state.waiting?.reason === reason,
      );
    const pod = await this.until(name, `wait with ${reason}`, (one) => waits(one) !== undefined, timeoutMs);
    return waits(pod)?.state.waiting?.message ?? '';
  }

  /** Waits until the first container has been restarted `count` times or more. */
  restarted(name: string, count = 1, timeoutMs?: number): Promise<PodDetail> {
    const enough = ({ status }: PodDetail): boolean => (status.containerStatuses?.[0]?.restartCount ?? 0) >= count;
    return this.until(name, `restart ${count} times`, enough, timeoutMs);
  }

  /** Waits until `skiff logs` of the pod with these arguments matches, and returns all it printed. */
  logs(name: string, pattern: RegExp, args: readonly string[] = []): Promise<string> {
    return waitFor(
      `the logs of ${name} to match ${pattern}`,
      async () => {
        const { stdout, stderr } = await this.#cluster.skiff(['logs', name, ...args]);
        if (pattern.test(stdout)) return stdout;
        throw new Error(stdout + stderr);
      },
      { everyMs: 200 },
    );
  }

  /** Waits for an event about the object with this reason whose message matches. */
  event(name: string, reason: string, pattern = /(?:)/): Promise<EventJson> {
    return waitFor(
      `event ${reason} ${pattern} about ${name}`,
      async () => {
        const { items } = await this.#cluster.json<{ items: readonly EventJson[] }>('events');
        const about = items.filter(({ involvedObject }) => involvedObject.name === name);
        const found = about.find((event) => event.reason === reason && pattern.test(event.message));
        if (found !== undefined) return found;
        throw new Error(about.map((event) => `${event.reason}: ${event.message}`).join('\n'));
      },
      { everyMs: 200 },
    );
  }

  /** What a command in the pod prints; it must succeed. */
  async inside(name: string, ...argv: readonly string[]): Promise<string> {
    return (await this.#cluster.ok(['exec', name, '--', ...argv])).stdout;
  }

  #list(): Promise<readonly PodDetail[]> {
    this.#asking ??= this.#cluster
      .json<{ items: readonly PodDetail[] }>('pods')
      .then(({ items }) => items)
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }
}

/** Whether the pod's Ready condition is true. */
export function isReadyNow(pod: PodDetail): boolean {
  return (pod.status.conditions ?? []).some((c) => c.type === 'Ready' && c.status === 'True');
}
