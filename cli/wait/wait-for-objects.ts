import { ApiError } from '../../lib/errors.ts';
import type { apiv1 } from '../../proto/api.ts';
import type { ResourceTarget, Selection } from '../api/api-client.ts';
import { type CollectionNews, followCollection, objectKey } from '../api/follow-collection.ts';
import { CliError, SeveralErrors } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { textAt } from '../resources/fields.ts';
import type { ObjectRequest } from '../resources/find-objects.ts';
import type { Session } from '../session.ts';
import type { WaitCondition } from './condition.ts';

/** Told each object that is as it was waited for. */
export type OnMet = (identity: apiv1.ObjectIdentity, name: string, object: JsonObject) => void;

/** How to wait. */
export interface WaitSettings {
  readonly condition: WaitCondition;
  /** Aborts when the time is over. */
  readonly signal: AbortSignal;
  /** Look once, and do not wait. */
  readonly once: boolean;
  readonly onMet: OnMet;
}

/** Objects of one collection, which one watch follows. */
export interface WaitGroup {
  readonly collection: ResourceTarget;
  readonly selection: Selection;
  /** Names waited for; undefined waits for all that the selection finds at first. */
  readonly names: readonly string[] | undefined;
}

/** One group for each collection; objects named one by one share the watch of their collection. */
export function groupsOf(requests: readonly ObjectRequest[]): WaitGroup[] {
  const byCollection = new Map<string, { collection: ResourceTarget; names: string[] }>();
  const groups: WaitGroup[] = [];
  for (const { target, single, selection } of requests) {
    const { name = '', ...collection } = target;
    if (!single) {
      groups.push({ collection, selection, names: undefined });
      continue;
    }
    const { resource, apiVersion, kind, namespace } = collection;
    const key = [resource, apiVersion, kind, namespace].join(' ');
    byCollection.set(key, { collection, names: [...(byCollection.get(key)?.names ?? []), name] });
  }
  for (const { collection, names } of byCollection.values()) {
    const [only] = names;
    // One object is watched by itself; several are picked out of their collection.
    const selection = names.length === 1 ? { fieldSelector: `metadata.name=${only ?? ''}` } : {};
    groups.push({ collection, selection, names });
  }
  return groups;
}

/**
 * Waits until every object of the group is as the condition says; resolves to how many objects that were. Throws `NotFound` for
 * named objects that are not there, and one error for each object that was not so in time.
 */
export async function waitForGroup({ api }: Session, group: WaitGroup, settings: WaitSettings): Promise<number> {
  const waiting = new Waiting(group, settings);
  const { collection, selection } = group;
  try {
    for await (const news of followCollection(api, collection, selection, settings.signal)) {
      waiting.take(news);
      if (waiting.isOver) return waiting.count;
      if (settings.once) throw waiting.unmet('condition not met for', true);
    }
  } catch (err) {
    // The signal's own reason is the time that is over; what else was thrown says more than that.
    if (!settings.signal.aborted || err !== settings.signal.reason || !(err instanceof CliError)) throw err;
    throw waiting.unmet('timed out waiting for the condition on', false);
  }
  return waiting.count;
}

/** Which objects of a group are still waited for. */
class Waiting {
  count = 0;
  readonly #group: WaitGroup;
  readonly #settings: WaitSettings;
  /** Keys waited for, with the uid first seen. */
  readonly #open = new Map<string, string | undefined>();
  #identity: apiv1.ObjectIdentity = {};
  #started = false;
  #anyCreated = false;

  constructor(group: WaitGroup, settings: WaitSettings) {
    this.#group = group;
    this.#settings = settings;
  }

  get isOver(): boolean {
    if (this.#group.names === undefined && this.#settings.condition.type === 'create') return this.#anyCreated;
    return this.#open.size === 0;
  }

  take(news: CollectionNews): void {
    if (news.type !== 'whole') {
      this.#look(news.key, news.type === 'gone' ? undefined : news.object, news.object);
      return;
    }
    this.#identity = news.identity;
    if (!this.#started) this.#start(news.objects);
    for (const key of [...this.#open.keys()]) this.#look(key, news.objects.get(key), {});
    if (this.#waitsForAny) for (const [key, object] of news.objects) this.#look(key, object, object);
  }

  /** Every object still waited for, in kubectl's words. */
  unmet(words: string, withGroup: boolean): Error {
    const { plural = '', group = '' } = this.#identity;
    const kind = withGroup && group !== '' ? `${plural}.${group}` : plural;
    const names = [...this.#open.keys()].map((key) => `${kind}/${key.slice(key.indexOf('/') + 1)}`);
    const errors = (names.length === 0 ? [kind] : names).map((name) => new CliError(`${words} ${name}`));
    return new SeveralErrors(errors);
  }

  get #waitsForAny(): boolean {
    return this.#group.names === undefined && this.#settings.condition.type === 'create';
  }

  #start(objects: ReadonlyMap<string, JsonObject>): void {
    this.#started = true;
    const { names, collection } = this.#group;
    const { condition } = this.#settings;
    const namespace = this.#identity.namespaced === true ? (collection.namespace ?? '') : '';
    const keys = names === undefined ? [...objects.keys()] : names.map((name) => objectKey(namespace, name));
    for (const key of keys) {
      const object = objects.get(key);
      if (object !== undefined || condition.type === 'create') this.#open.set(key, textAt(object, 'metadata', 'uid'));
      else if (condition.type === 'state') throw notFound(this.#identity, key);
      // What is not there any more needs no waiting for its deletion.
    }
    if (this.#waitsForAny) this.#open.clear();
    this.count = this.#open.size;
  }

  /** `object` is undefined while it does not exist; `last` is what was last known of it. */
  #look(key: string, object: JsonObject | undefined, last: JsonObject): void {
    if (!this.#open.has(key) && !this.#waitsForAny) return;
    const { condition, onMet } = this.#settings;
    if (condition.type === 'delete') {
      if (object !== undefined && textAt(object, 'metadata', 'uid') === this.#open.get(key)) return;
    } else if (object === undefined || (condition.type === 'state' && !condition.isMet(object))) return;
    this.#open.delete(key);
    if (this.#waitsForAny) {
      this.#anyCreated = true;
      this.count++;
    }
    onMet(this.#identity, key.slice(key.indexOf('/') + 1), object ?? last);
  }
}

function notFound({ plural = '', group = '' }: apiv1.ObjectIdentity, key: string): ApiError {
  const kind = group === '' ? plural : `${plural}.${group}`;
  return new ApiError('NotFound', `${kind} "${key.slice(key.indexOf('/') + 1)}" not found`);
}
