import type { ConnectionOptions } from '../session.ts';

/** Options of `get` as typed. */
export interface GetOptions extends ConnectionOptions {
  readonly output?: string;
  readonly watch?: boolean;
  readonly watchOnly?: boolean;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly sortBy?: string;
  readonly labelColumns?: string[];
  readonly showLabels?: boolean;
  readonly showKind?: boolean;
  /** False with `--no-headers`. */
  readonly headers: boolean;
  readonly ignoreNotFound?: boolean;
  readonly showManagedFields?: boolean;
  readonly filename?: string[];
  readonly kustomize?: string;
  readonly recursive?: boolean;
  readonly chunkSize?: string;
  readonly subresource?: string;
  readonly outputWatchEvents?: boolean;
  readonly raw?: string;
}
