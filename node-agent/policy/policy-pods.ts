/** The pods that policies are about, from what the node knows of all pods. Pure. */
import type { corev1 } from '../../proto/index.ts';

/** A pod with an address of its own. */
export interface PolicyPod {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly ip: string;
  /** Ports with a name: what a policy that names one means at this pod. */
  readonly namedPorts: readonly NamedPort[];
  /** On this node: its packets pass here. */
  readonly local: boolean;
}

/** A port that policies may call by its name. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

/** A pod of this node that has got its addresses. */
export interface Attachment {
  readonly pod: corev1.Pod;
  readonly ips: readonly string[];
}

/**
 * Pods with an address: those that the cluster knows, and those just attached here, of which it may not know yet. Where both
 * tell of the same pod, the attachment knows the address and the cluster the labels. Pods on the host network have no address
 * of their own, and those that ended have none any more.
 */
export function policyPods(
  peers: readonly corev1.Pod[],
  attachments: readonly Attachment[],
  nodeName: string,
): readonly PolicyPod[] {
  const attachedIps = new Map(attachments.map(({ pod, ips }) => [pod.metadata?.uid, firstIPv4(ips)]));
  const taken = new Set(attachedIps.values());
  const known = new Set<string | undefined>();
  const out: PolicyPod[] = [];
  for (const pod of peers) {
    const uid = pod.metadata?.uid;
    known.add(uid);
    const attached = attachedIps.get(uid);
    const ip = attached ?? addressOf(pod);
    // An address that was just given to somebody is no longer this one's, whatever the cluster still says.
    if (ip === undefined || (attached === undefined && taken.has(ip)) || hasNoAddress(pod)) continue;
    out.push(policyPod(pod, ip, pod.spec?.nodeName === nodeName));
  }
  for (const { pod, ips } of attachments) {
    const ip = firstIPv4(ips);
    if (ip !== undefined && !known.has(pod.metadata?.uid) && !hasNoAddress(pod)) out.push(policyPod(pod, ip, true));
  }
  return out;
}

/** The IPv4 address of a pod as the cluster knows it. */
export function addressOf({ status }: corev1.Pod): string | undefined {
  return firstIPv4([status?.podIP ?? '', ...(status?.podIPs ?? []).map(({ ip }) => ip ?? '')]);
}

/** The first of some addresses that is of IPv4. */
export function firstIPv4(ips: readonly string[]): string | undefined {
  return ips.find((ip) => ip !== '' && !ip.includes(':'));
}

function hasNoAddress({ spec, status }: corev1.Pod): boolean {
  return spec?.hostNetwork === true || status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

function policyPod(pod: corev1.Pod, ip: string, local: boolean): PolicyPod {
  const { namespace = '', labels } = pod.metadata ?? {};
  return { namespace, labels, ip, local, namedPorts: namedPorts(pod) };
}

function namedPorts({ spec }: corev1.Pod): readonly NamedPort[] {
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const out: NamedPort[] = [];
  for (const { ports = [] } of [...(spec?.containers ?? []), ...sidecars]) {
    for (const { name = '', protocol = 'TCP', containerPort = 0 } of ports) {
      if (name !== '') out.push({ name, protocol, port: containerPort });
    }
  }
  return out;
}
