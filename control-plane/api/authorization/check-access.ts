import { ApiError } from '../../../lib/errors.ts';
import { notFound } from '../api-errors.ts';
import type { Caller } from '../request/caller.ts';
import type { Target } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import type { Attempt } from './attempt.ts';
import { authorize, mayDoAll } from './authorize.ts';
import { clusterGraph } from './cluster-graph.ts';

/** What is wanted of a target. */
export interface Access {
  readonly verb: string;
  readonly target: Target;
  /** Of a list or watch. */
  readonly fieldSelector?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The rules do not let the caller do this. Written down, since it may be a stolen credential at work. */
export class AccessRefused extends ApiError {
  /** Who wanted what, for the log. */
  readonly attempt: Attempt & { readonly user: string };

  constructor(message: string, attempt: Attempt & { readonly user: string }) {
    super('Forbidden', message);
    this.attempt = attempt;
  }
}

/** Throws `Forbidden` unless the caller may do that; `NotFound` when there is nothing it could be done to. */
export async function checkAccess(services: ApiServices, caller: Caller, access: Access): Promise<void> {
  if (mayDoAll(caller)) return;
  const { verb, target, fieldSelector = '', signal } = access;
  const { definition, namespace, name, subresource } = target;
  const { group, plural } = definition.type;
  const attempt: Attempt = { verb, group, resource: plural, subresource, namespace, name, fieldSelector };
  let verdict = authorize(caller, attempt, clusterGraph(services));
  if (verdict === undefined) return;
  // A pod may have been bound a moment ago on another server: nobody is refused for what this one has not seen yet.
  await services.cache.catchUp(signal);
  verdict = authorize(caller, attempt, clusterGraph(services));
  if (verdict === undefined) return;
  if (verdict === 'missing') throw notFound(definition.type, name);
  const qualified = group === '' ? plural : `${plural}.${group}`;
  const what = `${qualified}${name === '' ? '' : ` "${name}"`}`;
  throw new AccessRefused(`${what} is forbidden: ${verdict.because}`, { ...attempt, user: caller.user });
}

/** The same for calls that are about the cluster and no kind. */
export function checkClusterAccess(services: ApiServices, caller: Caller, verb: string): void {
  const attempt: Attempt = {
    verb,
    group: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    fieldSelector: '',
  };
  const verdict = authorize(caller, attempt, clusterGraph(services));
  if (verdict === undefined || verdict === 'missing') return;
  throw new AccessRefused(verdict.because, { ...attempt, user: caller.user });
}
