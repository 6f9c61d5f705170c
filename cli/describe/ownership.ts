import type { JsonObject } from '../manifest/json-value.ts';
import { type TreeNode, treeLines } from '../output/tree-lines.ts';
import { listAt, numberAt, textAt } from '../resources/fields.ts';

/**
 * A picture of what owns what around an object: its topmost known owner, and everything below that, with the state of each.
 * The object itself is marked. Empty when it stands alone.
 */
export function ownershipLines(object: JsonObject, relatives: readonly JsonObject[]): string[] {
  const known = new Map([object, ...relatives].map((one) => [uidOf(one), one]));
  let top = object;
  for (let owner = ownerIn(top, known); owner !== undefined && owner !== object; owner = ownerIn(top, known))
    top = owner;
  const tree = node(top, [...known.values()], uidOf(object));
  return tree.children.length === 0 ? [] : treeLines(tree);
}

function ownerIn(object: JsonObject, known: ReadonlyMap<string, JsonObject>): JsonObject | undefined {
  const owners = listAt(object, 'metadata', 'ownerReferences').map((owner) => known.get(textAt(owner, 'uid')));
  return owners.find((owner) => owner !== undefined);
}

function node(object: JsonObject, all: readonly JsonObject[], marked: string): TreeNode {
  const uid = uidOf(object);
  const children = all
    .filter((other) => listAt(other, 'metadata', 'ownerReferences').some((owner) => textAt(owner, 'uid') === uid))
    .filter((other) => !isEmptyReplicaSet(other) || uidOf(other) === marked)
    .map((child) => node(child, all, marked));
  const name = `${textAt(object, 'kind')}/${textAt(object, 'metadata', 'name')}`;
  const state = stateOf(object);
  return {
    text: `${name}${state === '' ? '' : `  ${state}`}${uid === marked && children.length === 0 ? '  <- this' : ''}`,
    children,
  };
}

function uidOf(object: JsonObject): string {
  return textAt(object, 'metadata', 'uid');
}

/** Old revisions without pods would only fill the picture. */
function isEmptyReplicaSet(object: JsonObject): boolean {
  return (
    textAt(object, 'kind') === 'ReplicaSet' &&
    (numberAt(object, 'spec', 'replicas') ?? 1) === 0 &&
    (numberAt(object, 'status', 'replicas') ?? 0) === 0
  );
}

/** A few words on how an object is: pods by their reason, sets by their counts. */
export function stateOf(object: JsonObject): string {
  switch (textAt(object, 'kind')) {
    case 'Pod': {
      if (textAt(object, 'metadata', 'deletionTimestamp') !== '') return 'Terminating';
      const waiting = listAt(object, 'status', 'containerStatuses')
        .map(
          (status) => textAt(status, 'state', 'waiting', 'reason') || textAt(status, 'state', 'terminated', 'reason'),
        )
        .find((reason) => reason !== '');
      const isReady = listAt(object, 'status', 'conditions').some(
        (condition) => textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'True',
      );
      const phase = textAt(object, 'status', 'phase');
      return isReady ? `${phase}, ready` : (waiting ?? phase);
    }
    case 'ReplicaSet':
    case 'Deployment':
      return `${numberAt(object, 'status', 'readyReplicas') ?? 0}/${numberAt(object, 'spec', 'replicas') ?? 1} ready`;
    default:
      return '';
  }
}
