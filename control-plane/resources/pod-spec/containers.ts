/** What is wrong with the containers of a pod, each alone and among each other. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { dnsLabel } from '../../../lib/name-rules.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, forbidden, invalid, required, unique } from '../validation/field-errors.ts';
import { validateEnv, validateEnvFrom } from './env.ts';
import { validateHostPorts, validatePorts } from './ports.ts';
import { validateHandler, validateProbe } from './probes.ts';
import { validateResources } from './resources.ts';
import { validateContainerSecurity } from './security-context.ts';
import { validateVolumeMounts } from './volume-mounts.ts';

/** Where a container stands, with what rules depend on. */
export interface ContainerPlace {
  readonly container: corev1.Container;
  readonly path: string;
  readonly spec: corev1.PodSpec;
}

/** Everything wrong with the containers of the spec at `path`. */
export function validateContainers(spec: corev1.PodSpec, path: string): ErrorCause[] {
  const main = places(spec, spec.containers, `${path}.containers`);
  const init = places(spec, spec.initContainers, `${path}.initContainers`);
  const all = [...main, ...init];
  return [
    ...all.flatMap(validateContainer),
    ...init.flatMap(validateInitContainer),
    ...unique(
      all.map(({ container }) => container.name),
      (i) => `${all[i]?.path}.name`,
    ),
    ...validateHostPorts(main),
  ];
}

function places(
  spec: corev1.PodSpec,
  containers: readonly corev1.Container[] | undefined,
  path: string,
): ContainerPlace[] {
  return (containers ?? []).map((container, i) => ({ container, path: `${path}[${i}]`, spec }));
}

/** Everything wrong with one container, of whatever sort. */
export function validateContainer(place: ContainerPlace): ErrorCause[] {
  const { container, path, spec } = place;
  const graceSeconds = spec.terminationGracePeriodSeconds;
  return [
    ...((container.name ?? '') === '' ? [] : byRule(`${path}.name`, container.name ?? '', dnsLabel)),
    ...validateImage(container.image ?? '', `${path}.image`),
    ...validatePorts(container.ports ?? [], `${path}.ports`),
    ...validateEnv(container.env ?? [], `${path}.env`),
    ...validateEnvFrom(container.envFrom ?? [], `${path}.envFrom`),
    ...validateVolumeMounts(place),
    ...validateProbe('liveness', container.livenessProbe, `${path}.livenessProbe`),
    ...validateProbe('readiness', container.readinessProbe, `${path}.readinessProbe`),
    ...validateProbe('startup', container.startupProbe, `${path}.startupProbe`),
    ...validateHandler(container.lifecycle?.postStart, `${path}.lifecycle.postStart`, graceSeconds),
    ...validateHandler(container.lifecycle?.preStop, `${path}.lifecycle.preStop`, graceSeconds),
    ...validateResources(container.resources, `${path}.resources`),
    ...validateContainerSecurity(place),
  ];
}

function validateImage(image: string, field: string): ErrorCause[] {
  if (image === '') return [required(field)];
  return image === image.trim() ? [] : [invalid(field, image, 'must not have leading or trailing whitespace')];
}

/** An init container that runs to its end has nobody to ask how it is. */
function validateInitContainer({ container, path }: ContainerPlace): ErrorCause[] {
  if (container.restartPolicy === 'Always') return [];
  return (['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
    .filter((field) => container[field] !== undefined)
    .map((field) => forbidden(`${path}.${field}`, 'may not be set for init containers without restartPolicy=Always'));
}
