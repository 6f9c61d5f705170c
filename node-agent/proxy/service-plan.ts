/** What a node does for one Service: where it can be dialled, and which endpoints take the connections. Pure. */
import type { corev1, discoveryv1 } from '../../proto/index.ts';

/** The node as service rules see it. */
export interface ServiceFacts {
  readonly nodeName: string;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  /** Answered by the node itself: never translated. */
  readonly dnsAddress: string;
}

/** The transport, as nft names it. */
export type Transport = 'tcp' | 'udp' | 'sctp';

/** One address and port, or one port of all the node's addresses, where a service can be dialled. */
export interface Front {
  /** In nft's words: `10.43.0.1 . tcp . 80`, or `tcp . 30080` for a port of the node. Names the front. */
  readonly key: string;
  readonly kind: 'address' | 'port';
  readonly transport: Transport;
  /** Whether it is there for clients outside the cluster. */
  readonly outside: boolean;
  /** `10.42.0.7 . 8080`, by slot. */
  readonly endpoints: readonly string[];
  /** With the policy Local, the endpoints for clients outside the cluster; they keep their address. */
  readonly localEndpoints?: readonly string[];
  /** Without endpoints: told so, or (they are elsewhere, and the policy is Local) silence. */
  readonly whenEmpty: 'reject' | 'drop';
  /** Seconds for which a client stays with its endpoint. */
  readonly stickySeconds?: number;
  /** Ranges of clients allowed; all when undefined. */
  readonly sources?: readonly string[];
}

/** See the top of the file. */
export interface ServicePlan {
  readonly fronts: readonly Front[];
  /** Addresses of endpoints on this node: they may reach themselves through the service. */
  readonly localAddresses: readonly string[];
  /** Where load balancers ask whether this node has endpoints. */
  readonly health?: { readonly port: number; readonly localEndpoints: number };
}

/** The plan of a service that is not there, or not ours. */
export const NO_PLAN: ServicePlan = { fronts: [], localAddresses: [] };

const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
const DEFAULT_STICKY_SECONDS = 10_800;
const IPV4 = /^\d+\.\d+\.\d+\.\d+$/;

interface Target {
  readonly address: string;
  readonly local: boolean;
  readonly ready: boolean;
  /** Terminating, and still answering: better than none. */
  readonly lastResort: boolean;
}

/** The plan for a service and its slices. Slots of `previous` are kept where they can be, so that little changes. */
export function planService(
  service: corev1.Service,
  slices: readonly discoveryv1.EndpointSlice[],
  facts: ServiceFacts,
  previous: ServicePlan = NO_PLAN,
): ServicePlan {
  const { spec, metadata } = service;
  const clusterIp = spec?.clusterIP ?? '';
  if (spec === undefined || spec.type === 'ExternalName' || !IPV4.test(clusterIp) || clusterIp === facts.dnsAddress) {
    return NO_PLAN;
  }
  if (metadata?.labels?.[PROXY_NAME_LABEL] !== undefined) return NO_PLAN;
  const slots = new Map(previous.fronts.map((front) => [front.key, front]));
  const fronts: Front[] = [];
  const localAddresses = new Set<string>();
  let localReady = 0;
  for (const port of spec.ports ?? []) {
    const targets = targetsOf(slices, port, facts.nodeName);
    for (const { address, local } of targets) if (local) localAddresses.add(hostOf(address));
    const everywhere = chosen(targets);
    const here = chosen(targets.filter(({ local }) => local));
    localReady = Math.max(localReady, targets.filter(({ local, ready }) => local && ready).length);
    for (const front of frontsOf(service, port)) {
      fronts.push(withEndpoints(front, { everywhere, here, service, old: slots.get(front.key) }));
    }
  }
  const health = spec.type === 'LoadBalancer' && isLocal(spec) ? (spec.healthCheckNodePort ?? 0) : 0;
  return {
    fronts,
    localAddresses: [...localAddresses],
    ...(health > 0 ? { health: { port: health, localEndpoints: localReady } } : {}),
  };
}

type PlainFront = Pick<Front, 'key' | 'kind' | 'transport' | 'outside' | 'sources'>;

function frontsOf({ spec, status }: corev1.Service, port: corev1.ServicePort): PlainFront[] {
  const transport = transportOf(port.protocol);
  const sources = sourcesOf(spec?.loadBalancerSourceRanges ?? []);
  const at = (ip: string, outside: boolean, rest: Partial<PlainFront> = {}): PlainFront => ({
    key: `${ip} . ${transport} . ${port.port ?? 0}`,
    kind: 'address',
    transport,
    outside,
    ...rest,
  });
  const balanced = spec?.type !== 'LoadBalancer' ? [] : (status?.loadBalancer?.ingress ?? []);
  const fronts = [
    at(spec?.clusterIP ?? '', false),
    ...balanced
      .filter(({ ip, ipMode }) => IPV4.test(ip ?? '') && (ipMode ?? 'VIP') === 'VIP')
      .map(({ ip }) => at(ip ?? '', true, sources === undefined ? {} : { sources })),
    ...(spec?.externalIPs ?? []).filter((ip) => IPV4.test(ip)).map((ip) => at(ip, true)),
    ...((port.nodePort ?? 0) > 0
      ? [{ key: `${transport} . ${port.nodePort}`, kind: 'port', transport, outside: true } as const]
      : []),
  ];
  // One address may be named twice, as the balancer's and as an external one: the first wins.
  return [...new Map(fronts.toReversed().map((front) => [front.key, front])).values()].toReversed();
}

