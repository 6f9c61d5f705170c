/** Which address of the server other machines can use, when the person's own configuration says loopback. */
import { isIP } from 'node:net';
import type { JsonObject } from '../manifest/json-value.ts';
import { listAt, textAt, valueAt } from '../resources/fields.ts';

/** Where machines join, beside the API. */
export const JOIN_PORT = 7444;
/** Where the API listens unless told otherwise. */
export const API_PORT = 7443;

/** `host` and `port` of what people type: `host`, `host:port`, `[v6]:port`, `v6`, with or without a scheme. */
export interface HostPort {
  readonly host: string;
  /** Undefined when none was given. */
  readonly port: number | undefined;
}

/** Splits an address; undefined when it is none. */
export function parseHostPort(text: string): HostPort | undefined {
  const bare = text
    .trim()
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '');
  if (isIP(bare) === 6) return { host: bare, port: undefined };
  const [, six, name, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(bare) ?? [];
  const host = six ?? name;
  const port = digits === undefined ? undefined : Number(digits);
  if (host === undefined || (six !== undefined && isIP(six) !== 6)) return undefined;
  return port !== undefined && (port < 1 || port > 65_535) ? undefined : { host, port };
}

/** `host:port`, an IPv6 host in brackets. */
export function formatHostPort(host: string, port: number): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** Whether only this machine itself can use the host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '0.0.0.0' || host === '::' || host.startsWith('127.');
}

/** What is known about where the server is. */
export interface ServerWhereabouts {
  /** Endpoints of the person's configuration, in order. */
  readonly endpoints: readonly string[];
  /** EndpointSlices of the Service `kubernetes`: addresses the servers say of themselves. */
  readonly slices: readonly JsonObject[];
  readonly nodes: readonly JsonObject[];
  /** Addresses of the machine the person sits at: with a loopback endpoint, the server's. */
  readonly here: readonly string[];
}

/**
 * The host for the line that another machine gets: what the person themselves use, else what the servers say, else the address by
 * which this machine is a node, else any address of this machine. Undefined when nothing is known.
 */
export function serverHost({ endpoints, slices, nodes, here }: ServerWhereabouts): string | undefined {
  const typed = endpoints.map((endpoint) => parseHostPort(endpoint)?.host ?? '');
  const said = slices.flatMap((slice) => listAt(slice, 'endpoints')).flatMap((one) => texts(one, 'addresses'));
  const internal = nodes
    .flatMap((node) => listAt(node, 'status', 'addresses'))
    .filter((address) => textAt(address, 'type') === 'InternalIP')
    .map((address) => textAt(address, 'address'));
  const here4 = here.filter((address) => isIP(address) === 4);
  const candidates = [...typed, ...said, ...internal.filter((address) => here.includes(address)), ...here4, ...here];
  return candidates.find((host) => host !== '' && !isLoopback(host));
}

function texts(object: JsonObject, name: string): string[] {
  const list = valueAt(object, name);
  return Array.isArray(list) ? list.filter((item): item is string => typeof item === 'string') : [];
}
