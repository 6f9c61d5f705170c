/** What stands in the table for services: chains that are the same for all, and what one front adds. Names begin with `svc_`. Pure. */
import type { ChainHook, ElementsType } from '../rules/rule-table.ts';
import type { Front, ServiceFacts, Transport } from './service-plan.ts';

const ADDRESS_KEY = 'ip daddr . meta l4proto . th dport';
const PORT_KEY = 'meta l4proto . th dport';
const ADDRESS = 'type ipv4_addr . inet_proto . inet_service';
const PORT = 'type inet_proto . inet_service';
/** The remainder class does not matter to the type. */
const SLOT = 'numgen random mod 2';
/** Clients remembered at once by transport, over all services with affinity. */
const MAX_CLIENTS = 131_072;

/** All there are. */
export const TRANSPORTS: readonly Transport[] = ['tcp', 'udp', 'sctp'];

/** The dynamic map of clients that stay with their endpoint. */
export function affinityMap(transport: Transport): string {
  return `svc_${transport}_affinity`;
}

const clientKey = (transport: Transport): string => `ip saddr . ip daddr . ${transport} dport`;

/** What an endpoint is looked up by, besides the slot. */
function packetKey(kind: Front['kind'], transport: Transport): string {
  return kind === 'port' ? `${transport} dport` : `ip daddr . ${transport} dport`;
}

/** Begins the names of the maps and chains that choose an endpoint. */
function prefixOf(kind: Front['kind'], transport: Transport, scope: '' | 'local_'): string {
  return `svc_${transport}_${kind === 'port' ? 'port_' : ''}${scope}`;
}

/** Each transport has maps of its own: a map whose ports are of any transport can be written but, by nft 1.0.6, not used again. */
function transportMaps(transport: Transport): readonly (readonly [string, ElementsType])[] {
  const endpoint = `ip daddr . ${transport} dport`;
  const choosing = (['address', 'port'] as const).flatMap((kind) =>
    (['', 'local_'] as const).flatMap((scope) => {
      const [prefix, key] = [prefixOf(kind, transport, scope), packetKey(kind, transport)];
      return [
        [`${prefix}endpoints`, { type: `typeof ${key} . ${SLOT} : ${endpoint}` }],
        [`${prefix}sticky`, { type: `typeof ${key} . ${SLOT} : verdict` }],
      ] as const;
    }),
  );
  const clients = {
    type: `typeof ${clientKey(transport)} : ${endpoint}`,
    flags: ['dynamic', 'timeout'],
    size: MAX_CLIENTS,
  };
  return [...choosing, [affinityMap(transport), clients]];
}

/** Maps by name. */
export const MAPS: Readonly<Record<string, ElementsType>> = {
  svc_addresses: { type: `${ADDRESS} : verdict` },
  svc_ports: { type: `${PORT} : verdict` },
  ...Object.fromEntries(TRANSPORTS.flatMap(transportMaps)),
};

/** Sets by name. */
export const SETS: Readonly<Record<string, ElementsType>> = {
  svc_hairpin: { type: 'type ipv4_addr . ipv4_addr' },
  svc_masq_addresses: { type: ADDRESS },
  svc_masq_ports: { type: PORT },
  svc_kept_addresses: { type: ADDRESS },
  svc_kept_ports: { type: PORT },
  svc_none_addresses: { type: ADDRESS },
  svc_none_ports: { type: PORT },
  svc_restricted: { type: ADDRESS },
  svc_allowed: { type: `${ADDRESS} . ipv4_addr`, flags: ['interval'] },
};

/** A chain by name. */
export interface NamedChain {
  readonly name: string;
  readonly rules: readonly string[];
  readonly hook?: ChainHook;
}

/** The chains that are always there; README.md tells what each is for. */
export function staticChains({ clusterCidr, serviceCidr, dnsAddress }: ServiceFacts): readonly NamedChain[] {
  const toService = `ip daddr ${serviceCidr} ip daddr != ${dnsAddress} goto svc_reject`;
  const originalPort = 'meta l4proto . ct original proto-dst';
  const original = `ct original ip daddr . ${originalPort}`;
  const noneAt = `${ADDRESS_KEY} @svc_none_addresses goto svc_reject`;
  const filter = (hook: 'input' | 'forward' | 'output'): ChainHook => ({
    type: 'filter',
    hook,
    priority: 'filter - 10',
  });
  return [
    { name: 'svc_reject', rules: ['meta l4proto tcp reject with tcp reset', 'reject'] },
    {
      name: 'svc_dispatch',
      rules: [
        `${ADDRESS_KEY} @svc_restricted ${ADDRESS_KEY} . ip saddr != @svc_allowed drop`,
        `${ADDRESS_KEY} vmap @svc_addresses`,
        `fib daddr type local ip daddr != 127.0.0.0/8 ${PORT_KEY} vmap @svc_ports`,
      ],
    },
    {
      name: 'svc_masquerade',
      rules: [
        'ip saddr . ip daddr @svc_hairpin masquerade',
        `ip saddr ${clusterCidr} return`,
        `ct original ip daddr ${serviceCidr} masquerade`,
        // nft knows how large the original port is only after it was told the transport.
        ...TRANSPORTS.flatMap((transport) => [
          `meta l4proto ${transport} ${original} @svc_masq_addresses masquerade`,
          `meta l4proto ${transport} ${originalPort} @svc_masq_ports masquerade`,
          `meta l4proto ${transport} fib saddr type local ${original} @svc_kept_addresses masquerade`,
          `meta l4proto ${transport} fib saddr type local ${originalPort} @svc_kept_ports masquerade`,
        ]),
      ],
    },
    {
      name: 'svc_prerouting',
      rules: ['jump svc_dispatch'],
      hook: { type: 'nat', hook: 'prerouting', priority: 'dstnat' },
    },
    { name: 'svc_output', rules: ['jump svc_dispatch'], hook: { type: 'nat', hook: 'output', priority: '-100' } },
    {
      name: 'svc_postrouting',
      rules: ['ct status dnat jump svc_masquerade'],
      hook: { type: 'nat', hook: 'postrouting', priority: 'srcnat - 5' },
    },
    { name: 'svc_forward', rules: [noneAt, `ip daddr ${serviceCidr} goto svc_reject`], hook: filter('forward') },
    {
      name: 'svc_input',
      rules: [
        noneAt,
        toService,
        `ct state new fib daddr type local ip daddr != 127.0.0.0/8 ${PORT_KEY} @svc_none_ports goto svc_reject`,
      ],
      hook: filter('input'),
    },
    { name: 'svc_output_filter', rules: [noneAt, toService], hook: filter('output') },
  ];
}

