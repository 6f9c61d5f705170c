/** All controllers, in the order in which they are started. */

import { apiEndpointsController } from './api-endpoints/api-endpoints.ts';
import { bootstrapTokenController } from './bootstrap-token/bootstrap-token.ts';
import type { ControllerDefinition } from './controller.ts';
import { customResourceDefinitionController } from './custom-resource-definition/custom-resource-definition.ts';
import { deploymentController } from './deployment/deployment.ts';
import { disruptionController } from './disruption/disruption.ts';
import { endpointSliceController } from './endpoint-slice/endpoint-slice.ts';
import { endpointSliceMirroringController } from './endpoint-slice-mirroring/endpoint-slice-mirroring.ts';
import { endpointsController } from './endpoints/endpoints.ts';
import { fencingController } from './fencing/fencing.ts';
import { garbageCollector } from './garbage-collector/garbage-collector.ts';
import { ingressStatusController } from './ingress-status/ingress-status.ts';
import { loadBalancerController } from './load-balancer/load-balancer.ts';
import { namespaceController } from './namespace/namespace.ts';
import { nodeLifecycleController } from './node-lifecycle/node-lifecycle.ts';
import { podGarbageCollector } from './pod-garbage/pod-garbage.ts';
import { replicaSetController } from './replica-set/replica-set.ts';
import { resourceQuotaController } from './resource-quota/resource-quota.ts';
import { serviceAccountController } from './service-account/service-account.ts';
import { taintEvictionController } from './taint-eviction/taint-eviction.ts';

/** The registry. */
export const CONTROLLERS: readonly ControllerDefinition[] = [
  deploymentController,
  replicaSetController,
  garbageCollector,
  namespaceController,
  nodeLifecycleController,
  taintEvictionController,
  fencingController,
  podGarbageCollector,
  customResourceDefinitionController,
  serviceAccountController,
  bootstrapTokenController,
  resourceQuotaController,
  disruptionController,
  ingressStatusController,
  endpointSliceController,
  endpointsController,
  endpointSliceMirroringController,
  apiEndpointsController,
  loadBalancerController,
];
