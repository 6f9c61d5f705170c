/** The objects a pod's spec refers to, as they were last read: what its containers and volumes are made from. */

import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { hasReason } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { allContainers } from './pod-resources.ts';

/** ConfigMaps and Secrets of the pod's namespace by name; what is absent does not exist. */
export interface PodConfig {
  readonly configMaps: ReadonlyMap<string, corev1.ConfigMap>;
  readonly secrets: ReadonlyMap<string, corev1.Secret>;
}

/** A pod that refers to nothing. */
export const EMPTY_CONFIG: PodConfig = { configMaps: new Map(), secrets: new Map() };

/** Names of what a pod refers to, each once. */
export interface ConfigNames {
  readonly configMaps: readonly string[];
  readonly secrets: readonly string[];
}

/** Everything the spec names: env, envFrom, volumes, projected volumes, pull secrets. */
export function configNames(spec: corev1.PodSpec | undefined): ConfigNames {
  const configMaps = new Set<string | undefined>();
  const secrets = new Set<string | undefined>();
  for (const container of allContainers(spec)) {
    for (const { configMapRef, secretRef } of container.envFrom ?? []) {
      configMaps.add(configMapRef?.name);
      secrets.add(secretRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      configMaps.add(valueFrom?.configMapKeyRef?.name);
      secrets.add(valueFrom?.secretKeyRef?.name);
    }
  }
  for (const volume of spec?.volumes ?? []) {
    configMaps.add(volume.configMap?.name);
    secrets.add(volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) {
      configMaps.add(source.configMap?.name);
      secrets.add(source.secret?.name);
    }
  }
  for (const { name } of spec?.imagePullSecrets ?? []) secrets.add(name);
  return { configMaps: present(configMaps), secrets: present(secrets) };
}

function present(names: ReadonlySet<string | undefined>): string[] {
  return [...names].filter((name) => name !== undefined && name !== '') as string[];
}

/**
 * Reads what the pod refers to. What the server says does not exist is absent; what cannot be read now is taken from
 * `known`, so that a pod goes on while the server is away. Throws when it cannot be read and is not known either.
 */
export async function readPodConfig(
  client: ResourceClient,
  pod: corev1.Pod,
  known: PodConfig,
  signal: AbortSignal,
): Promise<PodConfig> {
  const names = configNames(pod.spec);
  if (names.configMaps.length === 0 && names.secrets.length === 0) return EMPTY_CONFIG;
  const namespace = pod.metadata?.namespace;
  const read = async <T>(
    name: string,
    get: (at: { namespace: string | undefined; name: string }) => Promise<T>,
    old: ReadonlyMap<string, T>,
  ): Promise<readonly [string, T | undefined]> => {
    try {
      return [name, await get({ namespace, name })];
    } catch (err) {
      if (hasReason(err, 'NotFound')) return [name, undefined];
      const last = old.get(name);
      if (last === undefined || signal.aborted) throw err;
      return [name, last];
    }
  };
  const [configMaps, secrets] = await Promise.all([
    Promise.all(
      names.configMaps.map((name) => read(name, (at) => client.get(KINDS.ConfigMap, at, signal), known.configMaps)),
    ),
    Promise.all(names.secrets.map((name) => read(name, (at) => client.get(KINDS.Secret, at, signal), known.secrets))),
  ]);
  return { configMaps: found(configMaps), secrets: found(secrets) };
}

function found<T>(entries: readonly (readonly [string, T | undefined])[]): ReadonlyMap<string, T> {
  return new Map(entries.filter((entry): entry is readonly [string, T] => entry[1] !== undefined));
}

/** Whether both hold the same versions of the same objects. */
export function sameConfig(a: PodConfig, b: PodConfig): boolean {
  return sameVersions(a.configMaps, b.configMaps) && sameVersions(a.secrets, b.secrets);
}

function sameVersions(
  a: PodConfig['configMaps'] | PodConfig['secrets'],
  b: PodConfig['configMaps'] | PodConfig['secrets'],
): boolean {
  if (a.size !== b.size) return false;
  for (const [name, object] of a) {
    const other = b.get(name);
    if (other?.metadata?.uid !== object.metadata?.uid) return false;
    if (other?.metadata?.resourceVersion !== object.metadata?.resourceVersion) return false;
  }
  return true;
}
