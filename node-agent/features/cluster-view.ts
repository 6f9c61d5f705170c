/**
 * What an agent knows of the whole cluster: one watch for each kind, shared by all features of the node. Started once by the
 * agent; features add handlers and read.
 *
 * Until a kind has synced its cache says nothing about the cluster: a feature leaves what the kernel has alone until every kind
 * it works from `hasSynced`, so that an agent that starts while no server can be reached takes nothing down.
 */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Indexer, Informer, type InformerLog } from '../../lib/informer.ts';
import { PEERS } from '../../lib/peer-pod.ts';
import { type corev1, type discoveryv1, KINDS, type networkingv1 } from '../../proto/index.ts';

/** Index of slices by `namespace/service`. */
export const BY_SERVICE = 'service';
/** Label of an EndpointSlice that names its Service. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** See the top of the file. */
export interface ClusterView {
  readonly services: Informer<corev1.Service>;
  /** Indexed {@link BY_SERVICE}. */
  readonly endpointSlices: Informer<discoveryv1.EndpointSlice>;
  readonly nodes: Informer<corev1.Node>;
  readonly namespaces: Informer<corev1.Namespace>;
  readonly networkPolicies: Informer<networkingv1.NetworkPolicy>;
  readonly ingresses: Informer<networkingv1.Ingress>;
  readonly ingressClasses: Informer<networkingv1.IngressClass>;
  /**
   * All pods of the cluster, cut down to metadata (namespace, name, uid, labels, deletionTimestamp, resourceVersion), spec
   * (nodeName, hostNetwork, hostname, subdomain, and of each container name and ports) and status (phase, podIP, podIPs).
   */
  readonly peers: Informer<corev1.Pod>;
  /** Follows all of them until `signal` aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** What a view is made of. */
export interface ClusterViewOptions {
  readonly client: ResourceClient;
  readonly clock: Clock;
  readonly log: InformerLog;
}

const byService: Indexer<discoveryv1.EndpointSlice> = ({ metadata }) => {
  const service = metadata?.labels?.[SERVICE_NAME_LABEL];
  return service === undefined ? [] : [`${metadata?.namespace}/${service}`];
};

/** Makes the view; nothing is followed before {@link ClusterView.run}. */
export function clusterView(options: ClusterViewOptions): ClusterView {
  const view = {
    services: new Informer<corev1.Service>({ ...options, type: KINDS.Service }),
    endpointSlices: new Informer<discoveryv1.EndpointSlice>({
      ...options,
      type: KINDS.EndpointSlice,
      indexers: { [BY_SERVICE]: byService },
    }),
    nodes: new Informer<corev1.Node>({ ...options, type: KINDS.Node }),
    namespaces: new Informer<corev1.Namespace>({ ...options, type: KINDS.Namespace }),
    networkPolicies: new Informer<networkingv1.NetworkPolicy>({ ...options, type: KINDS.NetworkPolicy }),
    ingresses: new Informer<networkingv1.Ingress>({ ...options, type: KINDS.Ingress }),
    ingressClasses: new Informer<networkingv1.IngressClass>({ ...options, type: KINDS.IngressClass }),
    peers: new Informer<corev1.Pod>({ ...options, type: KINDS.Pod, select: { subresource: PEERS } }),
  };
  const run = async (signal: AbortSignal): Promise<void> => {
    await Promise.all(Object.values(view).map((informer) => informer.run(signal)));
  };
  return { ...view, run };
}
