/** Rules of a service's own addresses, and of their IP families. */
import type { ErrorCause } from '../../lib/errors.ts';
import type { corev1 } from '../../proto/index.ts';
import { isHeadless, NO_ADDRESS, needsClusterIP } from './service-kinds.ts';
import { familyOf } from './validation/addresses.ts';
import { byRule, forbidden, invalid, required, unique } from './validation/field-errors.ts';
import { ipAddress } from './validation/texts.ts';

const MAX_ADDRESSES = 2;

type Spec = corev1.ServiceSpec;

/** What is wrong with the addresses of a service. */
export function validateServiceAddresses(spec: Spec): ErrorCause[] {
  if (!needsClusterIP(spec)) return validateNone(spec);
  const causes = unique(spec.ipFamilies ?? [], (i) => `spec.ipFamilies[${i}]`);
  const addresses = validateClusterIPs(spec);
  causes.push(...addresses);
  if (addresses.length === 0) causes.push(...validateFamilies(spec));
  return causes;
}

function validateNone({ clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy }: Spec): ErrorCause[] {
  const given: Readonly<Record<string, boolean>> = {
    // A client that knows one field sets one; the other follows.
    clusterIPs: clusterIPs.length > 0 || clusterIP !== '',
    ipFamilies: ipFamilies.length > 0,
    ipFamilyPolicy: ipFamilyPolicy !== undefined,
  };
  const names = Object.keys(given).filter((name) => given[name] === true);
  return names.map((name) => forbidden(`spec.${name}`, 'may not be set for ExternalName services'));
}

function validateClusterIPs({ clusterIP = '', clusterIPs = [], type }: Spec): ErrorCause[] {
  const field = 'spec.clusterIPs';
  const causes: ErrorCause[] = [];
  if (clusterIPs.length === 0) return causes;
  if (clusterIP === '') causes.push(required('spec.clusterIP', 'must be set when `clusterIPs` is specified'));
  else if (clusterIP !== clusterIPs[0]) causes.push(invalid(field, clusterIPs, 'first value must match `clusterIP`'));
  for (const [i, address] of clusterIPs.entries()) {
    if (address === NO_ADDRESS && i === 0) {
      if (clusterIPs.length > 1) causes.push(invalid(field, clusterIPs, "'None' must be the first and only value"));
      if (type === 'NodePort' || type === 'LoadBalancer') {
        causes.push(invalid(`${field}[0]`, NO_ADDRESS, `may not be set to 'None' for ${type} services`));
      }
    } else causes.push(...byRule(`${field}[${i}]`, address, ipAddress));
  }
  if (clusterIPs.length > MAX_ADDRESSES) causes.push(invalid(field, clusterIPs, 'may only hold up to 2 values'));
  if (causes.length > 0) return causes;
  if (clusterIPs.length === MAX_ADDRESSES && new Set(clusterIPs.map(familyOf)).size < MAX_ADDRESSES) {
    causes.push(invalid(field, clusterIPs, 'may specify no more than one IP for each IP family'));
  }
  return causes;
}

function validateFamilies(spec: Spec): ErrorCause[] {
  const { clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  const causes: ErrorCause[] = [];
  for (const [i, address] of clusterIPs.entries()) {
    const wanted = ipFamilies[i];
    const actual = familyOf(address);
    if (actual === undefined || wanted === undefined || actual === wanted) continue;
    const why = `expected an ${wanted} value as indicated by \`ipFamilies[${i}]\``;
    causes.push(invalid(`spec.clusterIPs[${i}]`, address, why));
  }
  if (ipFamilyPolicy === 'SingleStack') {
    for (const [what, list] of [
      ['clusterIPs', clusterIPs],
      ['ipFamilies', ipFamilies],
    ] as const) {
      if (list.length < MAX_ADDRESSES) continue;
      const why = `must be RequireDualStack or PreferDualStack when multiple ${what} are specified`;
      causes.push(invalid('spec.ipFamilyPolicy', ipFamilyPolicy, why));
    }
  }
  return causes;
}

/**
 * Warnings of a service that asks for what a cluster of IPv4 alone cannot give. A headless service without selector may: its
 * addresses are written by hand.
 */
export function serviceAddressWarnings(spec: Spec): string[] {
  const { ipFamilies = [], ipFamilyPolicy, selector = {} } = spec;
  if (!needsClusterIP(spec) || (isHeadless(spec) && Object.keys(selector).length === 0)) return [];
  const lines = ipFamilies.includes('IPv6') ? ['spec.ipFamilies: IPv6 is not configured on this cluster'] : [];
  if (ipFamilyPolicy === 'RequireDualStack') {
    lines.push('spec.ipFamilyPolicy: this cluster is not configured for dual-stack services');
  }
  return lines;
}

/** The first address and the first family stay, as long as the service has any. */
export function validateServiceAddressesUpdate(spec: Spec, old: Spec): ErrorCause[] {
  if (!needsClusterIP(spec) || !needsClusterIP(old)) return [];
  const causes: ErrorCause[] = [];
  const [before, after] = [old.clusterIPs?.[0], spec.clusterIPs?.[0]];
  if (before !== undefined && after === undefined) {
    const why = `primary clusterIP can not be unset (it was ${JSON.stringify(before)})`;
    causes.push(invalid('spec.clusterIPs[0]', spec.clusterIPs ?? [], why));
  } else if (before !== undefined && after !== before) {
    const why = `may not change once set (it was ${JSON.stringify(old.clusterIPs)})`;
    causes.push(invalid('spec.clusterIPs[0]', spec.clusterIPs, why));
  }
  const [was, is] = [old.ipFamilies?.[0], spec.ipFamilies?.[0]];
  if (before !== undefined && was !== undefined && is !== was) {
    const why = `may not change once set (it was ${JSON.stringify(old.ipFamilies)})`;
    causes.push(invalid('spec.ipFamilies[0]', spec.ipFamilies ?? [], why));
  }
  return causes;
}
