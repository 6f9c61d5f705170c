/**
 * Looks after CustomResourceDefinitions: empties the kind of one that is being deleted and then lets it go; gives a kind names
 * that have become free.
 *
 * Watches CustomResourceDefinitions (key: itself, and those of its group that lack a name).
 */
import { isDeepStrictEqual } from 'node:util';
import { rfc3339 } from '../../../lib/clock.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type apiextensionsv1, KINDS, type ResourceType } from '../../../proto/index.ts';
import {
  acceptNames,
  CLEANUP_FINALIZER,
  isOlder,
  setCondition,
  takenNames,
} from '../../resources/custom/accepted-names.ts';
import { allDefinitions } from '../../resources/registry.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { deleteAll, ignoreNotFound } from '../writes.ts';

type Definition = apiextensionsv1.CustomResourceDefinition;

const NAME = 'custom-resource-definition-controller';
/** Milliseconds after which a kind with objects left is looked at again. */
const RECHECK_MS = 500;
/** How long every server has to notice that a kind takes no new objects, before what is empty counts as empty. */
const SETTLE_MS = 1_000;

/** The controller of custom resource definitions. */
export const customResourceDefinitionController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock, kinds } = context;
  const queue = new WorkQueue({ clock });
  const definitions = informers.of(KINDS.CustomResourceDefinition);
  const builtIn = allDefinitions().map(({ type }) => type);

  const addWithOthers = (object: Definition): void => {
    queue.add(objectKey(object));
    for (const other of definitions.list()) {
      if (other.spec?.group === object.spec?.group && lacksNames(other)) queue.add(objectKey(other));
    }
  };
  definitions.addHandler({
    onAdd: (object) => queue.add(objectKey(object)),
    onUpdate: (_, object) => addWithOthers(object),
    onDelete: addWithOthers,
  });

  /** Asks for the deletion of everything of a kind; gives how many objects were there. */
  async function empty(type: ResourceType, signal: AbortSignal): Promise<number> {
    const { items } = await client.list(type, { signal });
    const [failure] = await deleteAll(client, type, { items, signal });
    if (failure !== undefined) throw failure;
    return items.length;
  }

  async function cleanUp(definition: Definition, signal: AbortSignal): Promise<Outcome> {
    const { group, names } = definition.spec ?? {};
    const type = kinds.list().find((one) => one.group === group && one.plural === names?.plural);
    const count = type === undefined ? 0 : await empty(type, signal);
    if (count > 0) {
      const condition = {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionInProgress',
        message: 'CustomResource deletion is in progress',
      };
      const now = rfc3339(clock.now());
      const conditions = setCondition(definition.status?.conditions ?? [], condition, now);
      await writeStatus({ ...definition, status: { ...definition.status, conditions } }, definition, signal);
      return after(RECHECK_MS);
    }
    const since = clock.now() - Date.parse(definition.metadata?.deletionTimestamp ?? '');
    if (since < SETTLE_MS) return after(SETTLE_MS - Math.max(0, since));
    const finalizers = (definition.metadata?.finalizers ?? []).filter((name) => name !== CLEANUP_FINALIZER);
    const emptied = { ...definition, metadata: { ...definition.metadata, finalizers } };
    await ignoreNotFound(client.update(KINDS.CustomResourceDefinition, emptied, { signal }));
    return done;
  }

  async function writeStatus(object: Definition, old: Definition, signal: AbortSignal): Promise<void> {
    if (isDeepStrictEqual(object.status, old.status)) return;
    const options = { subresource: 'status', signal } as const;
    await ignoreNotFound(client.update(KINDS.CustomResourceDefinition, object, options));
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const definition = definitions.get(key);
    if (definition === undefined) return done;
    if (definition.metadata?.deletionTimestamp !== undefined) {
      const holds = (definition.metadata.finalizers ?? []).includes(CLEANUP_FINALIZER);
      return holds ? cleanUp(definition, signal) : done;
    }
    const others = definitions.list();
    const names = {
      taken: takenNames(definition, others, builtIn),
      older: takenNames(
        definition,
        others.filter((other) => isOlder(other, definition)),
        [],
      ),
    };
    await writeStatus(acceptNames(definition, names, rfc3339(clock.now())), definition, signal);
    return done;
  }

  // One at a time: two that want the same name must not both get it.
  return { queue, workers: 1, reconcile };
}

function lacksNames({ status }: Definition): boolean {
  return (status?.conditions ?? []).some((one) => one.type === 'NamesAccepted' && one.status === 'False');
}
