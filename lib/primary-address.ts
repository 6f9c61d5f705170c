/** Which of its addresses a machine gives to others. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { machineAddresses } from './pki.ts';

/** The address other machines reach this one by: that of the default route's link, else any, else loopback. */
export function primaryAddress(): string {
  const all = machineAddresses();
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
