/** What is wrong with the environment of a container, and with references to fields and resources of its pod. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { dnsSubdomain, qualifiedName } from '../../../lib/name-rules.ts';
import { formatQuantity, parseQuantity } from '../../../lib/quantity.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, invalid, notSupported, required } from '../validation/field-errors.ts';
import { configKey, envVarName } from '../validation/texts.ts';

const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
] as const;

const VOLUME_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

const RESOURCES = ['cpu', 'memory', 'ephemeral-storage'].flatMap((name) => [`limits.${name}`, `requests.${name}`]);

const BYTE_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

/** Everything wrong with `env`. */
export function validateEnv(env: readonly corev1.EnvVar[], path: string): ErrorCause[] {
  return env.flatMap((variable, i) => {
    const at = `${path}[${i}]`;
    const name = variable.name ?? '';
    return [
      ...(name === '' ? [] : byRule(`${at}.name`, name, envVarName)),
      ...validateValueFrom(variable, `${at}.valueFrom`),
    ];
  });
}

function validateValueFrom({ value, valueFrom }: corev1.EnvVar, path: string): ErrorCause[] {
  if (valueFrom === undefined) return [];
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
  const causes: ErrorCause[] = [];
  const given = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter((s) => s !== undefined);
  if (given.length === 0) {
    causes.push(
      invalid(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'),
    );
  }
  if (given.length > 1) causes.push(invalid(path, '', 'may not have more than one field specified at a time'));
  if ((value ?? '') !== '') causes.push(invalid(path, '', 'may not be specified when `value` is not empty'));
  if (fieldRef !== undefined) causes.push(...validateFieldRef(fieldRef, `${path}.fieldRef`, 'env'));
  if (resourceFieldRef !== undefined) causes.push(...validateResourceRef(resourceFieldRef, `${path}.resourceFieldRef`));
  if (configMapKeyRef !== undefined) causes.push(...validateKeyRef(configMapKeyRef, `${path}.configMapKeyRef`));
  if (secretKeyRef !== undefined) causes.push(...validateKeyRef(secretKeyRef, `${path}.secretKeyRef`));
  return causes;
}

function validateKeyRef(ref: corev1.ConfigMapKeySelector | corev1.SecretKeySelector, path: string): ErrorCause[] {
  return [
    ...validateObjectName(ref.name, `${path}.name`),
    ...((ref.key ?? '') === '' ? [] : byRule(`${path}.key`, ref.key ?? '', configKey)),
  ];
}

/** What is wrong with the name of another object that must be given. */
export function validateObjectName(name: string | undefined, path: string): ErrorCause[] {
  return name === undefined || name === '' ? [required(path)] : byRule(path, name, dnsSubdomain);
}

/** What is wrong with a reference to a field of the pod, from a variable or from a file of a volume. */
export function validateFieldRef(ref: corev1.ObjectFieldSelector, path: string, from: 'env' | 'volume'): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (ref.apiVersion !== undefined && ref.apiVersion !== 'v1') {
    causes.push(notSupported(`${path}.apiVersion`, ref.apiVersion, ['v1']));
  }
  const fieldPath = ref.fieldPath ?? '';
  if (fieldPath === '') return causes;
  const subscript = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/.exec(fieldPath);
  if (subscript !== null) {
    const key = subscript[2] ?? '';
    const checked = subscript[1] === 'metadata.annotations' ? key.toLowerCase() : key;
    return [...causes, ...qualifiedName(checked).map((problem) => invalid(path, key, problem))];
  }
  const allowed: readonly string[] = from === 'env' ? ENV_FIELDS : VOLUME_FIELDS;
  if (!allowed.includes(fieldPath)) causes.push(notSupported(`${path}.fieldPath`, fieldPath, allowed));
  return causes;
}

/** What is wrong with a reference to a container's resources. */
export function validateResourceRef(ref: corev1.ResourceFieldSelector, path: string): ErrorCause[] {
  const resource = ref.resource ?? '';
  if (resource === '') return [];
  const isHugePages = /^(limits|requests)\.hugepages-/.test(resource);
  if (!RESOURCES.includes(resource) && !isHugePages) return [notSupported(`${path}.resource`, resource, RESOURCES)];
  const divisor = parseQuantity(ref.divisor ?? '0');
  if (divisor === undefined || divisor.nano === 0n) return [];
  const text = formatQuantity(divisor);
  const isCpu = resource.endsWith('.cpu');
  if ((isCpu ? ['1', '1m'] : BYTE_DIVISORS).includes(text)) return [];
  const why = isCpu
    ? "only divisor's values 1m and 1 are supported with the cpu resource"
    : `only divisor's values ${BYTE_DIVISORS.join(', ')} are supported with the ${resource.split('.')[1]} resource`;
  return [invalid(`${path}.divisor`, text, why)];
}

/** Everything wrong with `envFrom`. */
export function validateEnvFrom(sources: readonly corev1.EnvFromSource[], path: string): ErrorCause[] {
  return sources.flatMap(({ prefix, configMapRef, secretRef }, i) => {
    const at = `${path}[${i}]`;
    const causes = (prefix ?? '') === '' ? [] : byRule(`${at}.prefix`, prefix ?? '', envVarName);
    if (configMapRef === undefined && secretRef === undefined) {
      causes.push(invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`'));
    }
    if (configMapRef !== undefined && secretRef !== undefined) {
      causes.push(invalid(at, '', 'may not have more than one field specified at a time'));
    }
    if (configMapRef !== undefined) causes.push(...validateObjectName(configMapRef.name, `${at}.configMapRef.name`));
    if (secretRef !== undefined) causes.push(...validateObjectName(secretRef.name, `${at}.secretRef.name`));
    return causes;
  });
}
