/** The files a pod shares with no image: /etc/hosts, /etc/hostname and /etc/resolv.conf. Pure. */
import type { corev1 } from '../../proto/index.ts';

/** What the files depend on besides the pod. */
export interface NetworkFileFacts {
  readonly podIPs: readonly string[];
  readonly nodeName: string;
  readonly clusterDomain: string;
  /** Contents of the node's own files. */
  readonly nodeHosts: string;
  readonly nodeResolvConf: string;
}

/** Longest host name Linux takes. */
const MAX_HOSTNAME = 63;
/** What Kubernetes allows in one resolv.conf. */
const MAX_NAMESERVERS = 3;

/** The pod's host name: asked for, or its own, cut to what Linux takes. */
export function podHostname(pod: corev1.Pod, clusterDomain: string): string {
  const { hostname, hostnameOverride, setHostnameAsFQDN } = pod.spec ?? {};
  if (hostnameOverride !== undefined && hostnameOverride !== '') return hostnameOverride;
  const name = hostname || (pod.metadata?.name ?? '').slice(0, MAX_HOSTNAME).replace(/[-.]+$/, '');
  const fqdn = podFqdn(pod, clusterDomain);
  return setHostnameAsFQDN === true && fqdn !== undefined ? fqdn : name;
}

function podFqdn(pod: corev1.Pod, clusterDomain: string): string | undefined {
  const subdomain = pod.spec?.subdomain ?? '';
  if (subdomain === '') return undefined;
  const name = pod.spec?.hostname || (pod.metadata?.name ?? '');
  return `${name}.${subdomain}.${pod.metadata?.namespace}.svc.${clusterDomain}`;
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
    const hostname = podHostname(pod, facts.clusterDomain);
    const names = [...new Set([...(fqdn === undefined ? [] : [fqdn]), hostname])].join('\t');
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
 * /etc/resolv.conf by the pod's dnsPolicy. The cluster's own DNS is not served yet, so ClusterFirst is the node's, as
 * Kubernetes does when there is no cluster DNS. dnsConfig is added in every case.
 */
export function resolvConf(pod: corev1.Pod, facts: NetworkFileFacts): string {
  const base = pod.spec?.dnsPolicy === 'None' ? '' : facts.nodeResolvConf;
  const nameservers = valuesOf(base, 'nameserver');
  let searches = valuesOf(base, 'search')
    .slice(-1)
    .flatMap((line) => line.split(/\s+/));
  const options = new Map(
    valuesOf(base, 'options')
      .flatMap((line) => line.split(/\s+/))
      .map(splitOption),
  );
  const config = pod.spec?.dnsConfig;
  for (const server of config?.nameservers ?? []) if (!nameservers.includes(server)) nameservers.push(server);
  searches = [...new Set([...searches, ...(config?.searches ?? [])])];
  for (const { name = '', value } of config?.options ?? []) options.set(name, value);
  const lines = nameservers.slice(0, MAX_NAMESERVERS).map((server) => `nameserver ${server}`);
  if (searches.length > 0) lines.push(`search ${searches.join(' ')}`);
  if (options.size > 0) {
    lines.push(
      `options ${[...options].map(([name, value]) => (value === undefined ? name : `${name}:${value}`)).join(' ')}`,
    );
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function valuesOf(text: string, keyword: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith(`${keyword} `) || line.startsWith(`${keyword}\t`))
    .map((line) => line.slice(keyword.length).trim());
}

function splitOption(option: string): [string, string | undefined] {
  const colon = option.indexOf(':');
  return colon < 0 ? [option, undefined] : [option.slice(0, colon), option.slice(colon + 1)];
}
