import { ADMIN_GROUP, NODE_USER_PREFIX, NODES_GROUP } from '../../../lib/pki-names.ts';
import type { Caller } from '../request/caller.ts';
import { type Attempt, attemptText, type Verdict } from './attempt.ts';
import type { ClusterGraph } from './cluster-graph.ts';
import { nodeVerdict } from './node-rules.ts';

/** The name of the node whose agent calls; undefined when the caller is none. */
export function nodeOfCaller({ user, groups, internal }: Caller): string | undefined {
  const isNode = !internal && groups.includes(NODES_GROUP) && user.startsWith(NODE_USER_PREFIX);
  return isNode ? user.slice(NODE_USER_PREFIX.length) : undefined;
}

/** Whether the caller may do everything. */
export function mayDoAll({ internal, groups }: Caller): boolean {
  return internal || groups.includes(ADMIN_GROUP);
}

/**
 * What the rules say about an attempt: administrators and parts of the server may do everything, nodes what `node-rules.ts` says,
 * and nobody else anything.
 */
export function authorize(caller: Caller, attempt: Attempt, graph: ClusterGraph): Verdict {
  if (mayDoAll(caller)) return undefined;
  const words = `User "${caller.user}" ${attemptText(attempt)}`;
  const node = nodeOfCaller(caller);
  if (node === undefined || node === '') return { because: words };
  const verdict = nodeVerdict(node, attempt, graph);
  return verdict === undefined || verdict === 'missing' ? verdict : { because: `${words}: ${verdict.because}` };
}