interface Choice {
  readonly everywhere: ReadonlySet<string>;
  readonly here: ReadonlySet<string>;
  readonly service: corev1.Service;
  readonly old: Front | undefined;
}

function withEndpoints(front: PlainFront, { everywhere, here, service: { spec }, old }: Choice): Front {
  const inside = !front.outside && spec?.internalTrafficPolicy === 'Local';
  const outside = front.outside && isLocal(spec);
  const sticky = spec?.sessionAffinity === 'ClientIP';
  return {
    ...front,
    endpoints: keepSlots(old?.endpoints ?? [], inside ? here : everywhere),
    ...(outside ? { localEndpoints: keepSlots(old?.localEndpoints ?? [], here) } : {}),
    whenEmpty: inside && everywhere.size > 0 ? 'drop' : 'reject',
    ...(sticky
      ? { stickySeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_STICKY_SECONDS }
      : {}),
  };
}

function isLocal(spec: corev1.ServiceSpec | undefined): boolean {
  return spec?.externalTrafficPolicy === 'Local';
}

/** Those that are ready; when none is, those that still answer while they end. */
function chosen(targets: readonly Target[]): ReadonlySet<string> {
  const ready = targets.filter((target) => target.ready);
  return new Set((ready.length > 0 ? ready : targets.filter((t) => t.lastResort)).map(({ address }) => address));
}

/** Each address once, in whatever slice; the readiest of its mentions counts. */
function targetsOf(
  slices: readonly discoveryv1.EndpointSlice[],
  port: corev1.ServicePort,
  nodeName: string,
): readonly Target[] {
  const found = new Map<string, Target>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    const wanted = slice.ports?.find(
      ({ name, protocol }) =>
        (name ?? '') === (port.name ?? '') && transportOf(protocol) === transportOf(port.protocol),
    );
    if (wanted?.port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses?.[0];
      if (ip === undefined || !IPV4.test(ip)) continue;
      const { ready = true, serving = ready, terminating = false } = endpoint.conditions ?? {};
      const target = {
        address: `${ip} . ${wanted.port}`,
        local: endpoint.nodeName === nodeName,
        ready,
        lastResort: serving && terminating,
      };
      const other = found.get(target.address);
      if (other === undefined || (!other.ready && (target.ready || target.lastResort))) {
        found.set(target.address, target);
      }
    }
  }
  return [...found.values()];
}

/**
 * Endpoints by slot, from 0 without a hole: who stays keeps its slot, the last ones move into the slots of those that left, new ones
 * come last. So one endpoint more or less is at most two changed slots.
 */
export function keepSlots(old: readonly string[], wanted: ReadonlySet<string>): readonly string[] {
  const had = new Set(old);
  const added = [...wanted].filter((address) => !had.has(address)).sort();
  const slots: (string | undefined)[] = old.map((address) => (wanted.has(address) ? address : undefined));
  for (let slot = 0; slot < slots.length; slot += 1) {
    if (slots[slot] !== undefined) continue;
    const next = added.shift();
    if (next !== undefined) {
      slots[slot] = next;
      continue;
    }
    while (slots.length > slot && slots.at(-1) === undefined) slots.pop();
    if (slots.length > slot) slots[slot] = slots.pop();
  }
  return [...slots.filter((address) => address !== undefined), ...added];
}

/** IPv4 ranges without those that lie inside another; undefined when all clients are allowed. */
export function sourcesOf(ranges: readonly string[]): readonly string[] | undefined {
  if (ranges.length === 0) return undefined;
  const parsed = ranges
    .map((range) => range.trim())
    .filter((range) => /^\d+\.\d+\.\d+\.\d+\/\d+$/.test(range))
    .map((range) => {
      const [ip = '', bits = '32'] = range.split('/');
      const size = 2 ** (32 - Number(bits));
      const number = ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
      const first = Math.floor(number / size) * size;
      return { range, first, last: first + size - 1 };
    })
    .sort((a, b) => a.first - b.first || b.last - a.last);
  let end = -1;
  return parsed.flatMap(({ range, last }) => {
    if (last <= end) return [];
    end = last;
    return [range];
  });
}

/** As nft names it. */
export function transportOf(protocol: string | undefined): Transport {
  return protocol === 'UDP' ? 'udp' : protocol === 'SCTP' ? 'sctp' : 'tcp';
}

/** The address in `10.42.0.7 . 8080`. */
export function hostOf(address: string): string {
  return address.slice(0, address.indexOf(' '));
}
