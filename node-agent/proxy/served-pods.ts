/** Which pods services send to, as slices have it. */
import type { discoveryv1 } from '../../proto/index.ts';

/** A pod as slices may name it. */
export interface ServedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** The pod behind an endpoint: its uid, or `namespace/name` when only that is said; undefined for what is no pod. */
function podOf(slice: discoveryv1.EndpointSlice, { targetRef }: discoveryv1.Endpoint): string | undefined {
  if (targetRef?.kind !== 'Pod') return undefined;
  const { uid = '', namespace = slice.metadata?.namespace ?? '', name } = targetRef;
  return uid === '' ? `${namespace}/${name}` : uid;
}

/** Whether the slice has the pod as an endpoint that is not ending. */
export function holdsPod(slice: discoveryv1.EndpointSlice, { namespace, name, uid }: ServedPod): boolean {
  return (slice.endpoints ?? []).some((endpoint) => {
    if (endpoint.conditions?.terminating === true) return false;
    const pod = podOf(slice, endpoint);
    return pod === uid || pod === `${namespace}/${name}`;
  });
}

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
    for (const endpoint of slice?.endpoints ?? []) {
      const pod = slice === undefined ? undefined : podOf(slice, endpoint);
      if (pod !== undefined) (endpoint.conditions?.terminating === true ? ending : pods).add(pod);
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
  mentions(pod: ServedPod): boolean {
    const named = `${pod.namespace}/${pod.name}`;
    for (const ending of this.#endingIn.values()) if (ending.has(pod.uid) || ending.has(named)) return true;
    return this.has(pod);
  }

  /** Whether any slice holds the pod as an endpoint that is not ending. */
  has({ namespace, name, uid }: ServedPod): boolean {
    return this.#slicesOf.has(uid) || this.#slicesOf.has(`${namespace}/${name}`);
  }
}
