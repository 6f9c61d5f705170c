import { identity, type Registry, resolveIn, withCustomKinds } from '../../resources/registry.ts';
import { collectionPrefix } from '../keys.ts';
import type { AnyDefinition, KindRegistry } from '../services.ts';

/** The kinds served: those built in, and those that CustomResourceDefinitions describe at the moment. */
export class LiveKindRegistry implements KindRegistry {
  #registry: Registry = withCustomKinds([]);
  #byPrefix: ReadonlyMap<string, AnyDefinition> = byPrefix(this.#registry.definitions);
  readonly #listeners = new Set<() => void>();
  #refresh: (signal?: AbortSignal) => Promise<void> = () => Promise.resolve();

  get definitions(): readonly AnyDefinition[] {
    return this.#registry.definitions;
  }

  findDefinition(apiVersion: string, kind: string): AnyDefinition | undefined {
    return this.#registry.byIdentity.get(identity(apiVersion, kind));
  }

  resolveResource(text: string): AnyDefinition {
    return resolveIn(this.#registry, text);
  }

  findStored(prefix: string): AnyDefinition | undefined {
    return this.#byPrefix.get(prefix);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  refresh(signal?: AbortSignal): Promise<void> {
    return this.#refresh(signal);
  }

  /** Serves these custom kinds from now on, and no others. */
  setCustom(definitions: readonly AnyDefinition[]): void {
    this.#registry = withCustomKinds(definitions);
    this.#byPrefix = byPrefix(this.#registry.definitions);
    for (const listener of [...this.#listeners]) listener();
  }

  /** Says how {@link refresh} learns of new definitions. */
  refreshBy(refresh: (signal?: AbortSignal) => Promise<void>): void {
    this.#refresh = refresh;
  }
}

function byPrefix(definitions: readonly AnyDefinition[]): ReadonlyMap<string, AnyDefinition> {
  const stored = definitions.filter(({ storedAs }) => storedAs === undefined);
  return new Map(stored.map((definition) => [collectionPrefix(definition.type), definition]));
}
