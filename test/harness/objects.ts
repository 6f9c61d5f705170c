/** Reading what a test cluster says about its objects. */
import type { TestCluster } from './cluster.ts';
import { waitFor } from './wait.ts';

/** A pod as far as tests look at it. */
export interface PodJson {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly { readonly name: string; readonly image: string }[];
  };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly ContainerStatusJson[];
  };
}

/** A container's status as far as tests look at it. */
export interface ContainerStatusJson {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly containerID?: string;
  readonly state: StateJson;
  readonly lastState: StateJson;
}

interface StateJson {
  readonly running?: { readonly startedAt: string };
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly terminated?: { readonly exitCode: number; readonly reason: string };
}

/** Pods matching a label selector. */
export async function listPods(
  cluster: TestCluster,
  selector: string,
  namespace = 'default',
): Promise<readonly PodJson[]> {
  return (await cluster.json<{ items: readonly PodJson[] }>('pods', '-n', namespace, '-l', selector)).items;
}

/** True for a pod whose Ready condition is true and that is not being deleted. */
export function isReady(pod: PodJson): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    (pod.status.conditions ?? []).some((c) => c.type === 'Ready' && c.status === 'True')
  );
}

/** Waits until exactly `count` pods match and all are Ready, and returns them. */
export function waitReady(
  cluster: TestCluster,
  selector: string,
  count: number,
  timeoutMs = 60_000,
): Promise<readonly PodJson[]> {
  return waitFor(
    `${count} ready pods of ${selector}`,
    async () => {
      const pods = await listPods(cluster, selector);
      if (pods.length === count && pods.every(isReady)) return pods;
      throw new Error(`there are ${pods.length}, ${pods.filter(isReady).length} ready`);
    },
    { timeoutMs, everyMs: 200 },
  );
}

/** A busybox pod of one container that runs `script` with sh. */
export function busyboxPod(
  name: string,
  script: string,
  extra: { container?: object; spec?: object; labels?: Record<string, string> } = {},
): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { test: name.slice(0, 63), ...extra.labels } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'busybox:1.36', command: ['sh', '-c', script], ...extra.container }],
      ...extra.spec,
    },
  });
}

/** A Deployment of busybox pods that sleep, with a label `app: <name>`. */
export function sleepers(
  name: string,
  replicas: number,
  extra: { spec?: object; podSpec?: object; container?: object } = {},
): string {
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'main',
              image: 'busybox:1.36',
              command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1000 & wait; done'],
              ...extra.container,
            },
          ],
          ...extra.podSpec,
        },
      },
      ...extra.spec,
    },
  });
}

/** Applies JSON or YAML text; fails the test when the command does. */
export async function apply(cluster: TestCluster, text: string): Promise<string> {
  return (await cluster.ok(['apply', '-f', '-'], { stdin: text })).stdout;
}
