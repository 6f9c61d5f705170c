import type { KubeObject } from '../../proto/index.ts';
import type { ResourceDefinition } from '../resources/definition.ts';
import type { Store } from '../store/store.ts';
import type { WatchCache } from '../store/watch-cache.ts';
import type { AdmissionStep } from './admission/admission-step.ts';
import type { AddressRange } from './allocation/address-range.ts';
import type { PodRange } from './allocation/pod-range.ts';
import type { TokenSigner } from './write/token-signer.ts';

/** A kind as the generic code sees it. */
export type AnyDefinition = ResourceDefinition<KubeObject>;

/** The kinds served, by what callers call them. Kinds of CustomResourceDefinitions come and go. */
export interface KindRegistry {
  /** All as of now; another list once they have changed. */
  readonly definitions: readonly AnyDefinition[];
  findDefinition(apiVersion: string, kind: string): AnyDefinition | undefined;
  /** By plural, singular or short name as people type it, with or without its group. Throws `NotFound`. */
  resolveResource(text: string): AnyDefinition;
  /** The definition whose objects are stored under the prefix `<group>/<plural>/`. */
  findStored(prefix: string): AnyDefinition | undefined;
  /** Resolves when every kind is known that was defined before the call, on whatever server. */
  refresh(signal?: AbortSignal): Promise<void>;
  /** Calls `listener` after kinds have come or gone, until the function returned is called. Absent when they never do. */
  readonly onChange?: (listener: () => void) => () => void;
}

/** What every verb works with. */
export interface ApiServices {
  readonly store: Store;
  /** All objects in memory. Its decoded objects have defaults and resourceVersion, and are shared: never changed. */
  readonly cache: WatchCache<KubeObject>;
  readonly registry: KindRegistry;
  /** Run in order on every write, after defaulting and before validation. */
  readonly admission: readonly AdmissionStep[];
  /** Signs tokens of service accounts; without one they are refused. */
  readonly tokens?: TokenSigner;
  /** The addresses that services get; `10.43.0.0/16` unless given. */
  readonly serviceRange?: AddressRange;
  /** The addresses that pods get, and how much of them each node; `10.42.0.0/16` and a `/24` unless given. */
  readonly podRange?: PodRange;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}
