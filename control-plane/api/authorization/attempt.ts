/** What a caller wants to do, for the rules. */
export interface Attempt {
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`. */
  readonly verb: string;
  /** Group and plural name of the kind; empty for calls about the cluster itself. */
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  /** Empty at the cluster scope and for all namespaces. */
  readonly namespace: string;
  /** Empty for collections, and for new objects whose name only their body says. */
  readonly name: string;
  /** Of a list or watch: who may see a part of a collection must ask for that part. */
  readonly fieldSelector: string;
}

/** What the rules say: undefined when the caller may; `missing` when there is nothing it could be about; else why not. */
export type Verdict = undefined | 'missing' | { readonly because: string };

/** What was attempted, in Kubernetes' words: `cannot get resource "secrets" in API group "" in the namespace "x"`. */
export function attemptText({ verb, group, resource, subresource, namespace }: Attempt): string {
  const whole = subresource === '' ? resource : `${resource}/${subresource}`;
  const what = resource === '' ? 'the cluster' : `resource "${whole}" in API group "${group}"`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return `cannot ${verb} ${what} ${where}`;
}
