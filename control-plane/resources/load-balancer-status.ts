/** The addresses a load balancer reports: the same rules for services and ingresses. */
import { isIP } from 'node:net';
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsSubdomain } from '../../lib/name-rules.ts';
import { byRule, forbidden, invalid, notSupported } from './validation/field-errors.ts';
import { ipAddress } from './validation/texts.ts';

const MODES = ['VIP', 'Proxy'];

interface Address {
  readonly ip?: string | undefined;
  readonly hostname?: string | undefined;
  readonly ipMode?: string | undefined;
}

interface Status {
  readonly ingress?: readonly Address[] | undefined;
}

/** What is wrong with the load balancer's part of a status. */
export function validateLoadBalancer(status: Status | undefined): ErrorCause[] {
  return (status?.ingress ?? []).flatMap(({ ip = '', hostname = '', ipMode }, i) => {
    const field = `status.loadBalancer.ingress[${i}]`;
    const causes = ip === '' ? [] : byRule(`${field}.ip`, ip, ipAddress);
    if (ipMode !== undefined && ip === '') {
      causes.push(forbidden(`${field}.ipMode`, 'may not be specified when `ip` is not set'));
    } else if (ipMode !== undefined && !MODES.includes(ipMode)) {
      causes.push(notSupported(`${field}.ipMode`, ipMode, MODES));
    }
    if (hostname !== '') {
      causes.push(...byRule(`${field}.hostname`, hostname, dnsSubdomain));
      if (isIP(hostname) !== 0) {
        causes.push(invalid(`${field}.hostname`, hostname, 'must be a DNS name, not an IP address'));
      }
    }
    return causes;
  });
}
