/** One informer per kind, shared by all controllers and the scheduler of a server. */
import { aborted } from '../../lib/aborted.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Indexer, Informer, type InformerLog } from '../../lib/informer.ts';
import { type corev1, KINDS, type KubeObject, type ResourceType } from '../../proto/index.ts';
import { SERVICE_NAME_LABEL } from './endpoint-slice/slice-labels.ts';
import { kindId, type ServedKinds } from './served-kinds.ts';

/** Index of the objects by the uids of their owners; every informer has it. */
export const BY_OWNER = 'owner';
/** Index by namespace; every informer has it. */
export const BY_NAMESPACE = 'namespace';
/** Index of pods by the node they are bound to; the empty string for unbound ones. */
export const BY_NODE = 'node';

/** Index of Services by one pair of their selector, as {@link labelIndexValue}: whatever they select has it. */
export const BY_SELECTOR = 'selector';
/** Index of Pods by each of their labels, as {@link labelIndexValue}. */
export const BY_LABEL = 'label';
/** Index of EndpointSlices by the key of their Service. */
export const BY_SERVICE = 'service';

/** A label in a namespace, as in the indexes. */
export function labelIndexValue(namespace: string, [key, value]: readonly [string, string]): string {
  return `${namespace}/${key}=${value}`;
}

const byOwner: Indexer<KubeObject> = (object) =>
  (object.metadata?.ownerReferences ?? []).map((owner) => owner.uid ?? '');
const byNamespace: Indexer<KubeObject> = (object) => [object.metadata?.namespace ?? ''];
const byNode: Indexer<KubeObject> = (object) => [(object as corev1.Pod).spec?.nodeName ?? ''];

/** Indexes of single kinds, by the name of their message. */
const INDEXERS: Readonly<Record<string, Readonly<Record<string, Indexer<KubeObject>>>>> = {
  [KINDS.Pod.messageName]: {
    [BY_NODE]: byNode,
    [BY_LABEL]: ({ metadata }) =>
      Object.entries(metadata?.labels ?? {}).map((pair) => labelIndexValue(metadata?.namespace ?? '', pair)),
  },
  [KINDS.Service.messageName]: {
    [BY_SELECTOR]: (object) => {
      const [pair] = Object.entries((object as corev1.Service).spec?.selector ?? {});
      return pair === undefined ? [] : [labelIndexValue(object.metadata?.namespace ?? '', pair)];
    },
  },
  [KINDS.EndpointSlice.messageName]: {
    [BY_SERVICE]: ({ metadata }) => {
      const service = metadata?.labels?.[SERVICE_NAME_LABEL];
      return service === undefined ? [] : [`${metadata?.namespace ?? ''}/${service}`];
    },
  },
};

interface Shared {
  readonly informer: Informer<KubeObject>;
  readonly stop: AbortController;
  /** Whether somebody asked for whole objects; otherwise nothing but their metadata is kept in memory. */
  whole: boolean;
}

/**
 * See the top of the file. Informers asked for after {@link run} began are started at once.
 *
 * A kind that anybody asks for whole is whole for all. That is settled when its informer starts: controllers ask as they are created.
 */
export class SharedInformers {
  readonly #client: ResourceClient;
  readonly #clock: Clock | undefined;
  readonly #log: InformerLog | undefined;
  readonly #informers = new Map<string, Shared>();
  /** Starts an informer; undefined before {@link run} and after it. */
  #start: ((shared: Shared) => void) | undefined;

  constructor(client: ResourceClient, options: { readonly clock?: Clock; readonly log?: InformerLog } = {}) {
    this.#client = client;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /**
   * The informer of a kind, with whole objects; the same one for everybody. Asking for it makes it part of {@link run}. Throws when
   * it runs already with metadata only: a programming error.
   */
  of<T extends KubeObject>(type: ResourceType<T>): Informer<T> {
    const shared = this.#informers.get(kindId(type)) ?? this.#create(type, { whole: true });
    if (!shared.whole) {
      if (this.#start !== undefined) {
        throw new Error(
          `Cannot give whole objects of ${kindId(type)}: its informer runs already with their metadata only`,
        );
      }
      shared.whole = true;
    }
    return shared.informer as unknown as Informer<T>;
  }

  /** The same informer for those who read nothing but metadata: of a kind that nobody asks for whole, nothing else is kept. */
  metadataOf<T extends KubeObject>(type: ResourceType<T>): Informer<KubeObject> {
    return (this.#informers.get(kindId(type)) ?? this.#create(type, { whole: false })).informer;
  }

  #create<T extends KubeObject>(type: ResourceType<T>, { whole }: { readonly whole: boolean }): Shared {
    const informer = new Informer<KubeObject>({
      client: this.#client,
      type: type as unknown as ResourceType,
      indexers: {
        [BY_OWNER]: byOwner,
        [BY_NAMESPACE]: byNamespace,
        ...INDEXERS[type.messageName],
      },
      transform: (object) => (shared.whole ? object : metadataOnly(object)),
      ...(this.#clock === undefined ? {} : { clock: this.#clock }),
      ...(this.#log === undefined ? {} : { log: this.#log }),
    });
    const shared: Shared = { informer, stop: new AbortController(), whole };
    this.#informers.set(kindId(type), shared);
    this.#start?.(shared);
    return shared;
  }

  /** All informers asked for so far. */
  all(): Informer<KubeObject>[] {
    return [...this.#informers.values()].map(({ informer }) => informer);
  }

  /** Stops and forgets the informers of kinds that are served no more. A kind that comes back gets a new one. */
  keepOnly(kinds: ServedKinds): void {
    for (const [id, { informer, stop }] of this.#informers) {
      if (kinds.find(informer.type.apiVersion, informer.type.kind) !== undefined) continue;
      stop.abort();
      this.#informers.delete(id);
    }
  }

  /** Keeps every informer fresh, also those asked for meanwhile, until `signal` aborts and all have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const ends = new Set<Promise<void>>();
    this.#start = ({ informer, stop }) => {
      const end = informer.run(AbortSignal.any([signal, stop.signal])).finally(() => ends.delete(end));
      ends.add(end);
    };
    for (const shared of this.#informers.values()) this.#start(shared);
    await aborted(signal);
    this.#start = undefined;
    await Promise.all(ends);
  }

  /** Resolves when every informer asked for so far has its first list. */
  async synced(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.all().map((informer) => informer.synced(signal)));
  }
}

function metadataOnly(object: KubeObject): KubeObject {
  return { apiVersion: object.apiVersion, kind: object.kind, metadata: object.metadata };
}
