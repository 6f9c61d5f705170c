/** Taking a pod down, with or without its object: nothing of it stays. Every step may be repeated. */
import { rm } from 'node:fs/promises';
import { hasReason } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import type { PodPaths } from '../paths.ts';
import { tearDownVolumes } from '../volumes/pod-volumes.ts';
import type { PodEnvironment } from './environment.ts';

/** What taking down needs. */
export type TeardownEnvironment = Pick<PodEnvironment, 'runtime' | 'network' | 'images'>;

/**
 * Everything: network, containers, sandbox, root folders, volumes, logs, snapshot (last, so that a cut-short one is found).
 * `known` are the pod's containers; without it the runtime is asked, which reads those of all pods.
 */
export async function tearDownPod(
  env: TeardownEnvironment,
  uid: string,
  paths: PodPaths,
  known?: readonly string[],
): Promise<void> {
  const ids = known ?? (await env.runtime.listContainers(uid)).map(({ id }) => id);
  await env.network.teardown(uid);
  await env.runtime.removeSandbox(uid);
  await Promise.all(ids.map((id) => env.images.unmountRootfs(id)));
  await tearDownVolumes(paths);
  await Promise.all([
    rm(paths.logDir, { recursive: true, force: true }),
    rm(paths.dataDir, { recursive: true, force: true }),
  ]);
  await rm(paths.runDir, { recursive: true, force: true });
}

/** A pod that is over keeps its facts, logs and snapshot; address, volumes and root folders go. */
export async function releasePod(env: TeardownEnvironment, uid: string, paths: PodPaths): Promise<void> {
  await env.network.teardown(uid);
  const containers = await env.runtime.listContainers(uid);
  await Promise.all(containers.map(({ id }) => env.images.unmountRootfs(id)));
  await tearDownVolumes(paths);
}

/** The last step of a deletion: nothing holds the object any more. No error when it is gone, or the name is another pod's. */
export async function deletePodObject(
  { client }: Pick<PodEnvironment, 'client'>,
  pod: corev1.Pod,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name = '', uid = '' } = pod.metadata ?? {};
  try {
    await client.delete(KINDS.Pod, { namespace, name }, { gracePeriodSeconds: 0, uid, signal });
  } catch (err) {
    // Forbidden: the name is that of a pod on another node.
    if (!hasReason(err, 'NotFound', 'Conflict', 'Forbidden')) throw err;
  }
}
