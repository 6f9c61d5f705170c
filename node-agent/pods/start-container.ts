/** From a container of the spec to a running process. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { corev1 } from '../../proto/index.ts';
import type { Image } from '../images/image-store.ts';
import { type ContainerFacts, type ContainerMount, containerId } from '../runtime/runtime.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import {
  type ContainerUser,
  checkNonRoot,
  containerConfig,
  requestedGroup,
  requestedUser,
} from './container-config.ts';
import { ContainerConfigError, resolveEnv } from './container-env.ts';
import type { PodEnvironment } from './environment.ts';
import type { FieldContext } from './field-reference.ts';
import { podHostname } from './network-files.ts';
import type { PodConfig } from './pod-config.ts';
import { type PodPlace, podCgroup } from './prepare-pod.ts';
import { DEFAULT_TERMINATION_PATH } from './termination-message.ts';

/** One run to be made. */
export interface StartRequest extends PodPlace {
  readonly container: corev1.Container;
  readonly attempt: number;
  readonly backoffMs: number;
  readonly image: Image;
  readonly config: PodConfig;
  readonly fields: FieldContext;
  readonly volumes: PodVolumes;
}

/** Where a run leaves its termination message, on the node. */
export function terminationFile(place: PodPlace, container: string, attempt: number): string {
  return join(place.paths.runDir, 'containers', container, String(attempt));
}

/** The log of a run. */
export function logPath(place: PodPlace, container: string, attempt: number): string {
  return join(place.paths.logDir, container, `${attempt}.log`);
}

/**
 * Creates the container without starting it. Throws {@link ContainerConfigError} and `VolumeError` for what the spec asks
 * and cannot have, `RuntimeError` and `ImageError` for what the machine could not do.
 */
export async function createContainer(env: PodEnvironment, request: StartRequest): Promise<ContainerFacts> {
  const { pod, container, image, attempt, config, fields } = request;
  const name = container.name ?? '';
  const id = containerId(pod.metadata?.uid ?? '', name, attempt);
  checkNonRoot(pod, container, image);
  const variables = resolveEnv(container, config, fields);
  const rootfs = await env.images.mountRootfs(image, id);
  const ownMounts = managedMounts(request);
  const [user, volumeMounts] = await Promise.all([
    userOf(env, request, rootfs.path),
    request.volumes.mountsFor(container, variables),
  ]);
  const { qos, path } = podCgroup(env, pod);
  return env.runtime.createContainer(
    containerConfig({
      pod,
      container,
      image,
      id,
      attempt,
      backoffMs: request.backoffMs,
      rootfsPath: rootfs.path,
      user,
      variables,
      hostname: pod.spec?.hostNetwork === true ? env.node.name : podHostname(pod, env.node.clusterDomain),
      mounts: [...ownMounts, ...volumeMounts],
      qos,
      podCgroupPath: path,
      nodeMemoryBytes: env.node.memoryBytes,
      logPath: logPath(request, name, attempt),
      seccompDir: join(env.paths.data, 'seccomp'),
    }),
  );
}

async function userOf(env: PodEnvironment, request: StartRequest, rootfsPath: string): Promise<ContainerUser> {
  const { pod, container, image } = request;
  const user = requestedUser(pod, container, image) ?? '';
  const gid = requestedGroup(pod, container);
  try {
    const found = await env.resolveUser(rootfsPath, user);
    if (gid === undefined) return found;
    // The image's own primary group is replaced, not added to.
    return { uid: found.uid, gid, additionalGids: found.additionalGids.filter((each) => each !== found.gid) };
  } catch (err) {
    throw new ContainerConfigError('CreateContainerError', err instanceof Error ? err.message : String(err), {
      cause: err,
    });
  }
}

/** What the node puts into every container, unless the spec mounts something there. */
function managedMounts(request: StartRequest): ContainerMount[] {
  const { paths, container, attempt } = request;
  const message = terminationFile(request, container.name ?? '', attempt);
  mkdirSync(dirname(message), { recursive: true });
  writeFileSync(message, '', { flag: 'a' });
  // Whatever user the container runs as may explain itself.
  chmodSync(message, 0o666);
  const taken = new Set((container.volumeMounts ?? []).map(({ mountPath = '' }) => mountPath));
  const files: readonly (readonly [string, string])[] = [
    ['/etc/hosts', join(paths.runDir, 'etc/hosts')],
    ['/etc/hostname', join(paths.runDir, 'etc/hostname')],
    ['/etc/resolv.conf', join(paths.runDir, 'etc/resolv.conf')],
    [container.terminationMessagePath || DEFAULT_TERMINATION_PATH, message],
  ];
  return files
    .filter(([destination]) => !taken.has(destination))
    .map(([destination, source]) => ({ type: 'bind', source, destination }));
}
