import type { KubeObject } from '../../../proto/index.ts';
import type { AssumedObjects } from '../request/assumed.ts';
import type { Caller } from '../request/caller.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';

/** One write as admission sees it. */
export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE';
  readonly definition: AnyDefinition;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly caller: Caller;
  /** What a step that looks for another object must take as being there; undefined but for some dry runs. */
  readonly assumed?: AssumedObjects | undefined;
  /** A private copy with defaults filled in; steps may change it in place. */
  readonly object: KubeObject;
  /** The stored object of an update; not to be changed. */
  readonly old: KubeObject | undefined;
  /** Whether nothing is stored; absent means that it is. Steps that write anything themselves must not then. */
  readonly dryRun?: boolean | undefined;
  /** Adds a line for the person, without the `Warning:` prefix. */
  readonly warn?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Changes the object of a request, or refuses the request by throwing `ApiError`. Runs after defaulting. */
export type AdmissionStep = (request: AdmissionRequest, services: ApiServices) => Promise<void> | void;
