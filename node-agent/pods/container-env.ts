/** The environment of a container, resolved from its spec and the objects it refers to. Pure. */
import type { corev1 } from '../../proto/index.ts';
import { expandVariables } from './expand-variables.ts';
import { type FieldContext, fieldValue, resourceValue } from './field-reference.ts';
import type { PodConfig } from './pod-config.ts';

/** A container that cannot be made from its spec as things are. `reason` is Kubernetes' waiting reason. */
export class ContainerConfigError extends Error {
  readonly reason: 'CreateContainerConfigError' | 'CreateContainerError' | 'RunContainerError' | 'StartRefused';

  constructor(reason: ContainerConfigError['reason'], message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ContainerConfigError';
    this.reason = reason;
  }
}

/**
 * All variables the spec declares, in order, `env` overriding `envFrom`, each value expanded with those before it. Throws
 * {@link ContainerConfigError} naming the ConfigMap, Secret or key that is missing.
 */
export function resolveEnv(
  container: corev1.Container,
  config: PodConfig,
  context: FieldContext,
): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const source of container.envFrom ?? []) {
    for (const [key, value] of envFromData(source, config)) {
      const name = `${source.prefix ?? ''}${key}`;
      if (isUsableName(name)) variables.set(name, value);
    }
  }
  for (const variable of container.env ?? []) {
    const name = variable.name ?? '';
    const value =
      variable.valueFrom === undefined
        ? expandVariables(variable.value ?? '', variables)
        : referredValue(variable.valueFrom, container, config, context);
    if (value !== undefined) {
      // Deleted first: a variable set again counts at its last place.
      variables.delete(name);
      variables.set(name, value);
    }
  }
  return variables;
}

/** A name the kernel's `NAME=value` form can carry. */
function isUsableName(name: string): boolean {
  return name !== '' && !name.includes('=') && !name.includes('\0');
}

function envFromData(source: corev1.EnvFromSource, config: PodConfig): readonly (readonly [string, string])[] {
  if (source.configMapRef !== undefined) {
    const { name = '', optional } = source.configMapRef;
    const map = config.configMaps.get(name);
    if (map === undefined && optional !== true) throw missing(`configmap "${name}" not found`);
    return Object.entries(map?.data ?? {});
  }
  if (source.secretRef !== undefined) {
    const { name = '', optional } = source.secretRef;
    const secret = config.secrets.get(name);
    if (secret === undefined && optional !== true) throw missing(`secret "${name}" not found`);
    return Object.entries(secret?.data ?? {}).map(
      ([key, value]) => [key, Buffer.from(value).toString('utf8')] as const,
    );
  }
  return [];
}

function referredValue(
  source: corev1.EnvVarSource,
  container: corev1.Container,
  config: PodConfig,
  context: FieldContext,
): string | undefined {
  const namespace = context.pod.metadata?.namespace ?? '';
  if (source.configMapKeyRef !== undefined) {
    const { name = '', key = '', optional } = source.configMapKeyRef;
    const map = config.configMaps.get(name);
    const value = own(map?.data, key);
    if (value !== undefined || optional === true) return value;
    if (map === undefined) throw missing(`configmap "${name}" not found`);
    throw missing(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`);
  }
  if (source.secretKeyRef !== undefined) {
    const { name = '', key = '', optional } = source.secretKeyRef;
    const secret = config.secrets.get(name);
    const value = own(secret?.data, key);
    if (value !== undefined) return Buffer.from(value).toString('utf8');
    if (optional === true) return undefined;
    if (secret === undefined) throw missing(`secret "${name}" not found`);
    throw missing(`couldn't find key ${key} in Secret ${namespace}/${name}`);
  }
  if (source.fieldRef !== undefined) {
    const path = source.fieldRef.fieldPath ?? '';
    const value = fieldValue(path, context);
    if (value === undefined) throw missing(`field ${path} of the pod cannot be used as an environment variable`);
    return value;
  }
  if (source.resourceFieldRef !== undefined) {
    const value = resourceValue(source.resourceFieldRef, container.name, context);
    if (value === undefined)
      throw missing(`resource ${source.resourceFieldRef.resource ?? ''} of the container is unknown`);
    return value;
  }
  throw missing('the source of an environment variable is of a type this node does not support');
}

function own<T>(map: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

function missing(message: string): ContainerConfigError {
  return new ContainerConfigError('CreateContainerConfigError', message);
}
