import type { corev1 } from '../../../proto/index.ts';

/** Names of what a pod refers to in its namespace: what the node it is bound to must read to run it. */
export interface PodReferences {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
  /** Empty when it runs as none. */
  readonly serviceAccount: string;
}

/** Read from each pod once: cached objects are never changed. */
const known = new WeakMap<corev1.Pod, PodReferences>();

/** See {@link PodReferences}. Pure. */
export function podReferences(pod: corev1.Pod): PodReferences {
  let references = known.get(pod);
  if (references === undefined) {
    references = readReferences(pod);
    known.set(pod, references);
  }
  return references;
}

interface Names {
  readonly secrets: Set<string>;
  readonly configMaps: Set<string>;
  readonly claims: Set<string>;
}

function readReferences({ metadata, spec = {} }: corev1.Pod): PodReferences {
  const names: Names = { secrets: new Set(), configMaps: new Set(), claims: new Set() };
  const { initContainers = [], containers = [], ephemeralContainers = [], imagePullSecrets = [], volumes = [] } = spec;
  for (const container of [...initContainers, ...containers, ...ephemeralContainers]) addEnvironment(names, container);
  for (const secret of imagePullSecrets) add(names.secrets, secret.name);
  for (const volume of volumes) addVolume(names, volume, metadata?.name ?? '');
  return { ...names, serviceAccount: spec.serviceAccountName ?? '' };
}

function add(to: Set<string>, name: string | undefined): void {
  if (name !== undefined && name !== '') to.add(name);
}

function addEnvironment(
  { secrets, configMaps }: Names,
  { env = [], envFrom = [] }: Pick<corev1.Container, 'env' | 'envFrom'>,
): void {
  for (const { valueFrom } of env) {
    add(secrets, valueFrom?.secretKeyRef?.name);
    add(configMaps, valueFrom?.configMapKeyRef?.name);
  }
  for (const { secretRef, configMapRef } of envFrom) {
    add(secrets, secretRef?.name);
    add(configMaps, configMapRef?.name);
  }
}

function addVolume({ secrets, configMaps, claims }: Names, volume: corev1.Volume, podName: string): void {
  add(secrets, volume.secret?.secretName);
  add(configMaps, volume.configMap?.name);
  add(claims, volume.persistentVolumeClaim?.claimName);
  // The claim of an ephemeral volume is made for the pod, under the name of both.
  if (volume.ephemeral !== undefined) add(claims, `${podName}-${volume.name ?? ''}`);
  add(secrets, volume.csi?.nodePublishSecretRef?.name);
  for (const { secret, configMap } of volume.projected?.sources ?? []) {
    add(secrets, secret?.name);
    add(configMaps, configMap?.name);
  }
}
