/**
 * What a node may do, as a table: everything else it may not. A node reads what every node needs to know of the cluster, and
 * beyond that only what its own pods need, as long as they are bound to it.
 */
import { parseFieldSelector } from '../../../lib/selectors.ts';
import type { Attempt, Verdict } from './attempt.ts';
import type { ClusterGraph } from './cluster-graph.ts';

/** One attempt of one node. */
interface Case {
  readonly node: string;
  readonly attempt: Attempt;
  /** The one object it is about: its name, or the name that the selector of a list or watch asks for. Empty for several. */
  readonly name: string;
  readonly graph: ClusterGraph;
}

type Condition = (at: Case) => Verdict;

interface Rule {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verbs: readonly string[];
  /** Always, unless said. */
  readonly when?: Condition;
}

const READ = ['get', 'list', 'watch'];
const WRITE = ['update', 'patch'];
const NETWORKING = 'networking.k8s.io';
const STORAGE = 'storage.k8s.io';

const own: Condition = ({ node, name }) =>
  name === node ? undefined : { because: `node '${node}' can only do this to the object of its own name` };

/** Of a new object the name may stand in its body only; NodeRestriction looks there. */
const ownOrNew: Condition = (at) => (at.attempt.name === '' ? undefined : own(at));

const ownPod: Condition = ({ node, attempt: { namespace, name }, graph }) => {
  const boundTo = graph.nodeOfPod(namespace, name);
  if (boundTo === undefined) return 'missing';
  return boundTo === node ? undefined : unrelated(node);
};

const ownPods: Condition = ({ node, attempt: { fieldSelector } }) =>
  asksFor(fieldSelector, 'spec.nodeName') === node
    ? undefined
    : { because: `can only list/watch pods with spec.nodeName field selector of its own node '${node}'` };

const podPeers: Condition = () => undefined;

const ownLease: Condition = (at) =>
  at.attempt.namespace === 'kube-node-lease'
    ? ownOrNew(at)
    : { because: `node '${at.node}' can only access its lease in the namespace "kube-node-lease"` };

const referredSecret: Condition = (at) =>
  related(
    at,
    ({ node, graph }, object) => graph.isReferred(node, 'secrets', object) || graph.isServedByIngress(object),
  );

const referredConfigMap: Condition = (at) =>
  related(
    at,
    ({ node, graph }, object) =>
      graph.isReferred(node, 'configMaps', object) ||
      (object.namespace === 'kube-system' && object.name === 'kube-dns'),
  );

const referredClaim: Condition = (at) =>
  related(at, ({ node, graph }, object) => graph.isReferred(node, 'claims', object));

const mountedVolume: Condition = ({ node, name, graph }) =>
  name !== '' && graph.isMounted(node, name) ? undefined : unrelated(node);

const ownAccount: Condition = (at) => related(at, ({ node, graph }, object) => graph.runsAs(node, object));

const RULES: readonly Rule[] = [
  // What every node must know to reach the pods and services of the others.
  { group: '', resource: 'services', verbs: READ },
  { group: '', resource: 'nodes', verbs: READ },
  { group: '', resource: 'namespaces', verbs: READ },
  { group: '', resource: 'pods', subresource: 'peers', verbs: ['list', 'watch'], when: podPeers },
  { group: 'discovery.k8s.io', resource: 'endpointslices', verbs: READ },
  { group: NETWORKING, resource: 'networkpolicies', verbs: READ },
  { group: NETWORKING, resource: 'ingresses', verbs: READ },
  { group: NETWORKING, resource: 'ingressclasses', verbs: READ },
  { group: 'node.k8s.io', resource: 'runtimeclasses', verbs: READ },
  { group: 'scheduling.k8s.io', resource: 'priorityclasses', verbs: READ },
  { group: STORAGE, resource: 'storageclasses', verbs: READ },
  { group: STORAGE, resource: 'csinodes', verbs: READ, when: own },
  // Its own pods.
  { group: '', resource: 'pods', verbs: ['get', 'delete'], when: ownPod },
  { group: '', resource: 'pods', verbs: ['list', 'watch'], when: ownPods },
  // Mirrors of static pods only: NodeRestriction looks at the pod.
  { group: '', resource: 'pods', verbs: ['create'] },
  { group: '', resource: 'pods', subresource: 'status', verbs: ['get', ...WRITE], when: ownPod },
  { group: '', resource: 'pods', subresource: 'eviction', verbs: ['create'], when: ownPod },
  // What they refer to.
  { group: '', resource: 'secrets', verbs: READ, when: referredSecret },
  { group: '', resource: 'configmaps', verbs: READ, when: referredConfigMap },
  { group: '', resource: 'persistentvolumeclaims', verbs: READ, when: referredClaim },
  { group: '', resource: 'persistentvolumes', verbs: READ, when: mountedVolume },
  { group: '', resource: 'serviceaccounts', verbs: READ, when: ownAccount },
  { group: '', resource: 'serviceaccounts', subresource: 'token', verbs: ['create'], when: ownAccount },
  // Itself.
  { group: '', resource: 'nodes', verbs: ['create'], when: ownOrNew },
  { group: '', resource: 'nodes', verbs: WRITE, when: own },
  { group: '', resource: 'nodes', subresource: 'status', verbs: ['get', ...WRITE], when: own },
  { group: 'coordination.k8s.io', resource: 'leases', verbs: ['get', 'create', ...WRITE, 'delete'], when: ownLease },
  { group: 'certificates.k8s.io', resource: 'certificatesigningrequests', verbs: ['create'] },
  // What happened.
  { group: '', resource: 'events', verbs: ['create', ...WRITE] },
  { group: 'events.k8s.io', resource: 'events', verbs: ['create', ...WRITE] },
  // The cluster itself: versions, kinds, settings.
  { group: '', resource: '', verbs: ['get', 'list'] },
];

/** What `node` may do. Pure but for the graph it asks. */
export function nodeVerdict(node: string, attempt: Attempt, graph: ClusterGraph): Verdict {
  const { verb, group, resource, subresource, fieldSelector } = attempt;
  const name = attempt.name === '' ? asksFor(fieldSelector, 'metadata.name') : attempt.name;
  const rule = RULES.find(
    (one) =>
      one.group === group &&
      one.resource === resource &&
      (one.subresource ?? '') === subresource &&
      one.verbs.includes(verb),
  );
  if (rule === undefined) return { because: `no rule lets a node do this` };
  return rule.when?.({ node, attempt, name, graph });
}

function unrelated(node: string): { readonly because: string } {
  return { because: `no relationship found between node '${node}' and this object` };
}

/** For what only pods open: one object by name, in one namespace. */
function related(
  at: Case,
  isRelated: (at: Case, object: { readonly namespace: string; readonly name: string }) => boolean,
): Verdict {
  const { attempt, name, node } = at;
  const { namespace } = attempt;
  if (name === '' || namespace === '') {
    return { because: `can only read single objects of this type, by name in a namespace` };
  }
  return isRelated(at, { namespace, name }) ? undefined : unrelated(node);
}

/** The one value a selector asks a field for; empty when it asks for none. A selector that cannot be read asks for nothing. */
function asksFor(fieldSelector: string, field: string): string {
  if (fieldSelector === '') return '';
  try {
    return parseFieldSelector(fieldSelector).find((one) => one.field === field && one.operator === '=')?.value ?? '';
  } catch {
    return '';
  }
}
