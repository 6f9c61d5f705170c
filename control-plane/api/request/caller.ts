import { ADMIN_GROUP, NODE_USER_PREFIX } from '../../../lib/pki-names.ts';

/** Who makes a request, as its certificate says. */
export interface Caller {
  /** The certificate's common name, such as `system:node:pi4`. */
  readonly user: string;
  /** The certificate's organizations. */
  readonly groups: readonly string[];
  /** A part of the server itself: it may set what the server owns, and its unknown fields are kept. */
  readonly internal: boolean;
}

/** What a caller wants to do, for {@link authorize}. */
export interface Attempt {
  readonly verb: string;
  /** Group and plural name of the kind; empty for calls about the cluster itself. */
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * Why the caller may not, or undefined when it may. Pure. Today every administrator and every node of the cluster may do
 * everything; this function is where rules per kind and namespace go.
 */
export function authorize(caller: Caller, attempt: Attempt): string | undefined {
  if (caller.internal || caller.groups.includes(ADMIN_GROUP) || caller.user.startsWith(NODE_USER_PREFIX)) {
    return undefined;
  }
  const what =
    attempt.resource === '' ? 'the cluster' : `resource "${attempt.resource}" in API group "${attempt.group}"`;
  const where = attempt.namespace === '' ? 'at the cluster scope' : `in the namespace "${attempt.namespace}"`;
  return `User "${caller.user}" cannot ${attempt.verb} ${what} ${where}`;
}
