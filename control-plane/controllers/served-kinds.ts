/** The kinds that the generic controllers look after: all that are served, also those that come while they run. */
import type { ResourceType } from '../../proto/index.ts';
import type { KindRegistry } from '../api/services.ts';

/** See the top of the file. */
export interface ServedKinds {
  /** One type for each kind, however many versions of it are served: the one its objects are stored in. */
  list(): readonly ResourceType[];
  /** The stored type of a kind named in any version that is served; undefined when it is not served. */
  find(apiVersion: string, kind: string): ResourceType | undefined;
  /** Calls `listener` after kinds have come or gone, until the function returned is called. */
  onChange(listener: () => void): () => void;
}

/** The kinds of a registry. One that cannot change never calls a listener. */
export function servedKinds(registry: Pick<KindRegistry, 'definitions' | 'findDefinition' | 'onChange'>): ServedKinds {
  return {
    list: () => registry.definitions.flatMap(({ type, storedAs }) => (storedAs === undefined ? [type] : [])),
    find: (apiVersion, kind) => {
      const definition = registry.findDefinition(apiVersion, kind);
      return definition?.storedAs?.type ?? definition?.type;
    },
    onChange: (listener) => registry.onChange?.(listener) ?? (() => undefined),
  };
}

/** What tells kinds apart (several custom kinds share one message): `apps/v1/Deployment`. */
export function kindId({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): string {
  return `${apiVersion}/${kind}`;
}
