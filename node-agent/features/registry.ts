/** All features of a node, in the order in which they are made. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EventSink } from '../../lib/events.ts';
import type { AgentConfig } from '../config.ts';
import { createDeadMan } from '../dead-man/create-dead-man.ts';
import { createClusterDns } from '../dns/dns-server.ts';
import { createIngress } from '../ingress/ingress.ts';
import { createLoadBalancer } from '../load-balancer/announcer.ts';
import { createPodRoutes } from '../network/routes/pod-routes.ts';
import type { AgentLog } from '../pods/environment.ts';
import { createNetworkPolicy } from '../policy/network-policy.ts';
import { createServiceProxy } from '../proxy/service-proxy.ts';
import type { RuleTable } from '../rules/rule-table.ts';
import type { ClusterView } from './cluster-view.ts';
import type { NodeFeature, NodePlace, OnFeatureChange } from './node-feature.ts';

/** What features are made from. */
export interface FeatureParts {
  readonly config: AgentConfig;
  readonly place: NodePlace;
  readonly view: ClusterView;
  readonly table: RuleTable;
  readonly client: ResourceClient;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly changed: OnFeatureChange;
}

/** Makes one feature, without effect. */
export type FeatureFactory = (parts: FeatureParts) => NodeFeature;

/** The registry. */
export const FEATURES: readonly FeatureFactory[] = [
  createPodRoutes,
  createServiceProxy,
  createClusterDns,
  createIngress,
  createNetworkPolicy,
  createDeadMan,
  createLoadBalancer,
];
