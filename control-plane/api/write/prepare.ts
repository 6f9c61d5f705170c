import { rfc3339 } from '../../../lib/clock.ts';
import type { ErrorCause } from '../../../lib/errors.ts';
import type { KubeObject } from '../../../proto/index.ts';
import type { RequestContext } from '../../resources/definition.ts';
import { invalidObject } from '../../resources/validate-object.ts';
import { unsupportedFieldWarnings } from '../request/unsupported-fields.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import type { WriteRequest } from './write-request.ts';

/** The parts of an object that any code may look at without knowing its kind. */
export type LooseObject = KubeObject & { spec?: unknown; status?: unknown };

/** Who and when, for the kind's own functions. */
export function contextOf(services: ApiServices, request: WriteRequest): RequestContext {
  return { user: request.caller.user, now: rfc3339(services.now()) };
}

/** Runs every admission step over `object`, which they may change. */
export async function admit(
  services: ApiServices,
  request: WriteRequest,
  subject: { readonly name: string; readonly object: KubeObject; readonly old: KubeObject | undefined },
): Promise<void> {
  const { definition, namespace, subresource } = request.target;
  const operation = subject.old === undefined ? 'CREATE' : 'UPDATE';
  const { caller, assumed, signal } = request;
  for (const step of services.admission) {
    await step({ operation, definition, subresource, namespace, caller, assumed, signal, ...subject }, services);
  }
}

/** Throws `Invalid` with all problems, if there are any. */
export function refuseInvalid(definition: AnyDefinition, name: string, causes: readonly ErrorCause[]): void {
  if (causes.length > 0) throw invalidObject(definition, name, causes);
}

/** What the person should know about an object that was accepted. */
export function warningsFor(definition: AnyDefinition, object: KubeObject): string[] {
  return [...unsupportedFieldWarnings(definition.type.messageName, object), ...(definition.warnings?.(object) ?? [])];
}

/** Whether the kind counts the versions of its spec in `metadata.generation`. Cluster machinery does not, as in Kubernetes. */
export function countsGenerations(definition: AnyDefinition): boolean {
  return definition.countsGenerations ?? (definition.subresources?.status === true && definition.type.namespaced);
}
