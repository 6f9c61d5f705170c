/** What is wrong with a pod's own name, its resolver settings and its hosts file. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { dnsLabel, dnsSubdomain } from '../../../lib/name-rules.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, invalid, required } from '../validation/field-errors.ts';
import { ipAddress } from '../validation/texts.ts';

const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;
const MAX_HOSTNAME = 64;

/** Everything wrong with hostname, subdomain, DNS settings and host aliases of the spec at `path`. */
export function validateNames(spec: corev1.PodSpec, path: string): ErrorCause[] {
  const { hostname = '', subdomain = '', hostnameOverride } = spec;
  const causes = [
    ...(hostname === '' ? [] : byRule(`${path}.hostname`, hostname, dnsLabel)),
    ...(subdomain === '' ? [] : byRule(`${path}.subdomain`, subdomain, dnsLabel)),
    ...(hostnameOverride === undefined ? [] : byRule(`${path}.hostnameOverride`, hostnameOverride, dnsSubdomain)),
    ...validateDns(spec, `${path}.dnsConfig`),
    ...validateAliases(spec.hostAliases ?? [], `${path}.hostAliases`),
  ];
  if ((hostnameOverride ?? '').length > MAX_HOSTNAME) {
    causes.push(invalid(`${path}.hostnameOverride`, hostnameOverride, `must be no more than ${MAX_HOSTNAME} bytes`));
  }
  return causes;
}

function validateDns({ dnsPolicy, dnsConfig = {} }: corev1.PodSpec, path: string): ErrorCause[] {
  const { nameservers = [], searches = [], options = [] } = dnsConfig;
  const causes: ErrorCause[] = [];
  if (dnsPolicy === 'None' && nameservers.length === 0) {
    const why = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
    causes.push(required(`${path}.nameservers`, why));
  }
  if (nameservers.length > MAX_NAMESERVERS) {
    causes.push(invalid(`${path}.nameservers`, nameservers, `must not have more than ${MAX_NAMESERVERS} nameservers`));
  }
  causes.push(...nameservers.flatMap((address, i) => byRule(`${path}.nameservers[${i}]`, address, ipAddress)));
  if (searches.length > MAX_SEARCHES) {
    causes.push(invalid(`${path}.searches`, searches, `must not have more than ${MAX_SEARCHES} search paths`));
  }
  if (searches.join(' ').length > MAX_SEARCH_CHARACTERS) {
    const why = `must not have more than ${MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list`;
    causes.push(invalid(`${path}.searches`, searches, why));
  }
  // A search path may be a single dot, end in one, and start labels with an underscore.
  const bare = (domain: string): string => domain.replace(/\.$/, '').replace(/(^|\.)_/g, '$1');
  causes.push(
    ...searches.flatMap((domain, i) =>
      domain === '.' ? [] : dnsSubdomain(bare(domain)).map((why) => invalid(`${path}.searches[${i}]`, domain, why)),
    ),
    ...options.flatMap((option, i) => ((option.name ?? '') === '' ? [required(`${path}.options[${i}]`)] : [])),
  );
  return causes;
}

function validateAliases(aliases: readonly corev1.HostAlias[], path: string): ErrorCause[] {
  return aliases.flatMap(({ ip = '', hostnames = [] }, i) => [
    ...(ip === '' ? [] : byRule(`${path}[${i}].ip`, ip, ipAddress)),
    ...hostnames.flatMap((name, j) => byRule(`${path}[${i}].hostnames[${j}]`, name, dnsSubdomain)),
  ]);
}
