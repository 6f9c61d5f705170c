import { rfc3339 } from '../../../lib/clock.ts';
import { KINDS, type KubeObject } from '../../../proto/index.ts';
import { badRequest, conflict, forbidden, notFound } from '../api-errors.ts';
import { requireName } from '../request/target.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import { type Current, type Decision, guardedWrite } from './guarded-write.ts';
import { countsGenerations, type LooseObject } from './prepare.ts';
import { finalizersOf } from './update.ts';
import type { WriteOutcome, WriteRequest } from './write-request.ts';

/** Finalizers that carry a propagation policy; the garbage collector removes them. */
const ORPHAN_FINALIZER = 'orphan';
const FOREGROUND_FINALIZER = 'foregroundDeletion';

/** Namespaces that stay, as in Kubernetes. */
const LASTING_NAMESPACES: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public']);

/** What a deletion is asked to respect. */
export interface DeletionOptions {
  /** `Background`, `Foreground`, `Orphan`, or empty for the kind's default. */
  readonly propagationPolicy: string;
  readonly gracePeriodSeconds: number | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
}

/** Deletes the target, or marks it for deletion when finalizers or a grace period hold it. */
export async function deleteObject(
  services: ApiServices,
  request: WriteRequest,
  options: DeletionOptions,
): Promise<WriteOutcome> {
  const name = requireName(request.target);
  const { definition } = request.target;
  if (!['', 'Background', 'Foreground', 'Orphan'].includes(options.propagationPolicy)) {
    throw badRequest(
      `propagationPolicy: Unsupported value: "${options.propagationPolicy}": supported values: "Foreground", "Background", "Orphan"`,
    );
  }
  if (definition.type.messageName === KINDS.Namespace.messageName && LASTING_NAMESPACES.has(name)) {
    throw forbidden(definition.type, name, 'this namespace may not be deleted');
  }
  return guardedWrite(services, request, name, (current) => {
    if (current === undefined) throw notFound(definition.type, name);
    checkPreconditions(definition, name, current, options);
    return decideDeletion(services, definition, { object: current.object, options });
  });
}

/** Throws `Conflict` when the object is not the one meant. */
export function checkPreconditions(
  definition: AnyDefinition,
  name: string,
  current: Current,
  options: DeletionOptions,
): void {
  const uid = current.object.metadata?.uid ?? '';
  if (options.uid !== undefined && options.uid !== '' && options.uid !== uid) {
    throw conflict(
      definition.type,
      name,
      `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`,
    );
  }
  const wanted = options.resourceVersion ?? '';
  if (wanted !== '' && wanted !== String(current.version)) {
    throw conflict(
      definition.type,
      name,
      `Precondition failed: ResourceVersion in precondition: ${wanted}, ResourceVersion in object meta: ${current.version}`,
    );
  }
}

interface Deletion {
  readonly object: LooseObject;
  readonly options: DeletionOptions;
}

/** Marks the object for deletion, or deletes it when nothing holds it. */
export function decideDeletion(
  services: ApiServices,
  definition: AnyDefinition,
  { object, options }: Deletion,
): Decision {
  const meta = { ...object.metadata };
  const marked: LooseObject = { ...object, metadata: meta };
  definition.prepareForDelete?.(marked, rfc3339(services.now()));
  Object.assign(meta, marked.metadata);
  marked.metadata = meta;
  const finalizers = withPolicy(meta.finalizers ?? [], options.propagationPolicy, definition.defaultPropagation ?? '');
  if (finalizers.length === 0) delete meta.finalizers;
  else meta.finalizers = finalizers;
  const graceSeconds = graceFor(definition, object, options);
  const held = graceSeconds > 0 || finalizersOf(marked).length > 0;
  if (!held) return { type: 'delete', object };
  const pending = meta.deletionTimestamp !== undefined;
  // A second deletion may shorten the time left, never lengthen it.
  if (!pending || graceSeconds < (meta.deletionGracePeriodSeconds ?? 0)) {
    const since = pending
      ? Date.parse(meta.deletionTimestamp ?? '') - (meta.deletionGracePeriodSeconds ?? 0) * 1000
      : services.now();
    meta.deletionTimestamp = rfc3339(Math.max(since, 0) + graceSeconds * 1000);
    meta.deletionGracePeriodSeconds = graceSeconds;
    if (countsGenerations(definition)) meta.generation = (meta.generation ?? 0) + 1;
  }
  if (definition.type.messageName === 'skiff.core.v1.Namespace') {
    marked.status = { ...(object.status as object | undefined), phase: 'Terminating' };
  }
  return { type: 'put', object: marked, action: 'deleting' };
}

/** A policy asked for wins; else the one that the finalizers carry already; else the kind's own. */
function withPolicy(finalizers: readonly string[], asked: string, ofKind: string): string[] {
  const carried = finalizers.includes(ORPHAN_FINALIZER) || finalizers.includes(FOREGROUND_FINALIZER);
  const policy = asked === '' && !carried ? ofKind : asked;
  if (policy === '') return [...finalizers];
  const others = finalizers.filter((finalizer) => finalizer !== ORPHAN_FINALIZER && finalizer !== FOREGROUND_FINALIZER);
  if (policy === 'Orphan') return [...others, ORPHAN_FINALIZER];
  if (policy === 'Foreground') return [...others, FOREGROUND_FINALIZER];
  return others;
}

function graceFor(definition: AnyDefinition, object: KubeObject, options: DeletionOptions): number {
  const graceful = definition.gracefulDeletion;
  if (graceful === undefined) return 0;
  const asked = options.gracePeriodSeconds;
  if (asked !== undefined && asked < 0) {
    throw badRequest(`gracePeriodSeconds: Invalid value: ${asked}: must be greater than or equal to 0`);
  }
  if (object.metadata?.deletionTimestamp !== undefined) {
    // Under way already: only who names a time may shorten what is left, never lengthen it.
    const left = object.metadata.deletionGracePeriodSeconds ?? 0;
    return Math.min(asked ?? left, left);
  }
  return graceful.removableAtOnce(object) ? 0 : (asked ?? graceful.defaultSeconds(object));
}
