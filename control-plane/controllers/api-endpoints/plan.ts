/** What the services every cluster has should look like. */
import { isIP } from 'node:net';
import type { coordinationv1, corev1, discoveryv1 } from '../../../proto/index.ts';
import type { AddressRange } from '../../api/allocation/address-range.ts';
import { SERVICE_NAME_LABEL, SKIP_MIRROR_LABEL } from '../endpoint-slice/slice-labels.ts';
import { serverAddress } from './server-lease.ts';

/** The service by which pods find the API. */
export const API_SERVICE = { namespace: 'default', name: 'kubernetes' } as const;
/** The service whose address every node answers names at. */
export const DNS_SERVICE = { namespace: 'kube-system', name: 'kube-dns' } as const;

const API_PORT = 443;
const DEFAULT_TARGET = 7443;
const API_INDEX = 1;
const DNS_INDEX = 10;
const DNS_PORT = 53;

/** One place where the API is served. */
export interface ApiAddress {
  readonly ip: string;
  readonly port: number;
}

/** Where the API is served, without what leads nowhere from another machine, in order. */
export function apiAddresses(leases: readonly coordinationv1.Lease[]): ApiAddress[] {
  const all = leases.map(serverAddress).filter((at) => at !== undefined);
  const usable = all.filter(({ ip }) => isIP(ip) === 4 && !ip.startsWith('127.'));
  const byText = new Map(usable.map((at) => [`${at.ip} ${at.port}`, at]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, at]) => at);
}

/** The Service `kubernetes`; undefined when the range has no address for it. */
export function apiService(range: AddressRange, addresses: readonly ApiAddress[]): corev1.Service {
  return {
    metadata: { ...API_SERVICE, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: range.addressAt(API_INDEX),
      sessionAffinity: 'None',
      ports: apiPorts(addresses),
    },
  };
}

/** The ports of the Service `kubernetes`. */
export function apiPorts(addresses: readonly ApiAddress[]): corev1.ServicePort[] {
  const target = String(addresses[0]?.port ?? DEFAULT_TARGET);
  return [{ name: 'https', port: API_PORT, protocol: 'TCP', targetPort: target }];
}

/** The Service `kube-dns`; undefined when the range is too small to have its address. */
export function dnsService(range: AddressRange): corev1.Service | undefined {
  const clusterIP = DNS_INDEX < range.size ? range.addressAt(DNS_INDEX) : '';
  if (range.indexOf(clusterIP) === undefined) return undefined;
  return {
    metadata: {
      ...DNS_SERVICE,
      labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
      annotations: { 'skiff.dev/answered-by': 'every node itself, at this address; there are no endpoints' },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      ports: [
        { name: 'dns', port: DNS_PORT, protocol: 'UDP', targetPort: String(DNS_PORT) },
        { name: 'dns-tcp', port: DNS_PORT, protocol: 'TCP', targetPort: String(DNS_PORT) },
      ],
    },
  };
}

/** Addresses by port: mostly all have the same. */
function byPort(addresses: readonly ApiAddress[]): [number, string[]][] {
  const ports = [...new Set(addresses.map(({ port }) => port))].sort((a, b) => a - b);
  return ports.map((port) => [port, addresses.filter((at) => at.port === port).map(({ ip }) => ip)]);
}

/** The slices of the Service `kubernetes`: one, and one more for each further port. */
export function apiSlices(addresses: readonly ApiAddress[]): discoveryv1.EndpointSlice[] {
  return byPort(addresses).map(([port, ips], i) => ({
    metadata: {
      namespace: API_SERVICE.namespace,
      name: i === 0 ? API_SERVICE.name : `${API_SERVICE.name}-${port}`,
      labels: { [SERVICE_NAME_LABEL]: API_SERVICE.name },
    },
    addressType: 'IPv4',
    endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  }));
}

/** Whether a slice is one of {@link apiSlices}, wanted or not. */
export function isApiSlice({ metadata }: discoveryv1.EndpointSlice): boolean {
  return metadata?.namespace === API_SERVICE.namespace && /^kubernetes(-\d+)?$/.test(metadata.name ?? '');
}

/** The Endpoints of the Service `kubernetes`. */
export function apiEndpoints(addresses: readonly ApiAddress[]): corev1.Endpoints {
  return {
    metadata: { ...API_SERVICE, labels: { [SKIP_MIRROR_LABEL]: 'true' } },
    subsets: byPort(addresses).map(([port, ips]) => ({
      addresses: ips.map((ip) => ({ ip })),
      ports: [{ name: 'https', port, protocol: 'TCP' }],
    })),
  };
}
