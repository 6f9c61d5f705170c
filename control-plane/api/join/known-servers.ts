/** Where the API is served, as far as this server knows. */
import { isIP } from 'node:net';
import { type discoveryv1, KINDS } from '../../../proto/index.ts';
import { collectionPrefix } from '../keys.ts';
import type { ApiServices } from '../services.ts';

const SERVICE = 'kubernetes';
const SERVICE_LABEL = 'kubernetes.io/service-name';

/** `host:port` of every server: first `own`, then what the slices of the Service `kubernetes` name. */
export function knownServers(services: ApiServices, own: string): string[] {
  const { entries } = services.cache.list(collectionPrefix(KINDS.EndpointSlice, 'default'));
  const others = entries.flatMap(({ object }) => addressesIn(object as discoveryv1.EndpointSlice | undefined));
  return [...new Set([own, ...others])];
}

function addressesIn(slice: discoveryv1.EndpointSlice | undefined): string[] {
  if (slice?.metadata?.labels?.[SERVICE_LABEL] !== SERVICE) return [];
  const port = slice.ports?.[0]?.port;
  if (port === undefined) return [];
  return (slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses = [] }) => addresses.map((address) => hostPort(address, port)));
}

/** `host:port`, an IPv6 address in brackets. */
export function hostPort(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
