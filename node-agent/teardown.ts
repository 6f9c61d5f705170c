/**
 * `skiff agent --teardown`: with the agent stopped, stops every pod of this node and removes everything it made. What could
 * not be removed is said, line by line. May be repeated.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { CgroupTree } from './cgroups/cgroup-tree.ts';
import type { ImageStore } from './images/image-store.ts';
import type { PodNetwork } from './network/pod-network.ts';
import { type NodePaths, podPaths } from './paths.ts';
import type { AgentLog } from './pods/environment.ts';
import { readSnapshots } from './pods/pod-snapshot.ts';
import { ContainerStop } from './pods/stop-container.ts';
import { tearDownPod } from './pods/tear-down-pod.ts';
import type { ContainerFacts, Runtime } from './runtime/runtime.ts';
import { mountsBelow } from './volumes/mounts.ts';

/** What the teardown works on. */
export interface TeardownParts {
  readonly runtime: Runtime;
  readonly network: PodNetwork;
  readonly images: ImageStore;
  readonly cgroups: CgroupTree;
  readonly paths: NodePaths;
  readonly clock: Clock;
  readonly log: AgentLog;
}

/** How long programs may take to end when told to, in seconds, whatever their pods allow. */
const GRACE_SECONDS = 3;
const PODS_AT_ONCE = 4;

/** Removes everything; returns what is left, one line each. Rejects only when `signal` aborts. */
export async function tearDownNode(parts: TeardownParts, signal: AbortSignal): Promise<readonly string[]> {
  const { runtime, network, images, cgroups, paths } = parts;
  const left: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (err) {
      signal.throwIfAborted();
      left.push(`${what}: ${errorMessage(err)}`);
    }
  };
  const swept = await images.sweep();
  const inventory = await runtime.adopt();
  const watching = new AbortController();
  const exits = runtime.run(watching.signal);
  await Promise.all(
    inventory.containers.map((container) => attempt(container.id, () => stop(parts, container, signal))),
  );
  const owners = [...inventory.sandboxes, ...inventory.containers];
  const uids = new Set([
    ...owners.map(({ podUid }) => podUid),
    ...(await readSnapshots(join(paths.run, 'pods'))).keys(),
  ]);
  const queue = [...uids].values();
  const work = async (): Promise<void> => {
    for (const uid of queue) {
      signal.throwIfAborted();
      const owner = owners.find(({ podUid }) => podUid === uid);
      const pod = { uid, namespace: owner?.podNamespace ?? '', name: owner?.podName ?? '' };
      await attempt(`pod ${pod.namespace}/${pod.name} (${uid})`, () => tearDownPod(parts, uid, podPaths(paths, pod)));
    }
  };
  await Promise.all(Array.from({ length: PODS_AT_ONCE }, work));
  watching.abort();
  await exits;
  for (const id of swept.adopted) await attempt(`root folder of ${id}`, () => images.unmountRootfs(id));
  await attempt('addresses and links of pods', () => network.sweep(new Set()));
  await attempt('the pod network', () => network.stop());
  await attempt(`cgroup ${cgroups.root}`, () => cgroups.remove(cgroups.root));
  for (const dir of [join(paths.run, 'pods'), join(paths.data, 'pods')]) {
    if (mountsBelow(dir).length === 0) await attempt(dir, () => rm(dir, { recursive: true, force: true }));
  }
  for (const dir of [paths.run, paths.data])
    left.push(
      ...mountsBelow(dir)
        .filter((path) => path !== dir)
        .map((path) => `mount ${path}`),
    );
  if (existsSync(paths.socket)) await attempt(paths.socket, () => rm(paths.socket));
  return left;
}

async function stop({ runtime, clock }: TeardownParts, container: ContainerFacts, signal: AbortSignal): Promise<void> {
  if (container.state !== 'running' && container.state !== 'lost') return;
  const stopping = new ContainerStop({
    runtime,
    clock,
    id: container.id,
    graceSeconds: container.state === 'lost' ? 0 : GRACE_SECONDS,
    preStop: null,
    onHookFailure: () => undefined,
  });
  await stopping.run(signal);
}
