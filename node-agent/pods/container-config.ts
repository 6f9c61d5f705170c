/** From a container's spec, its image and its pod to what the runtime is asked for. Pure. */
import { join } from 'node:path';
import type { corev1 } from '../../proto/index.ts';
import { containerCgroupPath, type QosClass } from '../cgroups/calculations.ts';
import type { Image } from '../images/image-store.ts';
import { normalizeReference } from '../images/reference.ts';
import type { ContainerConfig, ContainerMount, SeccompProfile } from '../runtime/runtime.ts';
import { ContainerConfigError } from './container-env.ts';
import { expandVariables } from './expand-variables.ts';
import { containerResources, oomScoreAdj } from './pod-resources.ts';

/** A user of an image, looked up in its files. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  /** Groups that the image's /etc/group gives the user. */
  readonly additionalGids: readonly number[];
}

/** Everything a container is made from. */
export interface ContainerInputs {
  readonly pod: corev1.Pod;
  readonly container: corev1.Container;
  readonly image: Image;
  readonly id: string;
  readonly attempt: number;
  readonly backoffMs: number;
  readonly rootfsPath: string;
  readonly user: ContainerUser;
  /** From {@link resolveEnv}. */
  readonly variables: ReadonlyMap<string, string>;
  readonly hostname: string;
  readonly mounts: readonly ContainerMount[];
  readonly qos: QosClass;
  readonly podCgroupPath: string;
  readonly nodeMemoryBytes: number;
  readonly logPath: string;
  /** Where profiles of `type: Localhost` are. */
  readonly seccompDir: string;
}

/** Labels that let a later agent know what this one decided. */
export const LABELS = {
  backoffMs: 'backoff-ms',
  specImage: 'spec-image',
  image: 'image',
  imageID: 'image-id',
} as const;

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The runtime's config. Throws {@link ContainerConfigError} for what cannot be honoured. */
export function containerConfig(inputs: ContainerInputs): ContainerConfig {
  const { pod, container, image, user } = inputs;
  const security = container.securityContext;
  const podSecurity = pod.spec?.securityContext;
  const additionalGids = podSecurity?.supplementalGroupsPolicy === 'Strict' ? [] : [...user.additionalGids];
  additionalGids.push(...(podSecurity?.supplementalGroups ?? []));
  const privileged = security?.privileged === true;
  const unmasked = security?.procMount === 'Unmasked';
  const stopSignal = container.lifecycle?.stopSignal ?? image.config.stopSignal;
  const seccomp = seccompProfile(security?.seccompProfile ?? podSecurity?.seccompProfile, inputs.seccompDir);
  return {
    id: inputs.id,
    podUid: pod.metadata?.uid ?? '',
    podName: pod.metadata?.name ?? '',
    podNamespace: pod.metadata?.namespace ?? '',
    name: container.name ?? '',
    attempt: inputs.attempt,
    rootfsPath: inputs.rootfsPath,
    argv: commandLine(container, image, inputs.variables),
    env: environment(inputs),
    cwd: container.workingDir || image.config.workingDir || '/',
    uid: user.uid,
    gid: user.gid,
    ...(additionalGids.length === 0 ? {} : { additionalGids: [...new Set(additionalGids)] }),
    ...(podSecurity?.fsGroup === undefined ? {} : { fsGroup: podSecurity.fsGroup }),
    terminal: container.tty === true,
    stdin: container.stdin === true,
    capabilitiesAdd: security?.capabilities?.add ?? [],
    capabilitiesDrop: security?.capabilities?.drop ?? [],
    privileged,
    readOnlyRootfs: security?.readOnlyRootFilesystem === true,
    noNewPrivileges: security?.allowPrivilegeEscalation === false && !privileged,
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(unmasked ? { maskedPaths: [], readonlyPaths: [] } : {}),
    mounts: inputs.mounts,
    resources: containerResources(container),
    cgroupPath: containerCgroupPath(inputs.podCgroupPath, inputs.id),
    logPath: inputs.logPath,
    oomScoreAdj: oomScoreAdj(inputs.qos, container, inputs.nodeMemoryBytes),
    ...(stopSignal === undefined ? {} : { stopSignal }),
    labels: {
      [LABELS.backoffMs]: String(inputs.backoffMs),
      [LABELS.specImage]: container.image ?? '',
      [LABELS.image]: imageName(container, image),
      [LABELS.imageID]: image.repoDigests[0] ?? image.id,
    },
  };
}

