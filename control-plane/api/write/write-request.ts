import type { KubeObject } from '../../../proto/index.ts';
import type { ResourceVersion } from '../../store/store.ts';
import type { AssumedObjects } from '../request/assumed.ts';
import type { Caller } from '../request/caller.ts';
import type { Target } from '../request/target.ts';

/** What every write has in common. */
export interface WriteRequest {
  readonly target: Target;
  readonly caller: Caller;
  readonly dryRun: boolean;
  /** In whose name fields are owned; the caller's when absent. */
  readonly fieldManager?: string | undefined;
  /** Only of dry runs: what counts as being there. */
  readonly assumed?: AssumedObjects | undefined;
  /** Gives up waiting. The gRPC edge passes none: a write is short, and goes on when its client goes away. */
  readonly signal?: AbortSignal | undefined;
}

/** What a write did. */
export type WriteAction = 'created' | 'configured' | 'unchanged' | 'deleted' | 'deleting';

/** The result of a write. */
export interface WriteOutcome {
  readonly action: WriteAction;
  /** The object as it is now, with its resourceVersion; after a deletion, as it was. Not to be changed. */
  readonly object: KubeObject;
  /** The stored bytes of it. */
  readonly bytes: Uint8Array;
  /** The object's version; of a dry run, the version it was computed from. */
  readonly version: ResourceVersion;
  /** For the person, without the `Warning:` prefix. */
  readonly warnings: readonly string[];
}
