import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import type { Session } from '../session.ts';
import { listAt, mapAt, textAt, valueAt } from './fields.ts';

/**
 * The pods that `pod`, `pod/x` or `deploy/x` mean: the pod itself, or the pods an object's selector finds, ready ones first.
 * Throws `NotFound`, and a {@link CliError} for objects that have no pods.
 */
export async function findPods({ api, namespace }: Session, name: string): Promise<JsonObject[]> {
  const slash = name.indexOf('/');
  const resource = slash === -1 ? 'pods' : name.slice(0, slash);
  const { object, identity } = await api.get({ resource, namespace, name: name.slice(slash + 1) });
  if (identity.kind === 'Pod') return [object];
  const labelSelector = selectorText(object);
  if (labelSelector === '')
    throw new CliError(
      `${identity.singular ?? resource} "${textAt(object, 'metadata', 'name')}" has no pods of its own`,
    );
  const { items } = await api.list({ resource: 'pods', namespace }, { labelSelector });
  if (items.length === 0) throw new CliError(`${name} has no pods`);
  return [...items].sort((a, b) => usefulness(b) - usefulness(a));
}

/** The selector of a workload, in text form. */
function selectorText(object: JsonObject): string {
  const equal = mapAt(object, 'spec', 'selector', 'matchLabels').map(([key, value]) => `${key}=${value}`);
  const expressions = listAt(object, 'spec', 'selector', 'matchExpressions').map((expression) => {
    const key = textAt(expression, 'key');
    const values = valueAt(expression, 'values');
    const list = `(${Array.isArray(values) ? values.join(',') : ''})`;
    switch (textAt(expression, 'operator')) {
      case 'In':
        return `${key} in ${list}`;
      case 'NotIn':
        return `${key} notin ${list}`;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return key;
    }
  });
  return [...equal, ...expressions].join(',');
}

/** Running and ready pods come before starting, ended and going ones. */
function usefulness(pod: JsonObject): number {
  const isReady = listAt(pod, 'status', 'conditions').some(
    (condition) => textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'True',
  );
  const isGoing = textAt(pod, 'metadata', 'deletionTimestamp') !== '';
  return (isGoing ? 0 : 4) + (isReady ? 2 : 0) + (textAt(pod, 'status', 'phase') === 'Running' ? 1 : 0);
}

/** Names of all containers of a pod: ordinary, init, ephemeral. */
export function containerNames(pod: JsonObject): { containers: string[]; initContainers: string[]; all: string[] } {
  const names = (field: string): string[] => listAt(pod, 'spec', field).map((container) => textAt(container, 'name'));
  const [containers, initContainers] = [names('containers'), names('initContainers')];
  return { containers, initContainers, all: [...initContainers, ...containers, ...names('ephemeralContainers')] };
}

/**
 * The container meant when none is named: that of the annotation, or the first; `note` tells the person when there was a
 * choice. Throws a {@link CliError} when the one named is not there.
 */
export function chooseContainer(
  pod: JsonObject,
  wanted: string | undefined,
): { container: string; note: string | undefined } {
  const { containers, initContainers, all } = containerNames(pod);
  if (wanted !== undefined) {
    if (all.includes(wanted)) return { container: wanted, note: undefined };
    throw new CliError(
      `container ${wanted} is not valid for pod ${textAt(pod, 'metadata', 'name')} (it has ${all.join(', ')})`,
    );
  }
  const annotated = textAt(pod, 'metadata', 'annotations', 'kubectl.kubernetes.io/default-container');
  const container = containers.includes(annotated) ? annotated : (containers[0] ?? '');
  if (all.length <= 1 || container === annotated) return { container, note: undefined };
  const list = [...containers, ...initContainers.map((name) => `${name} (init)`)].join(', ');
  return { container, note: `Defaulted container "${container}" out of: ${list}` };
}
