/** One informer per kind, shared by all controllers and the scheduler of a server. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Indexer, Informer, type InformerLog } from '../../lib/informer.ts';
import { type corev1, KINDS, type KubeObject, type ResourceType } from '../../proto/index.ts';

/** Index of the objects by the uids of their owners; every informer has it. */
export const BY_OWNER = 'owner';
/** Index by namespace; every informer has it. */
export const BY_NAMESPACE = 'namespace';
/** Index of pods by the node they are bound to; the empty string for unbound ones. */
export const BY_NODE = 'node';

/** Kinds of which somebody reads more than the metadata. Of the others nothing else is kept in memory. */
const WHOLE: ReadonlySet<string> = new Set(['Pod', 'Node', 'Namespace', 'ReplicaSet', 'Deployment', 'Lease']);

const byOwner: Indexer<KubeObject> = (object) =>
  (object.metadata?.ownerReferences ?? []).map((owner) => owner.uid ?? '');
const byNamespace: Indexer<KubeObject> = (object) => [object.metadata?.namespace ?? ''];
const byNode: Indexer<KubeObject> = (object) => [(object as corev1.Pod).spec?.nodeName ?? ''];

/** See the top of the file. Ask for informers before {@link run}. */
export class SharedInformers {
  readonly #client: ResourceClient;
  readonly #clock: Clock | undefined;
  readonly #log: InformerLog | undefined;
  readonly #informers = new Map<string, Informer<KubeObject>>();

  constructor(client: ResourceClient, options: { readonly clock?: Clock; readonly log?: InformerLog } = {}) {
    this.#client = client;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** The informer of a kind, the same one for everybody. Asking for it makes it part of {@link run}. */
  of<T extends KubeObject>(type: ResourceType<T>): Informer<T> {
    let informer = this.#informers.get(type.messageName);
    if (informer === undefined) {
      informer = new Informer<KubeObject>({
        client: this.#client,
        type: type as unknown as ResourceType,
        indexers: {
          [BY_OWNER]: byOwner,
          [BY_NAMESPACE]: byNamespace,
          ...(type.messageName === KINDS.Pod.messageName ? { [BY_NODE]: byNode } : {}),
        },
        ...(WHOLE.has(type.kind) ? {} : { transform: metadataOnly }),
        ...(this.#clock === undefined ? {} : { clock: this.#clock }),
        ...(this.#log === undefined ? {} : { log: this.#log }),
      });
      this.#informers.set(type.messageName, informer);
    }
    return informer as unknown as Informer<T>;
  }

  /** All informers asked for so far. */
  all(): Informer<KubeObject>[] {
    return [...this.#informers.values()];
  }

  /** Keeps every informer fresh until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.all().map((informer) => informer.run(signal)));
  }

  /** Resolves when every informer has its first list. */
  async synced(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.all().map((informer) => informer.synced(signal)));
  }
}

function metadataOnly(object: KubeObject): KubeObject {
  return { apiVersion: object.apiVersion, kind: object.kind, metadata: object.metadata };
}
