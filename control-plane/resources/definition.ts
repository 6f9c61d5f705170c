/**
 * What the API needs to know about one kind beyond its schema. Adding a kind is one file that exports a
 * {@link ResourceDefinition} and one line in `registry.ts`; every verb, client and column then works.
 *
 * All functions are pure but for the object they are given, which is always a private copy; none may do I/O or look at the
 * clock except through {@link RequestContext}.
 */
import type { ErrorCause } from '../../lib/errors.ts';
import type { DecodeIssue, KubeObject, MessageSchema, ResourceType } from '../../proto/index.ts';
import type { SchemaNode as MergeNode } from '../merge/schema-node.ts';
import type { SchemaNode } from './custom/schema-node.ts';

/** What a write knows of its request. */
export interface RequestContext {
  readonly user: string;
  /** The time of the request, RFC 3339 with whole seconds. */
  readonly now: string;
}

/**
 * One column of `get`, NAME included. The cells of an age column are RFC 3339 times; the client shows them as ages, and what
 * is no time (`<none>`) as it is. In any other cell an RFC 3339 time followed by ` ago` (`5 (2026-01-02T03:04:05Z ago)`) is
 * shown as an age too.
 */
export interface ColumnDefinition<T> {
  /** Upper case, as in the header. */
  readonly name: string;
  readonly wide?: boolean;
  readonly age?: boolean;
  readonly cell: (object: T) => string;
}

/** Where the scale subresource finds its numbers. */
export interface ScaleDefinition<T> {
  readonly specReplicas: (object: T) => number;
  readonly setSpecReplicas: (object: T, replicas: number) => void;
  readonly statusReplicas: (object: T) => number;
  /** The label selector in text form. */
  readonly selector: (object: T) => string;
}

/** What a graceful deletion does to an object that may not go at once. */
export interface GracefulDeletion<T> {
  /** Seconds the object is left when the request names none; 0 removes it at once. */
  readonly defaultSeconds: (object: T) => number;
  /** Whether the object may be removed at once although seconds are left (a pod that was never bound). */
  readonly removableAtOnce: (object: T) => boolean;
}

/** How a version of a kind that is not the stored one is kept. Both functions are pure; their argument is theirs to take apart. */
export interface StoredVersion<T extends KubeObject> {
  readonly type: ResourceType;
  readonly toStored: (object: T) => KubeObject;
  readonly fromStored: (stored: KubeObject) => T;
  /** The fields objects can be selected by, with their names in the stored version; left out when they are the same. */
  readonly fieldNames?: Readonly<Record<string, string>>;
}

/** What makes a kind that a CustomResourceDefinition describes. */
export interface CustomKind {
  /** Name of the CustomResourceDefinition. */
  readonly definedBy: string;
  /** Being deleted: no new objects. */
  readonly terminating: boolean;
  /** The fields, for `explain`. */
  readonly schema: () => MessageSchema;
  /** The fields, for walks over objects. */
  readonly root: SchemaNode;
  /** What whoever uses this version is told. */
  readonly deprecation: string | undefined;
}

/** One kind. */
export interface ResourceDefinition<T extends KubeObject> {
  readonly type: ResourceType<T>;
  /**
   * For a further version of a kind: the version its objects are stored in, and how to get from one to the other. Every other
   * rule of the kind is the stored version's; of this definition only the columns are used besides.
   */
  readonly storedAs?: StoredVersion<T>;
  /** Further verbs' subresources besides the object itself. */
  readonly subresources?: {
    readonly status?: boolean;
    /** A second way to write the status: the decision about a request, which the status itself may not change. */
    readonly approval?: boolean;
    readonly scale?: ScaleDefinition<T>;
    readonly binding?: boolean;
    readonly eviction?: boolean;
    /** Makes tokens of a service account. */
    readonly token?: boolean;
    /** Adds ephemeral containers to a pod. */
    readonly ephemeralcontainers?: boolean;
    /** Lists and watches of what other nodes may know. */
    readonly peers?: boolean;
    /** Replaces the spec's finalizers only. */
    readonly finalize?: boolean;
  };
  /** What of the metadata a write of the status brings along besides; labels and annotations unless said. */
  readonly metadataWithStatus?: readonly ('labels' | 'annotations')[];
  /** For a kind of a CustomResourceDefinition: what the message says nothing about. */
  readonly custom?: CustomKind;
  /** Groups of kinds that people name together, such as `all`. */
  readonly categories?: readonly string[];
  /** Whether the kind's objects count the versions of what is desired; those in namespaces with a status do, unless said. */
  readonly countsGenerations?: boolean;
  /** A write is answered only when this server has taken notice of it: what follows may depend on it. */
  readonly visibleAtOnce?: boolean;
  /** The fields as server-side apply sees them, where the message does not say. */
  readonly mergeNode?: () => MergeNode;
  /** Changes an object read from the store in place, before defaults: drops what today's schema no longer knows. */
  readonly afterRead?: (object: T) => void;
  /** Fields of an object, as it came in, that are unknown though the message could carry them. */
  readonly unknownFields?: (object: T) => DecodeIssue[];
  /** Fills in defaults in place. Idempotent; also run on objects read from the store. */
  readonly setDefaults?: (object: T) => void;
  /** Brings a new object into its initial state in place: status cleared or initial, server-owned fields set. */
  readonly prepareForCreate?: (object: T, context: RequestContext) => void;
  /** Keeps in `object`, in place, what an ordinary update may not touch (server-owned fields; the status is kept already). */
  readonly prepareForUpdate?: (object: T, old: T) => void;
  /** Changes in place an object whose deletion is asked for: adds finalizers, says so in its status. */
  readonly prepareForDelete?: (object: T, now: string) => void;
  /** Everything wrong with the object, at once. Runs after defaulting. Metadata is checked by the generic part. */
  readonly validate?: (object: T) => ErrorCause[];
  /** What is wrong with a new object besides {@link validate}: rules that objects which are there already need not keep. */
  readonly validateCreate?: (object: T) => ErrorCause[];
  /** Everything that may not change from `old` to `object`. Runs besides {@link validate}. */
  readonly validateUpdate?: (object: T, old: T) => ErrorCause[];
  /** The same for a write of the status; `subresource` is `status` or `approval`, the former when left out. */
  readonly validateStatusUpdate?: (object: T, old: T, subresource?: string) => ErrorCause[];
  /** Lines of warning for the person; unsupported fields are warned of from the schema already. */
  readonly warnings?: (object: T) => string[];
  /** Names are checked with this rule; `dnsSubdomain` unless said. */
  readonly nameRule?: 'dnsLabel' | 'dnsSubdomain' | 'pathSegment';
  readonly columns: readonly ColumnDefinition<T>[];
  /** Field selectors beyond `metadata.name` and `metadata.namespace`. */
  readonly selectableFields?: Readonly<Record<string, (object: T) => string>>;
  readonly gracefulDeletion?: GracefulDeletion<T>;
  /** `Background` unless said. */
  readonly defaultPropagation?: 'Background' | 'Orphan';
  /** Seconds after its last write at which the store drops an object by itself; never unless said. */
  readonly storedSeconds?: number;
}
