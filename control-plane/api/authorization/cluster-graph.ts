/** Who belongs to whom, as the rules ask it; from this server's memory. */
import { type corev1, KINDS, type KubeObject, type networkingv1, type ResourceType } from '../../../proto/index.ts';
import { collectionPrefix, objectKey } from '../keys.ts';
import type { ApiServices } from '../services.ts';
import { podReferences } from './pod-references.ts';

/** What rules may ask about the cluster. */
export interface ClusterGraph {
  /** The node a pod is bound to, empty for none; undefined when there is no such pod. */
  nodeOfPod(namespace: string, name: string): string | undefined;
  /** Whether a pod bound to the node refers to the object. */
  isReferred(node: string, what: 'secrets' | 'configMaps' | 'claims', at: InNamespace): boolean;
  /** Whether a claim that a pod bound to the node refers to is bound to the volume. */
  isMounted(node: string, volume: string): boolean;
  /** Whether a pod bound to the node runs as the account. */
  runsAs(node: string, account: InNamespace): boolean;
  /** Whether an Ingress names the Secret, which holds a certificate with its key, or is not there. */
  isServedByIngress(secret: InNamespace): boolean;
}

/** A namespaced object. */
export interface InNamespace {
  readonly namespace: string;
  readonly name: string;
}

/** The graph as of now. */
export function clusterGraph({ cache }: Pick<ApiServices, 'cache'>): ClusterGraph {
  const find = <T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): T | undefined =>
    cache.get(objectKey(type as unknown as ResourceType, namespace, name))?.object as T | undefined;
  const all = <T extends KubeObject>(type: ResourceType<T>, namespace: string): T[] =>
    cache
      .list(collectionPrefix(type as unknown as ResourceType, namespace))
      .entries.flatMap(({ object }) => (object === undefined ? [] : [object as T]));
  const podsOn = (node: string, namespace: string): corev1.Pod[] =>
    all(KINDS.Pod, namespace).filter(({ spec }) => spec?.nodeName === node);
  return {
    nodeOfPod: (namespace, name) => {
      const pod = find(KINDS.Pod, namespace, name);
      return pod === undefined ? undefined : (pod.spec?.nodeName ?? '');
    },
    isReferred: (node, what, { namespace, name }) =>
      podsOn(node, namespace).some((pod) => podReferences(pod)[what].has(name)),
    isMounted: (node, volume) =>
      podsOn(node, '').some((pod) =>
        [...podReferences(pod).claims].some(
          (claim) =>
            find(KINDS.PersistentVolumeClaim, pod.metadata?.namespace ?? '', claim)?.spec?.volumeName === volume,
        ),
      ),
    runsAs: (node, { namespace, name }) =>
      podsOn(node, namespace).some((pod) => podReferences(pod).serviceAccount === name),
    isServedByIngress: ({ namespace, name }) =>
      all(KINDS.Ingress, namespace).some((ingress) => namesSecret(ingress, name)) &&
      holdsCertificate(find(KINDS.Secret, namespace, name)),
  };
}

function namesSecret({ spec }: networkingv1.Ingress, name: string): boolean {
  return (spec?.tls ?? []).some(({ secretName }) => secretName === name);
}

/** An Ingress that names any other Secret must not open it. */
function holdsCertificate(secret: corev1.Secret | undefined): boolean {
  if (secret === undefined) return true;
  const { data = {} } = secret;
  return Object.hasOwn(data, 'tls.crt') && Object.hasOwn(data, 'tls.key');
}
