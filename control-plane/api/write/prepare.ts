import { rfc3339 } from '../../../lib/clock.ts';
import type { ErrorCause } from '../../../lib/errors.ts';
import type { KubeObject } from '../../../proto/index.ts';
import type { RequestContext } from '../../resources/definition.ts';
import { invalidObject } from '../../resources/validate-object.ts';
import type { AdmissionRequest } from '../admission/admission-step.ts';
import { unsupportedFieldWarnings } from '../request/unsupported-fields.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import { equalBytes } from '../stored-object.ts';
import type { WriteRequest } from './write-request.ts';

/** The parts of an object that any code may look at without knowing its kind. */
export type LooseObject = KubeObject & { spec?: unknown; status?: unknown };

/** Who and when, for the kind's own functions. */
export function contextOf(services: ApiServices, request: WriteRequest): RequestContext {
  return { user: request.caller.user, now: rfc3339(services.now()) };
}

/** What admission had to say about objects it let pass. */
const admissionWarnings = new WeakMap<KubeObject, Set<string>>();

/** Runs every admission step over `object`, which they may change. Its warnings come with {@link warningsFor} that object. */
export async function admit(
  services: ApiServices,
  request: WriteRequest,
  subject: { readonly name: string; readonly object: KubeObject; readonly old: KubeObject | undefined },
): Promise<void> {
  const { definition, namespace, subresource } = request.target;
  const operation = subject.old === undefined ? 'CREATE' : 'UPDATE';
  const { caller, assumed, dryRun, signal } = request;
  const warnings = new Set<string>();
  const warn = (line: string): void => void warnings.add(line);
  const { name, object, old } = subject;
  const seen: AdmissionRequest = {
    operation,
    definition,
    subresource,
    namespace,
    name,
    caller,
    assumed,
    object,
    old,
    dryRun,
    warn,
    signal,
  };
  for (const step of services.admission) {
    // Most steps have nothing to do with most kinds, and say so at once.
    const pending = step(seen, services);
    if (pending !== undefined) await pending;
  }
  if (warnings.size > 0) admissionWarnings.set(subject.object, warnings);
}

/** Throws `Invalid` with all problems, if there are any. */
export function refuseInvalid(definition: AnyDefinition, name: string, causes: readonly ErrorCause[]): void {
  if (causes.length > 0) throw invalidObject(definition, name, causes);
}

/** What the person should know about an object that was accepted. */
export function warningsFor(definition: AnyDefinition, object: KubeObject): string[] {
  return [
    ...(admissionWarnings.get(object) ?? []),
    ...unsupportedFieldWarnings(definition.type.messageName, object),
    ...(definition.warnings?.(object) ?? []),
  ];
}

/** The same for a write: what only a program writes (a status) is nothing to warn a person of. */
export function warningsAfter({ target }: WriteRequest, object: KubeObject): string[] {
  const { definition, subresource } = target;
  return subresource === '' || subresource === 'ephemeralcontainers' ? warningsFor(definition, object) : [];
}

/** Whether the kind counts the versions of its spec in `metadata.generation`. Cluster machinery does not, as in Kubernetes. */
export function countsGenerations(definition: AnyDefinition): boolean {
  return definition.countsGenerations ?? (definition.subresources?.status === true && definition.type.namespaced);
}

/** Counts the change from `old` to `next` in its generation, when it changes what a person desires. */
export function bumpGeneration(definition: AnyDefinition, next: KubeObject, old: KubeObject): void {
  if (!countsGenerations(definition) || next.metadata === undefined) return;
  if (!equalBytes(desiredBytes(definition, next), desiredBytes(definition, old))) {
    next.metadata.generation = (old.metadata?.generation ?? 0) + 1;
  }
}

/** Everything a person desires: the object without metadata and status. */
function desiredBytes(definition: AnyDefinition, object: LooseObject): Uint8Array {
  const { metadata: _metadata, status: _status, ...desired } = object;
  return definition.type.message.encode(desired).finish();
}