/** Entries of a map, or (without data) of a set. */
export interface Entry {
  readonly collection: string;
  readonly key: string;
  readonly data?: string;
}

/** What one front needs. Chains may be needed by many. */
export interface FrontRules {
  readonly entries: readonly Entry[];
  readonly chains: readonly NamedChain[];
}

/** See the top of the file. */
export function frontRules(front: Front, { clusterCidr }: ServiceFacts): FrontRules {
  const { key, kind, outside, endpoints, localEndpoints, sources } = front;
  const set = (name: string): Entry => ({ collection: `svc_${name}_${kind === 'port' ? 'ports' : 'addresses'}`, key });
  const guard: Entry[] =
    sources === undefined
      ? []
      : [
          { collection: 'svc_restricted', key },
          ...sources.map((range) => ({ collection: 'svc_allowed', key: `${key} . ${range}` })),
        ];
  const dispatch = (data: string): Entry => ({
    collection: kind === 'port' ? 'svc_ports' : 'svc_addresses',
    key,
    data,
  });
  if (endpoints.length === 0) {
    return { entries: [...guard, front.whenEmpty === 'drop' ? dispatch('drop') : set('none')], chains: [] };
  }
  const all = pick(front, endpoints, '');
  if (localEndpoints === undefined) {
    return {
      entries: [...guard, dispatch(`goto ${all.name}`), ...all.entries, ...(outside ? [set('masq')] : [])],
      chains: all.chains,
    };
  }
  const local = pick(front, localEndpoints, 'local_');
  const split: NamedChain = {
    name: `svc_split_${all.name.slice('svc_'.length)}_${localEndpoints.length}`,
    rules: [
      `ip saddr ${clusterCidr} goto ${all.name}`,
      `fib saddr type local goto ${all.name}`,
      localEndpoints.length === 0 ? 'drop' : `goto ${local.name}`,
    ],
  };
  return {
    entries: [...guard, dispatch(`goto ${split.name}`), ...all.entries, ...local.entries, set('kept')],
    chains: [...all.chains, ...local.chains, split],
  };
}

interface Pick extends FrontRules {
  readonly name: string;
}

/** A chain for this many endpoints, and the endpoints in its map by slot. */
function pick(front: Front, endpoints: readonly string[], scope: '' | 'local_'): Pick {
  const { kind, transport, stickySeconds } = front;
  const prefix = prefixOf(kind, transport, scope);
  const lookup = `${packetKey(kind, transport)} . numgen random mod ${endpoints.length}`;
  const at = front.key.replace(`${transport} . `, '');
  const slots = (collection: string, data: (address: string) => string): Entry[] =>
    endpoints.map((address, slot) => ({ collection, key: `${at} . ${slot}`, data: data(address) }));
  if (stickySeconds === undefined) {
    const name = `${prefix}pick_${endpoints.length}`;
    return {
      name,
      entries: slots(`${prefix}endpoints`, (address) => address),
      chains: endpoints.length === 0 ? [] : [{ name, rules: [`dnat ip to ${lookup} map @${prefix}endpoints`] }],
    };
  }
  const name = `${prefix}stay_${endpoints.length}`;
  const sticky = new Map(endpoints.map((address) => [address, stickyChain(address, transport, stickySeconds)]));
  return {
    name,
    entries: slots(`${prefix}sticky`, (address) => `goto ${sticky.get(address)?.name}`),
    chains: endpoints.length === 0 ? [] : [...sticky.values(), { name, rules: [`${lookup} vmap @${prefix}sticky`] }],
  };
}

/**
 * The client is written down with this endpoint unless it is there already; then only its time begins anew. So whichever endpoint the
 * dice chose, the map has the right one. When the map is full, the dice decide.
 */
function stickyChain(address: string, transport: Transport, seconds: number): NamedChain {
  const [ip = '', port = ''] = address.split(' . ');
  const client = clientKey(transport);
  return {
    name: `svc_to_${transport}_${seconds}_${ip}_${port}`,
    rules: [
      `update @${affinityMap(transport)} { ${client} timeout ${seconds}s : ${address} }`,
      `dnat ip to ${client} map @${affinityMap(transport)}`,
      `meta l4proto ${transport} dnat ip to ${ip}:${port}`,
    ],
  };
}
