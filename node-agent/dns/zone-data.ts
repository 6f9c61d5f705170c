/** What the cluster's names are made of, indexed so that every question is a few look-ups whatever the number of services. */
import { isIP } from 'node:net';
import type { corev1, discoveryv1 } from '../../proto/index.ts';
import { AddressIndex } from './address-index.ts';

/** One address behind a service. */
export interface ZoneEndpoint {
  readonly ip: string;
  /** Its own name below the service's: asked for by the pod, or made from the address. */
  readonly name: string;
  readonly ports: readonly discoveryv1.EndpointPort[];
}

/** Label of an EndpointSlice that names its Service. */
const SERVICE_LABEL = 'kubernetes.io/service-name';

/** See the top of the file. Objects are kept as they are, not copied. */
export class ZoneData {
  readonly #services = new Map<string, corev1.Service>();
  /** service → slice → object. */
  readonly #slices = new Map<string, Map<string, discoveryv1.EndpointSlice>>();
  readonly #namespaces = new Set<string>();
  /** Services by their own addresses, and by those of their endpoints. */
  readonly #byClusterIp = new AddressIndex();
  readonly #byEndpoint = new AddressIndex();
  /** Namespaces of the pods with an address. */
  readonly #pods = new AddressIndex();
  readonly #knowsPods: () => boolean;

  /** `knowsPods` tells whether pods that are not here do not exist. */
  constructor(knowsPods: () => boolean = () => true) {
    this.#knowsPods = knowsPods;
  }

  /** Whether there is such a namespace. */
  hasNamespace(name: string): boolean {
    return this.#namespaces.has(name);
  }

  /** The service `namespace/name`. */
  service(key: string): corev1.Service | undefined {
    return this.#services.get(key);
  }

  /** Endpoints of `service` that take traffic, each address once. */
  endpoints(service: corev1.Service): ZoneEndpoint[] {
    const all = service.spec?.publishNotReadyAddresses === true;
    const found = new Map<string, ZoneEndpoint>();
    for (const slice of this.#slices.get(keyOf(service))?.values() ?? []) {
      for (const { addresses = [], conditions, hostname = '' } of slice.endpoints ?? []) {
        if (!all && conditions?.ready === false) continue;
        for (const ip of addresses) {
          const name = hostname === '' ? nameOfAddress(ip) : hostname.toLowerCase();
          const key = `${name} ${ip}`;
          const known = found.get(key);
          if (isIP(ip) === 0) continue;
          const ports = slice.ports ?? [];
          found.set(key, known === undefined ? { ip, name, ports } : { ...known, ports: [...known.ports, ...ports] });
        }
      }
    }
    return [...found.values()];
  }

  /** The services with that cluster address. */
  servicesAt(ip: string): corev1.Service[] {
    return this.#objects(this.#byClusterIp.at(ip));
  }

  /** The services with an endpoint at that address, ready or not. */
  servicesBehind(ip: string): corev1.Service[] {
    return this.#objects(this.#byEndpoint.at(ip));
  }

  /** Whether a pod of that namespace has the address; null when nobody knows yet. */
  hasPod(namespace: string, ip: string): boolean | null {
    if (this.#pods.has(ip, namespace)) return true;
    return this.#knowsPods() ? false : null;
  }

  putNamespace(name: string): void {
    this.#namespaces.add(name);
  }

  deleteNamespace(name: string): void {
    this.#namespaces.delete(name);
  }

  putService(service: corev1.Service): void {
    this.deleteService(service);
    const key = keyOf(service);
    this.#services.set(key, service);
    for (const ip of clusterIps(service)) this.#byClusterIp.add(ip, key);
  }

  deleteService(service: corev1.Service): void {
    const key = keyOf(service);
    const known = this.#services.get(key);
    if (known === undefined) return;
    this.#services.delete(key);
    for (const ip of clusterIps(known)) this.#byClusterIp.remove(ip, key);
  }

  putSlice(slice: discoveryv1.EndpointSlice): void {
    const service = serviceOf(slice);
    const name = slice.metadata?.name ?? '';
    const slices = this.#slices.get(service) ?? new Map<string, discoveryv1.EndpointSlice>();
    const known = slices.get(name);
    if (known !== undefined) for (const ip of addressesOf(known)) this.#byEndpoint.remove(ip, service);
    slices.set(name, slice);
    this.#slices.set(service, slices);
    for (const ip of addressesOf(slice)) this.#byEndpoint.add(ip, service);
  }

  deleteSlice(slice: discoveryv1.EndpointSlice): void {
    const service = serviceOf(slice);
    const slices = this.#slices.get(service);
    const known = slices?.get(slice.metadata?.name ?? '');
    if (slices === undefined || known === undefined) return;
    for (const ip of addressesOf(known)) this.#byEndpoint.remove(ip, service);
    slices.delete(slice.metadata?.name ?? '');
    if (slices.size === 0) this.#slices.delete(service);
  }

  putPod(pod: corev1.Pod): void {
    for (const ip of podIps(pod)) this.#pods.add(ip, pod.metadata?.namespace ?? '');
  }

  deletePod(pod: corev1.Pod): void {
    for (const ip of podIps(pod)) this.#pods.remove(ip, pod.metadata?.namespace ?? '');
  }

  /** Everything names are made of but the pods, to be kept in a file. */
  contents(): { services: corev1.Service[]; slices: discoveryv1.EndpointSlice[]; namespaces: string[] } {
    return {
      services: [...this.#services.values()],
      slices: [...this.#slices.values()].flatMap((slices) => [...slices.values()]),
      namespaces: [...this.#namespaces],
    };
  }

  #objects(keys: readonly string[]): corev1.Service[] {
    return keys.flatMap((key) => this.#services.get(key) ?? []);
  }
}

function addressesOf({ endpoints = [] }: discoveryv1.EndpointSlice): string[] {
  return endpoints.flatMap(({ addresses = [] }) => addresses);
}

function podIps({ status }: corev1.Pod): Set<string> {
  const ips = new Set([status?.podIP ?? '', ...(status?.podIPs ?? []).map(({ ip }) => ip ?? '')]);
  ips.delete('');
  return ips;
}

/** `namespace/name`. */
export function keyOf({ metadata }: corev1.Service): string {
  return `${metadata?.namespace}/${metadata?.name}`;
}

/** Whether a service has no address of its own: its name stands for its endpoints. */
export function isHeadless({ spec }: corev1.Service): boolean {
  return spec?.clusterIP === 'None';
}

/** The addresses of a service. */
export function clusterIps({ spec }: corev1.Service): string[] {
  return [...new Set([spec?.clusterIP ?? '', ...(spec?.clusterIPs ?? [])])].filter((ip) => isIP(ip) !== 0);
}

/** `10-42-0-7`: what an endpoint without a host name is called. */
export function nameOfAddress(ip: string): string {
  return ip.replaceAll(/[.:]/g, '-');
}

function serviceOf({ metadata }: discoveryv1.EndpointSlice): string {
  return `${metadata?.namespace}/${metadata?.labels?.[SERVICE_LABEL] ?? ''}`;
}
