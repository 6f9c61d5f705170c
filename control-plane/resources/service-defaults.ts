/** What the server fills into a service, and what it keeps or drops when one is changed. */
import { isDeepStrictEqual } from 'node:util';
import type { corev1 } from '../../proto/index.ts';
import {
  isHeadless,
  isReachedFromOutside,
  mayHaveNodePorts,
  needsClusterIP,
  needsHealthCheckPort,
  needsNodePorts,
} from './service-kinds.ts';
import { familyOf } from './validation/addresses.ts';

const AFFINITY_SECONDS = 10_800;

type Spec = corev1.ServiceSpec;

/** Fills in the defaults of a service, as a cluster of IPv4 alone has them. */
export function defaultService({ spec, status }: corev1.Service): void {
  for (const address of status?.loadBalancer?.ingress ?? []) {
    if ((address.ip ?? '') !== '' && spec?.type === 'LoadBalancer') address.ipMode ??= 'VIP';
  }
  if (spec === undefined) return;
  if ((spec.type ?? '') === '') spec.type = 'ClusterIP';
  defaultAffinity(spec);
  for (const port of spec.ports ?? []) {
    if ((port.protocol ?? '') === '') port.protocol = 'TCP';
    const isUnset = port.targetPort === undefined || port.targetPort === '' || port.targetPort === '0';
    if (isUnset && port.port !== undefined) port.targetPort = String(port.port);
  }
  if (isReachedFromOutside(spec) && (spec.externalTrafficPolicy ?? '') === '') spec.externalTrafficPolicy = 'Cluster';
  if (needsClusterIP(spec)) spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
  if (needsClusterIP(spec)) defaultAddresses(spec);
}

function defaultAffinity(spec: Spec): void {
  if ((spec.sessionAffinity ?? '') === '') spec.sessionAffinity = 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  else if (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: AFFINITY_SECONDS } };
  }
}

/** One address, of IPv4; but who finds the pods by hand may use both families. */
function defaultAddresses(spec: Spec): void {
  const clusterIP = spec.clusterIP ?? '';
  if (clusterIP !== '' && (spec.clusterIPs ?? []).length === 0) spec.clusterIPs = [clusterIP];
  const bySelector = Object.keys(spec.selector ?? {}).length > 0;
  const free = isHeadless(spec) && !bySelector;
  const families = [...(spec.ipFamilies ?? [])];
  if (families.length === 0) {
    const given = (spec.clusterIPs ?? []).map(familyOf).filter((family) => family !== undefined);
    families.push(...(given.length > 0 ? new Set(given) : ['IPv4']));
  }
  spec.ipFamilyPolicy ??= free || families.length > 1 ? 'RequireDualStack' : 'SingleStack';
  if (free && families.length === 1 && spec.ipFamilyPolicy !== 'SingleStack') {
    families.push(families[0] === 'IPv4' ? 'IPv6' : 'IPv4');
  }
  spec.ipFamilies = families;
}

/** Prepares the next version of a service: what the new type cannot have is dropped, what was given once is kept. */
export function carryOver({ spec }: corev1.Service, { spec: old }: corev1.Service): void {
  if (spec === undefined || old === undefined) return;
  dropForType(spec, old);
  if (needsClusterIP(spec) && needsClusterIP(old)) keepAddresses(spec, old);
  if (needsNodePorts(spec) && needsNodePorts(old)) keepNodePorts(spec, old);
  if (needsHealthCheckPort(spec) && needsHealthCheckPort(old) && (spec.healthCheckNodePort ?? 0) === 0) {
    if (old.healthCheckNodePort !== undefined) spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

/** Fields that belonged to the old type and that the writer left as they were. */
function dropForType(spec: Spec, old: Spec): void {
  const same = (name: keyof Spec): boolean => isDeepStrictEqual(spec[name], old[name]);
  const leaves = (needs: (spec: Spec) => boolean): boolean => needs(old) && !needs(spec);
  const drop = (...names: (keyof Spec)[]): void => {
    for (const name of names) if (same(name)) delete spec[name];
  };
  if (leaves(needsClusterIP)) drop('clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy');
  if (leaves(mayHaveNodePorts) && sameNodePorts(spec, old)) {
    for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (leaves(needsHealthCheckPort)) drop('healthCheckNodePort');
  if (leaves(isReachedFromOutside)) drop('externalTrafficPolicy');
  if (leaves(({ type }) => type === 'LoadBalancer')) drop('allocateLoadBalancerNodePorts', 'loadBalancerClass');
}

function sameNodePorts(spec: Spec, old: Spec): boolean {
  const numbers = ({ ports = [] }: Spec): string =>
    ports
      .map(({ nodePort = 0 }) => nodePort)
      .sort((a, b) => a - b)
      .join();
  return numbers(spec) === numbers(old);
}

/** A writer that does not name the addresses means those there are. One that names only one of the two fields means both. */
function keepAddresses(spec: Spec, old: Spec): void {
  const [one, all] = [spec.clusterIP ?? '', spec.clusterIPs ?? []];
  if (one === '' && (all.length === 0 || isDeepStrictEqual(all, old.clusterIPs))) {
    if (old.clusterIP !== undefined) spec.clusterIP = old.clusterIP;
    if (old.clusterIPs !== undefined) spec.clusterIPs = [...old.clusterIPs];
  } else if (one !== '' && one !== old.clusterIP && isDeepStrictEqual(all, old.clusterIPs)) {
    spec.clusterIPs = [one];
  }
}

/** A port is the same when protocol and number are. */
function keepNodePorts(spec: Spec, old: Spec): void {
  const key = ({ protocol = 'TCP', port = 0 }: corev1.ServicePort): string => `${protocol} ${port}`;
  const before = new Map((old.ports ?? []).map((port) => [key(port), port.nodePort]));
  const taken = new Set((spec.ports ?? []).map(({ nodePort = 0 }) => nodePort));
  for (const port of spec.ports ?? []) {
    const kept = before.get(key(port));
    if ((port.nodePort ?? 0) !== 0 || kept === undefined || taken.has(kept)) continue;
    port.nodePort = kept;
    taken.add(kept);
  }
}
