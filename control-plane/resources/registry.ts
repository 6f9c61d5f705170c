/** Every kind the control plane serves, and how people and manifests name them. */
import { ApiError } from '../../lib/errors.ts';
import { type KubeObject, nearestName, type ResourceType } from '../../proto/index.ts';
import { apiService } from './api-service.ts';
import { certificateSigningRequest } from './certificate-signing-request.ts';
import { clusterRole } from './cluster-role.ts';
import { clusterRoleBinding } from './cluster-role-binding.ts';
import { configMap } from './config-map.ts';
import { controllerRevision } from './controller-revision.ts';
import { cronJob } from './cron-job.ts';
import { csiDriver } from './csi-driver.ts';
import { csiNode } from './csi-node.ts';
import { customResourceDefinition } from './custom-resource-definition.ts';
import { daemonSet } from './daemon-set.ts';
import type { ResourceDefinition } from './definition.ts';
import { deployment } from './deployment.ts';
import { endpointSlice } from './endpoint-slice.ts';
import { endpoints } from './endpoints.ts';
import { event } from './event.ts';
import { eventsEvent } from './events-event.ts';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalerV1 } from './horizontal-pod-autoscaler-v1.ts';
import { ingress } from './ingress.ts';
import { ingressClass } from './ingress-class.ts';
import { job } from './job.ts';
import { lease } from './lease.ts';
import { limitRange } from './limit-range.ts';
import { mutatingWebhookConfiguration } from './mutating-webhook-configuration.ts';
import { namespace } from './namespace.ts';
import { networkPolicy } from './network-policy.ts';
import { node } from './node.ts';
import { persistentVolume } from './persistent-volume.ts';
import { persistentVolumeClaim } from './persistent-volume-claim.ts';
import { pod } from './pod.ts';
import { podDisruptionBudget } from './pod-disruption-budget.ts';
import { podTemplate } from './pod-template.ts';
import { priorityClass } from './priority-class.ts';
import { replicaSet } from './replica-set.ts';
import { replicationController } from './replication-controller.ts';
import { resourceQuota } from './resource-quota.ts';
import { role } from './role.ts';
import { roleBinding } from './role-binding.ts';
import { runtimeClass } from './runtime-class.ts';
import { secret } from './secret.ts';
import { service } from './service.ts';
import { serviceAccount } from './service-account.ts';
import { statefulSet } from './stateful-set.ts';
import { storageClass } from './storage-class.ts';
import { validatingWebhookConfiguration } from './validating-webhook-configuration.ts';
import { volumeAttachment } from './volume-attachment.ts';

/** A definition whose kind is not known to the compiler. */
export type AnyDefinition = ResourceDefinition<KubeObject>;

/** A kind or resource that this server does not know; another server may have just been told of it. */
export class UnknownKindError extends ApiError {}

/** The registry of kinds: one line each. */
const registry = buildRegistry([
  erase(namespace),
  erase(node),
  erase(pod),
  erase(replicaSet),
  erase(deployment),
  erase(configMap),
  erase(secret),
  erase(event),
  erase(lease),
  erase(customResourceDefinition),
  erase(serviceAccount),
  erase(resourceQuota),
  erase(priorityClass),
  erase(podDisruptionBudget),
  erase(limitRange),
  erase(statefulSet),
  erase(daemonSet),
  erase(controllerRevision),
  erase(podTemplate),
  erase(replicationController),
  erase(persistentVolumeClaim),
  erase(job),
  erase(cronJob),
  erase(service),
  erase(endpoints),
  erase(endpointSlice),
  erase(ingress),
  erase(ingressClass),
  erase(networkPolicy),
  erase(horizontalPodAutoscaler),
  erase(horizontalPodAutoscalerV1),
  erase(role),
  erase(clusterRole),
  erase(roleBinding),
  erase(clusterRoleBinding),
  erase(eventsEvent),
  erase(runtimeClass),
  erase(validatingWebhookConfiguration),
  erase(mutatingWebhookConfiguration),
  erase(apiService),
  erase(certificateSigningRequest),
  erase(persistentVolume),
  erase(storageClass),
  erase(volumeAttachment),
  erase(csiDriver),
  erase(csiNode),
]);

/** All definitions, in the order they are listed. */
export function allDefinitions(): readonly AnyDefinition[] {
  return registry.definitions;
}

