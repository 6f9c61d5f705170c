/** What is wrong with containers that are added to a pod to look into it. They may do less than others, and only come. */
import type { ErrorCause } from '../../../lib/errors.ts';
import type { corev1 } from '../../../proto/index.ts';
import { changesInWords, fieldChanges } from '../validation/changed-fields.ts';
import { duplicate, forbidden, notFound } from '../validation/field-errors.ts';
import { validateContainer } from './containers.ts';

const MESSAGE = 'skiff.core.v1.EphemeralContainer';
const NOT_ALLOWED = 'cannot be set for an Ephemeral Container';
const FIELDS_NOT_ALLOWED = [
  'lifecycle',
  'livenessProbe',
  'ports',
  'readinessProbe',
  'resizePolicy',
  'resources',
  'restartPolicy',
  'restartPolicyRules',
  'startupProbe',
] as const;

/** Everything wrong with the ephemeral containers of the spec at `path`. */
export function validateEphemeralContainers(spec: corev1.PodSpec, path: string): ErrorCause[] {
  const others = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(({ name }) => name);
  const names = new Set(others);
  return (spec.ephemeralContainers ?? []).flatMap((container, i) => {
    const at = `${path}.ephemeralContainers[${i}]`;
    const { name = '', targetContainerName = '', volumeMounts = [], ...rest } = container;
    const causes = validateContainer({ container: { ...rest, name, volumeMounts }, path: at, spec });
    if (name !== '' && names.has(name)) causes.push(duplicate(`${at}.name`, name));
    names.add(name);
    if (targetContainerName !== '' && !others.includes(targetContainerName))
      causes.push(notFound(`${at}.targetContainerName`, targetContainerName));
    for (const field of FIELDS_NOT_ALLOWED) {
      if (isGiven(container[field])) causes.push(forbidden(`${at}.${field}`, NOT_ALLOWED));
    }
    for (const [j, mount] of volumeMounts.entries()) {
      for (const field of ['subPath', 'subPathExpr'] as const) {
        if ((mount[field] ?? '') !== '') causes.push(forbidden(`${at}.volumeMounts[${j}].${field}`, NOT_ALLOWED));
      }
    }
    return causes;
  });
}

/** What may not happen to the ephemeral containers of a pod that exists: one that is there stays as it is. */
export function validateEphemeralContainersUpdate(spec: corev1.PodSpec, old: corev1.PodSpec): ErrorCause[] {
  const field = 'spec.ephemeralContainers';
  return (old.ephemeralContainers ?? []).flatMap((before) => {
    const now = spec.ephemeralContainers?.find(({ name }) => name === before.name);
    const which = `existing ephemeral containers ${JSON.stringify(before.name)}`;
    if (now === undefined) return [forbidden(field, `${which} may not be removed`)];
    const changes = fieldChanges(MESSAGE, now, before);
    return changes.length === 0 ? [] : [forbidden(field, `${which} may not be changed; ${changesInWords(changes)}`)];
  });
}

function isGiven(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false;
  return typeof value !== 'object' || Object.values(value).some((part) => part !== undefined);
}
