import { ApiError } from '../../lib/errors.ts';
import type { ResourceTarget } from '../api/api-client.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { mapAt, textAt } from '../resources/fields.ts';

/** Kinds that a write of another object may need to find. */
const NEEDED_KINDS: readonly string[] = ['Namespace', 'ServiceAccount', 'PriorityClass'];

/**
 * What the objects that are applied together promise each other: namespaces and accounts that will be there, kinds that will
 * be served.
 */
export class ObjectSet {
  readonly #needed: readonly ResourceTarget[];
  readonly #namespaces: ReadonlySet<string>;
  readonly #accounts: ReadonlySet<string>;
  /** The definitions in the set, by the `Kind.group` that each makes. */
  readonly #definitions: ReadonlyMap<string, Manifest>;

  /** `namespace` is where objects go that name none. */
  constructor(manifests: readonly Manifest[], namespace: string) {
    const of = (kind: string): readonly Manifest[] => manifests.filter((manifest) => manifest.kind === kind);
    this.#needed = manifests
      .filter(({ kind, name }) => NEEDED_KINDS.includes(kind) && name !== undefined)
      .map(({ apiVersion, kind, name = '', namespace: own }) => {
        const at = kind === 'ServiceAccount' ? { namespace: own ?? namespace } : {};
        return { apiVersion, kind, name, ...at };
      });
    this.#namespaces = new Set(of('Namespace').map(({ name = '' }) => name));
    this.#accounts = new Set(of('ServiceAccount').map(({ name = '', namespace: own = namespace }) => `${own}/${name}`));
    this.#definitions = new Map(
      of('CustomResourceDefinition').map((manifest) => {
        const { value } = manifest;
        return [`${textAt(value, 'spec', 'names', 'kind')}.${textAt(value, 'spec', 'group')}`, manifest];
      }),
    );
  }

  /** The objects of the set that a dry run is to take as being there. */
  get assumed(): readonly ResourceTarget[] {
    return this.#needed;
  }

  /** The definition in the set that makes this kind, if there is one. */
  definitionsOf({ apiVersion, kind }: Pick<Manifest, 'apiVersion' | 'kind'>): readonly Manifest[] {
    const slash = apiVersion.indexOf('/');
    const found = slash === -1 ? undefined : this.#definitions.get(`${kind}.${apiVersion.slice(0, slash)}`);
    return found === undefined ? [] : [found];
  }

  /** Whether a definition in the set makes this kind. */
  definesKind(manifest: Pick<Manifest, 'apiVersion' | 'kind'>): boolean {
    return this.definitionsOf(manifest).length > 0;
  }

  /**
   * Whether the refusal only says that something of this set is not there yet: a namespace, the accounts every new namespace
   * gets, a kind that is being set up. Such an object is worth another try.
   */
  isNotYet(manifest: Manifest, namespace: string, err: unknown): boolean {
    if (!(err instanceof ApiError)) return false;
    const own = manifest.namespace ?? namespace;
    const missing = /namespaces? "([^"]*)" not found/.exec(err.message)?.[1];
    if (missing !== undefined) return this.#namespaces.has(missing);
    if (isUnknownKind(err)) return this.definesKind(manifest);
    const account = /service ?accounts? "?([^"]*?)"? (?:was )?not found/i.exec(err.message)?.[1];
    if (account === undefined) return false;
    return this.#namespaces.has(own) || this.#accounts.has(`${own}/${account}`);
  }
}

/** Whether the server says that it does not serve the kind. */
export function isUnknownKind(err: unknown): boolean {
  return err instanceof ApiError && /^no matches for kind/.test(err.message);
}

/** The labels a manifest gives its object. */
export function labelsOf(manifest: Manifest): Readonly<Record<string, string>> {
  return Object.fromEntries(mapAt(manifest.value, 'metadata', 'labels'));
}
