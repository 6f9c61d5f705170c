import type { discoveryv1 } from '../../proto/index.ts';

/** Which pods stand in slices as endpoints. By uid; a slice that names no uid speaks of namespace and name. */
export class ServedPods {
  /** Of those that are not ending. */
  readonly #slicesOf = new Map<string, Set<string>>();
  /** Of those that are. */
  readonly #endingIn = new Map<string, ReadonlySet<string>>();
  readonly #podsOf = new Map<string, ReadonlySet<string>>();

  /** Takes in what a slice says now; undefined when it is gone. */
  update(sliceKey: string, slice: discoveryv1.EndpointSlice | undefined): void {
    for (const pod of this.#podsOf.get(sliceKey) ?? []) {
      const slices = this.#slicesOf.get(pod);
      slices?.delete(sliceKey);
      if (slices?.size === 0) this.#slicesOf.delete(pod);
    }
    this.#podsOf.delete(sliceKey);
    this.#endingIn.delete(sliceKey);
    const pods = new Set<string>();
    const ending = new Set<string>();
    for (const { targetRef, conditions } of slice?.endpoints ?? []) {
      if (targetRef?.kind !== 'Pod') continue;
      const namespace = targetRef.namespace ?? slice?.metadata?.namespace ?? '';
      const pod =
        targetRef.uid !== undefined && targetRef.uid !== '' ? targetRef.uid : `${namespace}/${targetRef.name}`;
      (conditions?.terminating === true ? ending : pods).add(pod);
    }
    if (ending.size > 0) this.#endingIn.set(sliceKey, ending);
    if (pods.size === 0) return;
    this.#podsOf.set(sliceKey, pods);
    for (const pod of pods) {
      const slices = this.#slicesOf.get(pod);
      if (slices === undefined) this.#slicesOf.set(pod, new Set([sliceKey]));
      else slices.add(sliceKey);
    }
  }

  /** Whether any slice holds the pod at all: other nodes, which may not have heard yet that it is ending, may send to it. */
  mentions(pod: { readonly namespace: string; readonly name: string; readonly uid: string }): boolean {
    const named = `${pod.namespace}/${pod.name}`;
    for (const ending of this.#endingIn.values()) if (ending.has(pod.uid) || ending.has(named)) return true;
    return this.has(pod);
  }

  /** Whether any slice holds the pod as an endpoint that is not ending. */
  has({ namespace, name, uid }: { readonly namespace: string; readonly name: string; readonly uid: string }): boolean {
    return this.#slicesOf.has(uid) || this.#slicesOf.has(`${namespace}/${name}`);
  }
}
