/** Which address a service of type LoadBalancer has, and which node announces it. */
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import type { AddressPool } from '../../../lib/address-pool.ts';
import { objectKey } from '../../../lib/informer.ts';
import { isNodeReady } from '../../../lib/node-ready.ts';
import type { corev1, discoveryv1 } from '../../../proto/index.ts';

/** Annotation: the node that announces the service's address. */
export const ANNOUNCED_BY = 'skiff.dev/announced-by';
/** Annotation: the address wanted, instead of the deprecated `spec.loadBalancerIP`. */
export const WANTED_ADDRESS = 'skiff.dev/load-balancer-ip';
/** Annotation: services with the same value may share an address, as long as their ports differ. */
export const SHARING_KEY = 'skiff.dev/allow-shared-ip';
/** The class of services that are ours besides those without one. */
export const OWN_CLASS = 'skiff.dev/load-balancer';
/** Label of nodes that take no such traffic. */
const EXCLUDED_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';
/** Condition that is there while a service has no address. */
export const NO_ADDRESS_CONDITION = 'skiff.dev/LoadBalancerAddress';

/** Whether the service is ours to serve. */
export function isOurs({ metadata, spec }: corev1.Service): boolean {
  if (spec?.type !== 'LoadBalancer' || metadata?.deletionTimestamp !== undefined) return false;
  const { loadBalancerClass = OWN_CLASS } = spec;
  return loadBalancerClass === OWN_CLASS;
}

/** What came of looking for an address. */
export type AddressChoice =
  | { readonly address: string }
  | { readonly reason: 'NoAddressLeft' | 'NotInPool' | 'AddressTaken'; readonly message: string };

/** The address a service has already; undefined when it has none. */
export function addressOf({ status }: corev1.Service): string | undefined {
  return status?.loadBalancer?.ingress?.[0]?.ip;
}

/**
 * An address for `service`: the one it wants; else the one it has; else the first that is free. `others` are all other services
 * that have one. Shared only by services that say the same key, with different ports, and that do not keep traffic on nodes.
 */
export function chooseAddress(
  service: corev1.Service,
  others: readonly corev1.Service[],
  pool: AddressPool,
): AddressChoice {
  const holders = new Map<string, corev1.Service[]>();
  for (const other of others) {
    const address = addressOf(other) ?? '';
    holders.set(address, [...(holders.get(address) ?? []), other]);
  }
  const blocker = (address: string): corev1.Service | undefined =>
    holders.get(address)?.find((holder) => !mayShare(service, holder));
  const wanted = service.metadata?.annotations?.[WANTED_ADDRESS] ?? service.spec?.loadBalancerIP ?? '';
  if (wanted !== '') {
    if (!pool.has(wanted)) {
      return { reason: 'NotInPool', message: `the address ${wanted} is not in the pool ${pool.text}` };
    }
    const holder = blocker(wanted);
    if (holder === undefined || addressOf(service) === wanted) return { address: wanted };
    return { reason: 'AddressTaken', message: `the address ${wanted} belongs to the service ${objectKey(holder)}` };
  }
  const held = addressOf(service);
  if (held !== undefined && pool.has(held) && blocker(held) === undefined) return { address: held };
  for (const address of pool.addresses()) if (!holders.has(address)) return { address };
  for (const address of holders.keys()) {
    if (pool.has(address) && blocker(address) === undefined) return { address };
  }
  return { reason: 'NoAddressLeft', message: `no address left in the pool ${pool.text}: all ${pool.size} are taken` };
}

function mayShare(a: corev1.Service, b: corev1.Service): boolean {
  const [key, other] = [a, b].map(({ metadata }) => metadata?.annotations?.[SHARING_KEY] ?? '');
  if (key === '' || key !== other) return false;
  if (isLocal(a) || isLocal(b)) return false;
  const ports = new Set((a.spec?.ports ?? []).map(portText));
  return !(b.spec?.ports ?? []).some((port) => ports.has(portText(port)));
}

function portText({ port, protocol }: corev1.ServicePort): string {
  return `${port}/${protocol ?? 'TCP'}`;
}

/**
 * Why a service cannot have its ports at the nodes' own addresses: a port that the machines need for themselves, or one that another
 * service has there. Undefined when it can.
 */
export function portTrouble(
  service: corev1.Service,
  others: readonly corev1.Service[],
  reserved: readonly number[],
): { readonly reason: 'PortTaken'; readonly message: string } | undefined {
  const says = (port: string, whose: string) => ({
    reason: 'PortTaken' as const,
    message: `port ${port} of the nodes belongs to ${whose}; with a pool of addresses (--load-balancer-pool) it could be served`,
  });
  for (const port of service.spec?.ports ?? []) {
    const text = portText(port);
    if (reserved.includes(port.port ?? 0) && text.endsWith('/TCP')) return says(text, 'the machines themselves');
    const other = others.find(({ spec }) => (spec?.ports ?? []).some((one) => portText(one) === text));
    if (other !== undefined) return says(text, `the service ${objectKey(other)}`);
  }
  return undefined;
}

/** Whether the traffic of a service stays on the node it came to. */
export function isLocal({ spec }: corev1.Service): boolean {
  return spec?.externalTrafficPolicy === 'Local';
}

/** Whether the node is there for traffic from outside. */
export function takesTraffic(node: corev1.Node): boolean {
  const { metadata } = node;
  if (metadata?.deletionTimestamp !== undefined || Object.hasOwn(metadata?.labels ?? {}, EXCLUDED_LABEL)) return false;
  return isNodeReady(node);
}

/** Names of nodes that have pods of the service which take traffic. */
export function nodesWithEndpoints(slices: readonly discoveryv1.EndpointSlice[]): Set<string> {
  const ready = slices
    .flatMap(({ endpoints = [] }) => endpoints)
    .filter(({ conditions }) => conditions?.ready !== false);
  return new Set(ready.map(({ nodeName = '' }) => nodeName));
}

/**
 * The node that announces `address`: the one that does, as long as it may, else one by the hash of both names, so that addresses
 * spread over nodes. When no node may, it stays: perhaps only their news is late.
 */
export function chooseAnnouncer(
  address: string,
  current: string | undefined,
  candidates: readonly string[],
): string | undefined {
  if (candidates.length === 0 || (current !== undefined && candidates.includes(current))) return current;
  const rank = (node: string): string => createHash('sha256').update(`${address} ${node}`).digest('hex');
  return [...candidates].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
}

/** Where a service is reached when there is no pool: each node's address for others, the outer one if it has one. */
export function nodeAddresses(nodes: readonly corev1.Node[]): string[] {
  const addresses = nodes.flatMap(({ status }) => {
    const of = (type: string): string[] =>
      (status?.addresses ?? [])
        .filter((one) => one.type === type && isIPv4(one.address ?? ''))
        .map(({ address = '' }) => address);
    const outer = of('ExternalIP');
    return outer.length > 0 ? outer : of('InternalIP');
  });
  return [...new Set(addresses)].sort();
}