/** The full name by which the container asked for the image. */
function imageName(container: corev1.Container, image: Pick<Image, 'references'>): string {
  const asked = normalizeReference(container.image ?? '');
  return image.references.includes(asked) ? asked : (image.references[0] ?? asked);
}

/** `command` replaces the image's entrypoint and its arguments, `args` only the arguments. */
export function commandLine(
  container: corev1.Container,
  image: Pick<Image, 'config'>,
  variables: ReadonlyMap<string, string>,
): string[] {
  const { command = [], args = [] } = container;
  const expand = (words: readonly string[]): string[] => words.map((word) => expandVariables(word, variables));
  const entrypoint = command.length > 0 ? expand(command) : [...(image.config.entrypoint ?? [])];
  const own = args.length > 0 ? expand(args) : command.length > 0 ? [] : [...(image.config.cmd ?? [])];
  const argv = [...entrypoint, ...own];
  if (argv.length === 0) {
    throw new ContainerConfigError(
      'CreateContainerError',
      'no command specified, neither in the image nor in the container',
    );
  }
  return argv;
}

/** Later ones win: what the image says, then what the node adds, then what the spec says. */
function environment(inputs: ContainerInputs): string[] {
  const fromImage = inputs.image.config.env ?? [];
  return [
    ...(fromImage.some((entry) => entry.startsWith('PATH=')) ? [] : [DEFAULT_PATH]),
    ...fromImage,
    `HOSTNAME=${inputs.hostname}`,
    ...(inputs.container.tty === true ? ['TERM=xterm'] : []),
    ...[...inputs.variables].map(([name, value]) => `${name}=${value}`),
  ];
}

function seccompProfile(profile: corev1.SeccompProfile | undefined, dir: string): SeccompProfile | undefined {
  switch (profile?.type) {
    case 'RuntimeDefault':
    case 'Unconfined':
      return profile.type;
    case 'Localhost': {
      const path = profile.localhostProfile ?? '';
      if (path === '' || path.startsWith('/') || path.split('/').includes('..')) {
        throw new ContainerConfigError(
          'CreateContainerConfigError',
          `seccomp profile ${JSON.stringify(path)} must be a relative path without ".."`,
        );
      }
      return { localhostPath: join(dir, path) };
    }
    default:
      return undefined;
  }
}

/** The user a spec asks for, as `uid`, `uid:gid`, or the image's words; undefined means the image's default, root. */
export function requestedUser(
  pod: corev1.Pod,
  container: corev1.Container,
  image: Pick<Image, 'config'>,
): string | undefined {
  const security = container.securityContext;
  const podSecurity = pod.spec?.securityContext;
  const uid = security?.runAsUser ?? podSecurity?.runAsUser;
  return uid === undefined ? image.config.user : String(uid);
}

/** The group a spec asks for; it wins over the image's. */
export function requestedGroup(pod: corev1.Pod, container: corev1.Container): number | undefined {
  return container.securityContext?.runAsGroup ?? pod.spec?.securityContext?.runAsGroup;
}

/** Refuses root where the spec says `runAsNonRoot`, and names that cannot be proven not to be root. */
export function checkNonRoot(pod: corev1.Pod, container: corev1.Container, image: Pick<Image, 'config'>): void {
  const security = container.securityContext;
  const podSecurity = pod.spec?.securityContext;
  if ((security?.runAsNonRoot ?? podSecurity?.runAsNonRoot) !== true) return;
  const { name, namespace, uid: podUid } = pod.metadata ?? {};
  const where = `(pod: "${name}_${namespace}(${podUid})", container: ${container.name})`;
  const uid = security?.runAsUser ?? podSecurity?.runAsUser;
  if (uid === 0) throw refused(`container's runAsUser breaks non-root policy ${where}`);
  if (uid !== undefined) return;
  const user = (image.config.user ?? '').split(':')[0] ?? '';
  if (user === '' || Number(user) === 0) {
    throw refused(`container has runAsNonRoot and image will run as root ${where}`);
  }
  if (!/^\d+$/.test(user)) {
    throw refused(
      `container has runAsNonRoot and image has non-numeric user (${user}), cannot verify user is non-root ${where}`,
    );
  }
}

function refused(message: string): ContainerConfigError {
  return new ContainerConfigError('CreateContainerConfigError', message);
}
