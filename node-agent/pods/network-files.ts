/** The files a pod shares with no image: /etc/hosts, /etc/hostname and /etc/resolv.conf. Pure. */
import type { corev1 } from '../../proto/index.ts';
import { parseResolvConf } from '../dns/resolver-file.ts';

/** What the files depend on besides the pod. */
export interface NetworkFileFacts {
  readonly podIPs: readonly string[];
  readonly nodeName: string;
  readonly clusterDomain: string;
  /** Where the cluster's DNS is answered; undefined: nowhere, and pods use the node's resolvers. */
  readonly dnsAddress?: string;
  /** Contents of the node's own files. */
  readonly nodeHosts: string;
  readonly nodeResolvConf: string;
}

/** Longest host name Linux takes. */
const MAX_HOSTNAME = 63;
/** What Kubernetes allows in one resolv.conf. */
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARS = 2048;
/** With the cluster's DNS: names with fewer dots are tried below the search domains first, so that `db.shop` is found. */
const CLUSTER_NDOTS = '5';

/** The pod's host name: asked for, or its own, cut to what Linux takes. */
export function podHostname(pod: corev1.Pod, clusterDomain: string): string {
  const fqdn = podFqdn(pod, clusterDomain);
  return pod.spec?.setHostnameAsFQDN === true && fqdn !== undefined && !hasOverride(pod) ? fqdn : shortName(pod);
}

function hasOverride({ spec }: corev1.Pod): boolean {
  return (spec?.hostnameOverride ?? '') !== '';
}

function shortName({ metadata, spec }: corev1.Pod): string {
  return (
    spec?.hostnameOverride || spec?.hostname || (metadata?.name ?? '').slice(0, MAX_HOSTNAME).replace(/[-.]+$/, '')
  );
}

function podFqdn(pod: corev1.Pod, clusterDomain: string): string | undefined {
  const subdomain = pod.spec?.subdomain ?? '';
  if (subdomain === '' || hasOverride(pod)) return undefined;
  return `${shortName(pod)}.${subdomain}.${pod.metadata?.namespace}.svc.${clusterDomain}`;
}

/** /etc/hosts. Pods on the host network see the node's, with their aliases added. */
export function hostsFile(pod: corev1.Pod, facts: NetworkFileFacts): string {
  const lines: string[] = [];
  if (pod.spec?.hostNetwork === true) {
    lines.push('# Kubernetes-managed hosts file (host network).', facts.nodeHosts.trimEnd());
  } else {
    lines.push(
      '# Kubernetes-managed hosts file.',
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      'fe00::0\tip6-localnet',
      'fe00::0\tip6-mcastprefix',
      'fe00::1\tip6-allnodes',
      'fe00::2\tip6-allrouters',
    );
    const fqdn = podFqdn(pod, facts.clusterDomain);
    // The full name first: the first name of a line is what programs take for the canonical one.
    const names = [...(fqdn === undefined ? [] : [fqdn]), shortName(pod)].join('\t');
    for (const ip of facts.podIPs) lines.push(`${ip}\t${names}`);
  }
  const aliases = pod.spec?.hostAliases ?? [];
  if (aliases.length > 0) {
    lines.push('', '# Entries added by HostAliases.');
    for (const { ip, hostnames = [] } of aliases) lines.push(`${ip}\t${hostnames.join('\t')}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * /etc/resolv.conf by the pod's dnsPolicy, with its dnsConfig added. A pod on the host network whose policy is ClusterFirst gets the
 * node's, and so does everybody while there is no cluster DNS.
 */
export function resolvConf(pod: corev1.Pod, facts: NetworkFileFacts): string {
  const base = baseSettings(pod, facts);
  const { nameservers = [], searches = [], options = [] } = pod.spec?.dnsConfig ?? {};
  const allOptions = new Map(base.options);
  for (const { name = '', value } of options) allOptions.set(name, value);
  const lines = [...new Set([...base.nameservers, ...nameservers])]
    .slice(0, MAX_NAMESERVERS)
    .map((server) => `nameserver ${server}`);
  const allSearches = fittingSearches([...new Set([...base.searches, ...searches])]);
  if (allSearches.length > 0) lines.push(`search ${allSearches.join(' ')}`);
  if (allOptions.size > 0) {
    const words = [...allOptions].map(([name, value]) =>
      value === undefined || value === '' ? name : `${name}:${value}`,
    );
    lines.push(`options ${words.join(' ')}`);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function baseSettings({ metadata, spec }: corev1.Pod, facts: NetworkFileFacts): ReturnType<typeof parseResolvConf> {
  const { dnsPolicy, hostNetwork } = spec ?? {};
  if (dnsPolicy === 'None') return { nameservers: [], searches: [], options: new Map() };
  const ofNode = parseResolvConf(facts.nodeResolvConf);
  const { dnsAddress, clusterDomain } = facts;
  const asHost = dnsPolicy === 'Default' || (hostNetwork === true && dnsPolicy !== 'ClusterFirstWithHostNet');
  if (asHost || dnsAddress === undefined) return ofNode;
  return {
    nameservers: [dnsAddress],
    searches: [
      `${metadata?.namespace}.svc.${clusterDomain}`,
      `svc.${clusterDomain}`,
      clusterDomain,
      ...ofNode.searches,
    ],
    options: new Map([['ndots', CLUSTER_NDOTS]]),
  };
}

function fittingSearches(searches: readonly string[]): string[] {
  const fitting = searches.slice(0, MAX_SEARCHES);
  while (fitting.join(' ').length > MAX_SEARCH_CHARS) fitting.pop();
  return fitting;
}
