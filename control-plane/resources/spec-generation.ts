/** The `generation` of kinds that have one but no status: those with a status get it from the API itself. */
import { type KubeObject, messageSchema } from '../../proto/index.ts';
import { isSame } from './validation/changed-fields.ts';

/** Starts `metadata.generation` of a new object. */
export function startGeneration(object: KubeObject): void {
  object.metadata = { ...object.metadata, generation: 1 };
}

/** Counts `metadata.generation` up when anything but the metadata differs from `old`. */
export function countGeneration(messageName: string, object: KubeObject, old: KubeObject): void {
  if (isSame(messageName, withoutMetadata(object), withoutMetadata(old))) return;
  object.metadata = { ...object.metadata, generation: (old.metadata?.generation ?? 0) + 1 };
}

/** The two functions for the definition of such a kind. Throws when the kind has a status: a programming error. */
export function ownGeneration<T extends KubeObject>(type: {
  readonly messageName: string;
}): {
  readonly prepareForCreate: (object: T) => void;
  readonly prepareForUpdate: (object: T, old: T) => void;
} {
  if (messageSchema(type.messageName).byName.has('status')) throw new Error(`${type.messageName} has a status`);
  return {
    prepareForCreate: startGeneration,
    prepareForUpdate: (object, old) => countGeneration(type.messageName, object, old),
  };
}

function withoutMetadata({ metadata: _metadata, ...rest }: KubeObject): object {
  return rest;
}
