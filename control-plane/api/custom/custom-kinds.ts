import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/logger.ts';
import { type apiextensionsv1, KINDS, type KubeObject } from '../../../proto/index.ts';
import { isEstablished } from '../../resources/custom/accepted-names.ts';
import { loadRules, rulesAreLoaded } from '../../resources/custom/cel-engine.ts';
import { customDefinitions } from '../../resources/custom/custom-definition.ts';
import { carriesRules } from '../../resources/custom/validate-rules.ts';
import type { CachedEntry, WatchCache } from '../../store/watch-cache.ts';
import { collectionPrefix } from '../keys.ts';
import type { AnyDefinition } from '../services.ts';
import type { LiveKindRegistry } from './live-registry.ts';

type Definition = apiextensionsv1.CustomResourceDefinition;

const PREFIX = collectionPrefix(KINDS.CustomResourceDefinition);
const RETRY_MS = 200;

/**
 * Keeps the registry of kinds in step with the CustomResourceDefinitions in the store, on every server. They are read from the
 * cache, which hears of them from whichever server they were written by.
 */
export class CustomKinds {
  readonly #cache: WatchCache<KubeObject>;
  readonly #registry: LiveKindRegistry;
  readonly #log: Logger;
  /** The kinds of each definition, by its key, and the entry they were made from. */
  readonly #made = new Map<string, Made>();

  /** Some definition waits for the library of rules. */
  #wantsRules = false;

  constructor(options: { cache: WatchCache<KubeObject>; registry: LiveKindRegistry; log: Logger }) {
    this.#cache = options.cache;
    this.#registry = options.registry;
    this.#log = options.log;
    this.#registry.refreshBy(async (signal) => {
      await this.#cache.catchUp(signal);
      await this.ready();
    });
  }

  /** Resolves when every definition in the cache is served. */
  async ready(): Promise<void> {
    this.sync();
    if (!this.#wantsRules || rulesAreLoaded()) return;
    await loadRules();
    this.sync();
  }

  /** Follows the definitions until `signal` aborts. {@link ready} once before serving. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const from = this.#cache.version;
        await this.ready();
        for await (const _batch of this.#cache.watch(PREFIX, from, signal)) await this.ready();
      } catch (err) {
        // The watch has fallen behind, or the cache starts over: begin again with what there is.
        if (!signal.aborted) this.#log.debug({ err }, 'watch of custom resource definitions ended');
        await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Brings the registry up to what the cache holds. Costs next to nothing when nothing has changed. */
  sync(): void {
    const { entries } = this.#cache.list(PREFIX);
    let changed = false;
    const keys = new Set<string>();
    for (const entry of entries) {
      keys.add(entry.key);
      const known = this.#made.get(entry.key);
      if (known?.version === entry.version) continue;
      const made = this.#make(entry);
      this.#made.set(entry.key, made);
      // A new status alone changes nothing of the kind, and its objects need not be decoded again.
      if (known !== undefined && known.source === made.source) made.definitions = known.definitions;
      else {
        changed = true;
        for (const prefix of prefixesOf(made, known)) this.#cache.forgetDecoded(prefix);
      }
    }
    for (const [key, made] of this.#made) {
      if (keys.has(key)) continue;
      this.#made.delete(key);
      changed = true;
      for (const prefix of prefixesOf(made)) this.#cache.forgetDecoded(prefix);
    }
    if (changed) this.#registry.setCustom(this.#inOrder().flatMap(({ definitions }) => definitions));
  }

  #make(entry: CachedEntry<KubeObject>): Made {
    const made: Made = { version: entry.version, source: '', created: '', name: '', definitions: [] };
    const definition = entry.object as Definition | undefined;
    if (definition === undefined) return made;
    made.source = sourceOf(definition);
    made.created = definition.metadata?.creationTimestamp ?? '';
    made.name = definition.metadata?.name ?? '';
    if (!isEstablished(definition)) return made;
    if (!rulesAreLoaded() && carriesRules(definition)) {
      // Looked at again when the rules can be compiled: until then the kind is not served.
      this.#wantsRules = true;
      return { ...made, version: 0, source: '' };
    }
    try {
      made.definitions = customDefinitions(definition) as unknown as readonly AnyDefinition[];
    } catch (err) {
      this.#log.error(
        { err, name: made.name, reason: errorMessage(err) },
        'custom resource definition cannot be served',
      );
    }
    return made;
  }

  /** The oldest first: who was there first has the names. */
  #inOrder(): readonly Made[] {
    return [...this.#made.values()].sort((a, b) =>
      a.created === b.created ? (a.name < b.name ? -1 : 1) : a.created < b.created ? -1 : 1,
    );
  }
}

interface Made {
  readonly version: number;
  /** Everything the kinds are made from, as text. */
  source: string;
  created: string;
  name: string;
  definitions: readonly AnyDefinition[];
}

function sourceOf(definition: Definition): string {
  const { spec, status, metadata } = definition;
  return JSON.stringify([spec, status?.acceptedNames, isEstablished(definition), metadata?.deletionTimestamp]);
}

function prefixesOf(...all: readonly (Made | undefined)[]): Set<string> {
  return new Set(all.flatMap((made) => made?.definitions.map(({ type }) => collectionPrefix(type)) ?? []));
}
