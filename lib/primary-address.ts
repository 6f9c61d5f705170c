/** Which of its addresses a machine gives to others. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { contains, ipv4Range } from './ipv4-range.ts';
import { machineAddresses } from './pki.ts';

/**
 * The address other machines reach this one by: that of the default route's link, else any, else loopback. Never one in the ranges
 * `except`: what this machine has there (on the bridge of its pods, say) is the cluster's own.
 */
export function primaryAddress(except: readonly string[] = []): string {
  const ranges = except.flatMap((cidr) => ipv4Range(cidr) ?? []);
  const isOurs = (address: string): boolean => {
    const one = ipv4Range(address);
    return one !== undefined && ranges.some((range) => contains(range, one));
  };
  const all = machineAddresses().filter((address) => !isOurs(address));
  return addressOfLink(defaultRouteLink()) ?? all.find((address) => !address.includes(':')) ?? all[0] ?? '127.0.0.1';
}

/** The link of the IPv4 default route with the least metric; undefined without one. */
function defaultRouteLink(): string | undefined {
  const routes = routingTable()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter((fields) => fields[1] === '00000000')
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  return routes[0]?.[0];
}

function routingTable(): string {
  try {
    return readFileSync('/proc/net/route', 'utf8');
  } catch {
    return '';
  }
}

function addressOfLink(link: string | undefined): string | undefined {
  if (link === undefined) return undefined;
  return (networkInterfaces()[link] ?? []).find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}
