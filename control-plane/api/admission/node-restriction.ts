/**
 * NodeRestriction: what a node may write into the objects that the rules let it write at all. Looked at when the decision about the
 * stored object is made, whatever the verb and subresource, so that nothing can change in between.
 */
import { type authenticationv1, type corev1, KINDS, type KubeObject } from '../../../proto/index.ts';
import { forbidden } from '../api-errors.ts';
import { nodeOfCaller } from '../authorization/authorize.ts';
import { clusterGraph } from '../authorization/cluster-graph.ts';
import { podReferences } from '../authorization/pod-references.ts';
import type { Caller } from '../request/caller.ts';
import type { Target } from '../request/target.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';

/** Pods that a node made by itself. */
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

/** One write as it is about to be stored. */
export interface NodeWrite {
  readonly definition: AnyDefinition;
  readonly name: string;
  readonly subresource: string;
  /** What is stored; undefined for a new object. */
  readonly old: KubeObject | undefined;
  /** What is to be stored; undefined for a deletion. */
  readonly next: KubeObject | undefined;
}

type Restriction = (node: string, write: NodeWrite) => string | undefined;

/** By message; kinds that are not here hold nothing that is a node's own. */
const RESTRICTIONS: Readonly<Record<string, Restriction>> = {
  [KINDS.Node.messageName]: restrictNode,
  [KINDS.Pod.messageName]: restrictPod,
  [KINDS.Lease.messageName]: restrictLease,
};

/** Whether {@link checkNodeWrite} has anything to look at: reading the stored object for it takes time. */
export function isRestricted(caller: Caller, definition: AnyDefinition): boolean {
  return Object.hasOwn(RESTRICTIONS, definition.type.messageName) && nodeOfCaller(caller) !== undefined;
}

/** Throws `Forbidden` when a node may not write this. Pure. */
export function checkNodeWrite(caller: Caller, write: NodeWrite): void {
  const node = nodeOfCaller(caller);
  if (node === undefined) return;
  const because = RESTRICTIONS[write.definition.type.messageName]?.(node, write);
  if (because !== undefined) throw forbidden(write.definition.type, write.name, because);
}

/** Throws `Forbidden` unless a node that asks for a token asks for one bound to a pod of its own, by uid. */
export function checkNodeToken(
  services: ApiServices,
  caller: Caller,
  { target, wanted }: { readonly target: Target; readonly wanted: authenticationv1.TokenRequest },
): void {
  const node = nodeOfCaller(caller);
  if (node === undefined) return;
  const { kind = '', name = '', uid = '' } = wanted.spec?.boundObjectRef ?? {};
  const refuse = (because: string): never => {
    throw forbidden(target.definition.type, target.name, `node requested token ${because}`);
  };
  if (kind !== KINDS.Pod.kind || name === '') refuse('not bound to a pod');
  if (uid === '') refuse('with a pod binding without a uid');
  if (clusterGraph(services).nodeOfPod(target.namespace, name) !== node)
    refuse(`bound to a pod scheduled on a different node`);
}

function restrictNode(node: string, { name, old, next }: NodeWrite): string | undefined {
  if (name !== node) return `node "${node}" is not allowed to modify node "${name}"`;
  if (next === undefined) return `node "${node}" is not allowed to delete itself`;
  const labels = changedKeys(old?.metadata?.labels, next.metadata?.labels).filter((key) => !mayLabel(key));
  if (labels.length > 0) return `node "${node}" is not allowed to modify labels: ${labels.join(', ')}`;
  if (!isSame(old?.metadata?.ownerReferences, next.metadata?.ownerReferences)) {
    return `node "${node}" is not allowed to modify its owner references`;
  }
  const [before, after] = [old as corev1.Node | undefined, next as corev1.Node];
  // A node may come with taints; once it is there they are the cluster's.
  if (before !== undefined && !isSame(before.spec?.taints, after.spec?.taints)) {
    return `node "${node}" is not allowed to modify taints`;
  }
  return undefined;
}

const OWN_LABELS: ReadonlySet<string> = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);
const OWN_LABEL_DOMAINS = ['kubelet.kubernetes.io', 'node.kubernetes.io'];
const KUBERNETES_DOMAINS = ['kubernetes.io', 'k8s.io'];

/** Labels outside Kubernetes' domains are free; within them a few say what the machine is, the others what it may be used for. */
function mayLabel(key: string): boolean {
  const slash = key.indexOf('/');
  const domain = slash < 0 ? '' : key.slice(0, slash);
  const isIn = (domains: readonly string[]): boolean =>
    domains.some((one) => domain === one || domain.endsWith(`.${one}`));
  return !isIn(KUBERNETES_DOMAINS) || OWN_LABELS.has(key) || isIn(OWN_LABEL_DOMAINS);
}

function restrictPod(node: string, { old, next, subresource }: NodeWrite): string | undefined {
  const [before, after] = [old as corev1.Pod | undefined, next as corev1.Pod | undefined];
  if (before === undefined) return after === undefined ? undefined : restrictNewPod(node, after);
  if (before.spec?.nodeName !== node) {
    return `node "${node}" can only change pods with spec.nodeName set to itself`;
  }
  if (subresource === 'status' && changedKeys(before.metadata?.labels, after?.metadata?.labels).length > 0) {
    return `node "${node}" cannot update labels through pod status`;
  }
  return undefined;
}

function restrictNewPod(node: string, pod: corev1.Pod): string | undefined {
  const { annotations = {}, ownerReferences = [] } = pod.metadata ?? {};
  if (!Object.hasOwn(annotations, MIRROR_ANNOTATION)) {
    return `pod does not have "${MIRROR_ANNOTATION}" annotation, node "${node}" can only create mirror pods`;
  }
  if (pod.spec?.nodeName !== node) return `node "${node}" can only create pods with spec.nodeName set to itself`;
  const [owner] = ownerReferences;
  if (ownerReferences.length > 1 || (owner !== undefined && (owner.kind !== 'Node' || owner.name !== node))) {
    return `node "${node}" can only create pods with an owner reference to itself`;
  }
  const { secrets, configMaps, claims, serviceAccount } = podReferences(pod);
  const cannot = `node "${node}" can not create pods that reference`;
  if (serviceAccount !== '') return `${cannot} a service account`;
  if (secrets.size > 0) return `${cannot} secrets`;
  if (configMaps.size > 0) return `${cannot} configmaps`;
  return claims.size > 0 ? `${cannot} persistentvolumeclaims` : undefined;
}

function restrictLease(node: string, { name, old, next }: NodeWrite): string | undefined {
  const namespace = (next ?? old)?.metadata?.namespace;
  if (name === node && namespace === 'kube-node-lease') return undefined;
  return `node "${node}" can only access the lease with its own name in the namespace "kube-node-lease"`;
}

type Texts = Readonly<Record<string, string>> | undefined;

function changedKeys(before: Texts, after: Texts): string[] {
  const keys = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  return [...keys].filter((key) => before?.[key] !== after?.[key]).sort();
}

/** Both as decoded from the same message, so the order of keys is the same. */
function isSame(a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean {
  return JSON.stringify(a ?? []) === JSON.stringify(b ?? []);
}
