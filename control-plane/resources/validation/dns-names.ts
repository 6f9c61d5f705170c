/** Rules for the less common forms of DNS names. Each gives what is wrong, as the end of `Invalid value: "x": …`. */
import { dnsSubdomain, type NameRule } from '../../../lib/name-rules.ts';

const DNS_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const WILDCARD = /^\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const MAX_LABEL = 63;
const MAX_NAME = 253;

/** A label that begins with a letter: the name of a service, a version of an API. */
export const dns1035Label: NameRule = (text) => {
  const problems = text.length > MAX_LABEL ? [`must be no more than ${MAX_LABEL} bytes`] : [];
  if (!DNS_1035.test(text)) {
    problems.push(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, " +
        "and end with an alphanumeric character (e.g. 'my-name', or 'abc-123')",
    );
  }
  return problems;
};

const wildcardSubdomain: NameRule = (text) => {
  const problems = text.length > MAX_NAME ? [`must be no more than ${MAX_NAME} bytes`] : [];
  if (!WILDCARD.test(text)) {
    problems.push(
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower " +
        "case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com')",
    );
  }
  return problems;
};

/** A host name, or one whose first label is `*`. */
export const hostOrWildcard: NameRule = (text) => (text.includes('*') ? wildcardSubdomain(text) : dnsSubdomain(text));

/** A domain name of at least `labels` labels. */
export function domainOf(labels: 2 | 3): NameRule {
  const count = labels === 2 ? 'two' : 'three';
  return (text) => {
    const problems = dnsSubdomain(text);
    if (problems.length > 0) return problems;
    const enough = text.split('.').length >= labels;
    return enough ? [] : [`should be a domain with at least ${count} segments separated by dots`];
  };
}