/** The definition of `kind` in `apiVersion` (`v1`, `apps/v1`); undefined when it is not served. */
export function findDefinition(apiVersion: string, kind: string): AnyDefinition | undefined {
  return registry.byIdentity.get(identity(apiVersion, kind));
}

/** The definition of a kind known to the compiler. Throws when it is not registered: a programming error. */
export function definitionOf<T extends KubeObject>(type: ResourceType<T>): ResourceDefinition<T> {
  const found = findDefinition(type.apiVersion, type.kind);
  if (found === undefined) throw new Error(`the registry has no ${type.kind} of ${type.apiVersion}`);
  return found as unknown as ResourceDefinition<T>;
}

/** The definition a person means by `text` among the kinds built in; see {@link resolveIn}. */
export function resolveResource(text: string): AnyDefinition {
  return resolveIn(registry, text);
}

/**
 * The definition a person means by `text`: plural, singular, short name or kind, in any case, optionally with group
 * (`deployments.apps`) or version and group (`deployments.v1.apps`). Throws `NotFound` with the nearest name.
 */
export function resolveIn({ byName }: Registry, text: string): AnyDefinition {
  const wanted = text.toLowerCase();
  const found = byName.get(wanted);
  if (found !== undefined) return found;
  const near = nearestName(wanted, [...byName.keys()]);
  const hint = near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
  throw new UnknownKindError('NotFound', `the server doesn't have a resource type ${JSON.stringify(text)}${hint}`);
}

/** Definitions under every name they go by. */
export interface Registry {
  readonly definitions: readonly AnyDefinition[];
  /** By {@link identity}. */
  readonly byIdentity: ReadonlyMap<string, AnyDefinition>;
  readonly byName: ReadonlyMap<string, AnyDefinition>;
}

/**
 * The kinds built in and those of CustomResourceDefinitions, of each kind the preferred version first. A name that another kind
 * has is not taken from it; what has the same apiVersion and kind as another is left out.
 */
export function withCustomKinds(custom: readonly AnyDefinition[]): Registry {
  const byIdentity = new Map(registry.byIdentity);
  const byName = new Map(registry.byName);
  const added: AnyDefinition[] = [];
  for (const definition of custom) {
    const { type } = definition;
    const key = identity(type.apiVersion, type.kind);
    if (byIdentity.has(key)) continue;
    byIdentity.set(key, definition);
    added.push(definition);
    const bare = [type.plural, type.singular, type.kind.toLowerCase()];
    const names = [...bare, ...type.shortNames];
    const full = names.flatMap((name) => [`${name}.${type.group}`, `${name}.${type.version}.${type.group}`]);
    for (const name of [...full, ...names]) if (!byName.has(name)) byName.set(name, definition);
  }
  return { definitions: [...registry.definitions, ...added], byIdentity, byName };
}

/** Lists the definitions under every name they go by. Throws when two claim the same one. Exported for its test. */
export function buildRegistry(definitions: readonly AnyDefinition[]): Registry {
  const byIdentity = new Map<string, AnyDefinition>();
  const byName = new Map<string, AnyDefinition>();
  for (const definition of definitions) {
    const { apiVersion, kind } = definition.type;
    claim(byIdentity, identity(apiVersion, kind), definition);
    for (const name of namesOf(definition)) claim(byName, name, definition);
  }
  return { definitions, byIdentity, byName };
}

function claim(map: Map<string, AnyDefinition>, name: string, definition: AnyDefinition): void {
  if (map.has(name)) throw new Error(`two definitions claim ${JSON.stringify(name)}`);
  map.set(name, definition);
}

/** A version that is not the stored one goes by its full names only; the short ones mean the stored version. */
function namesOf({ type, storedAs }: AnyDefinition): Set<string> {
  const bare = [type.plural, type.singular, type.kind.toLowerCase()];
  const names = storedAs === undefined ? new Set([...bare, ...type.shortNames]) : new Set<string>();
  for (const name of bare) {
    if (type.group !== '' && type.group !== storedAs?.type.group) names.add(`${name}.${type.group}`);
    names.add(type.group === '' ? `${name}.${type.version}` : `${name}.${type.version}.${type.group}`);
  }
  return names;
}

/** How a registry keys a kind in one of its versions. */
export function identity(apiVersion: string, kind: string): string {
  return `${apiVersion} ${kind}`;
}

/** Forgets the kind's type. The functions of a definition are only ever called with objects of its own kind. */
function erase<T extends KubeObject>(definition: ResourceDefinition<T>): AnyDefinition {
  return definition as unknown as AnyDefinition;
}
