import type { apiv1 } from '../../../proto/index.ts';

/**
 * Objects that a dry run takes as being there although they are not: they are to be made together with the object at hand.
 * Without this a set of a namespace and what is in it could not be tried as a whole.
 */
export class AssumedObjects {
  readonly #names: ReadonlySet<string>;

  constructor(targets: readonly apiv1.Target[]) {
    this.#names = new Set(targets.map(({ kind = '', namespace = '', name = '' }) => key(kind, namespace, name)));
  }

  /** Whether the object counts as being there. `namespace` is empty for cluster-scoped kinds. */
  has(kind: string, namespace: string, name: string): boolean {
    return this.#names.has(key(kind, namespace, name));
  }

  /** Whether the namespace counts as being there, and with it what the server itself puts into every new namespace. */
  hasNamespace(name: string): boolean {
    return this.has('Namespace', '', name);
  }
}

function key(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}
