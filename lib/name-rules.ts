/**
 * Kubernetes' rules for names, label keys and label values. Each rule gives what is wrong with a text, as the end of the
 * sentence `Invalid value: "x": …`; an empty list means that it is valid.
 */

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const DNS_LABEL = new RegExp(`^${LABEL}$`);
const DNS_SUBDOMAIN = new RegExp(`^${LABEL}(\\.${LABEL})*$`);
const QUALIFIED_PART = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

const DNS_LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " +
  "alphanumeric character (e.g. 'my-name', or '123-abc')";
const DNS_SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'example.com')";
const QUALIFIED_RULE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " +
  "character (e.g. 'MyName', or 'my.name', or '123-abc')";
const LABEL_VALUE_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'MyValue', or 'my_value', or '12345')";

/** A rule: what is wrong with `text`. */
export type NameRule = (text: string) => string[];

/** One DNS label: at most 63 characters. Namespaces, containers, volumes. */
export const dnsLabel: NameRule = (text) => [...tooLong(text, 63), ...(DNS_LABEL.test(text) ? [] : [DNS_LABEL_RULE])];

/** DNS labels joined by dots: at most 253 characters. Most objects' names. */
export const dnsSubdomain: NameRule = (text) => [
  ...tooLong(text, 253),
  ...(DNS_SUBDOMAIN.test(text) ? [] : [DNS_SUBDOMAIN_RULE]),
];

/** Anything that can stand between two slashes of a path. */
export const pathSegment: NameRule = (text) => {
  if (text === '.' || text === '..') return [`may not be '${text}'`];
  return ['/', '%'].filter((c) => text.includes(c)).map((c) => `may not contain '${c}'`);
};

/** A label or annotation key, a resource name: `name` or `prefix.example.com/name`. */
export const qualifiedName: NameRule = (text) => {
  const parts = text.split('/');
  if (parts.length > 2) {
    return [
      `a qualified name ${QUALIFIED_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const name = parts[parts.length - 1] ?? '';
  const problems: string[] = [];
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') problems.push('prefix part must be non-empty');
    else problems.push(...dnsSubdomain(prefix).map((problem) => `prefix part ${problem}`));
  }
  if (name === '') problems.push('name part must be non-empty');
  problems.push(...tooLong(name, 63).map((problem) => `name part ${problem}`));
  if (!QUALIFIED_PART.test(name)) problems.push(QUALIFIED_RULE);
  return problems;
};

/** A label's value: at most 63 characters, may be empty. */
export const labelValue: NameRule = (text) => [
  ...tooLong(text, 63),
  ...(text === '' || QUALIFIED_PART.test(text) ? [] : [LABEL_VALUE_RULE]),
];

function tooLong(text: string, max: number): string[] {
  return text.length > max ? [`must be no more than ${max} bytes`] : [];
}
