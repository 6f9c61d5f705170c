/** The kinds that the generic controllers look after: all that are served, also those that come while they run. */
import type { KubeObject, ResourceType } from '../../proto/index.ts';
import type { KindRegistry } from '../api/services.ts';
import type { ScaleDefinition } from '../resources/definition.ts';

/** See the top of the file. */
export interface ServedKinds {
  /** One type for each kind, however many versions of it are served: the one its objects are stored in. */
  list(): readonly ResourceType[];
  /** The stored type of a kind named in any version that is served; undefined when it is not served. */
  find(apiVersion: string, kind: string): ResourceType | undefined;
  /** Where stored objects of a kind say how many replicas they want; undefined when it cannot be scaled. Absent: none can. */
  readonly scaleOf?: (apiVersion: string, kind: string) => ScaleDefinition<KubeObject> | undefined;
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
    scaleOf: (apiVersion, kind) => {
      const definition = registry.findDefinition(apiVersion, kind);
      const stored = definition?.storedAs?.type;
      return (stored === undefined ? definition : registry.findDefinition(stored.apiVersion, stored.kind))?.subresources
        ?.scale;
    },
    onChange: (listener) => registry.onChange?.(listener) ?? (() => undefined),
  };
}

/** What tells kinds apart (several custom kinds share one message): `apps/v1/Deployment`. */
export function kindId({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): string {
  return `${apiVersion}/${kind}`;
}
