/** EndpointSlice: a part of the endpoints of a service. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel, dnsSubdomain, type NameRule, qualifiedName } from '../../lib/name-rules.ts';
import { type discoveryv1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { ipv4Address, ipv6Address, ordinaryAddress } from './validation/addresses.ts';
import { domainOf } from './validation/dns-names.ts';
import { byRule, duplicate, forbidden, tooMany } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';
import { validateLabels } from './validation/labels.ts';

const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;
const MAX_PORTS = 20_000;
const MAX_TOPOLOGY_LABELS = 16;
const MAX_HINTS = 8;
const MAX_SHOWN = 3;
const HOSTNAME_LABEL = 'kubernetes.io/hostname';

const RULES: Readonly<Record<string, NameRule>> = {
  IPv4: (text) => both(text, ipv4Address),
  IPv6: (text) => both(text, ipv6Address),
  FQDN: (text) => domainOf(2)(text.replace(/\.$/, '')),
};

function both(text: string, family: NameRule): string[] {
  const problems = family(text);
  return problems.length > 0 ? problems : ordinaryAddress(text);
}

function setDefaults({ ports }: discoveryv1.EndpointSlice): void {
  for (const port of ports ?? []) {
    port.name ??= '';
    port.protocol ??= 'TCP';
  }
}

function validate({ addressType = '', endpoints = [], ports = [] }: discoveryv1.EndpointSlice): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (endpoints.length > MAX_ENDPOINTS) causes.push(tooMany('endpoints', endpoints.length, MAX_ENDPOINTS));
  else
    causes.push(
      ...endpoints.flatMap((endpoint, i) => validateEndpoint(endpoint, `endpoints[${i}]`, RULES[addressType])),
    );
  if (ports.length > MAX_PORTS) causes.push(tooMany('ports', ports.length, MAX_PORTS));
  else causes.push(...validatePorts(ports));
  return causes;
}

/** An endpoint without addresses, and an unknown type of address, are refused by the schema. */
function validateEndpoint(endpoint: discoveryv1.Endpoint, field: string, rule: NameRule | undefined): ErrorCause[] {
  const { addresses = [], hostname = '', nodeName, hints, deprecatedTopology } = endpoint;
  const causes: ErrorCause[] = [];
  if (addresses.length > MAX_ADDRESSES) {
    causes.push(tooMany(`${field}.addresses`, addresses.length, MAX_ADDRESSES));
  } else if (rule !== undefined) {
    causes.push(...addresses.flatMap((address, i) => byRule(`${field}.addresses[${i}]`, address, rule)));
  }
  if (nodeName !== undefined) causes.push(...byRule(`${field}.nodeName`, nodeName, dnsSubdomain));
  causes.push(...validateTopology(deprecatedTopology, `${field}.deprecatedTopology`));
  if (hostname !== '') causes.push(...byRule(`${field}.hostname`, hostname, dnsLabel));
  causes.push(...validateHints(hints?.forZones ?? [], `${field}.hints.forZones`, qualifiedName));
  causes.push(...validateHints(hints?.forNodes ?? [], `${field}.hints.forNodes`, dnsSubdomain));
  return causes;
}

function validateTopology(labels: Readonly<Record<string, string>> | undefined, field: string): ErrorCause[] {
  const keys = Object.keys(labels ?? {});
  if (keys.length > MAX_TOPOLOGY_LABELS) return [tooMany(field, keys.length, MAX_TOPOLOGY_LABELS)];
  const causes = validateLabels(labels, field);
  if (keys.includes(HOSTNAME_LABEL)) {
    causes.push(forbidden(`${field}[${HOSTNAME_LABEL}]`, 'may not be set for endpoints: use nodeName'));
  }
  return causes;
}

function validateHints(hints: readonly { name?: string | undefined }[], field: string, rule: NameRule): ErrorCause[] {
  if (hints.length > MAX_HINTS) return [tooMany(field, hints.length, MAX_HINTS)];
  const seen = new Set<string>();
  return hints.flatMap(({ name = '' }, i) => {
    const at = `${field}[${i}].name`;
    if (name === '') return [];
    if (seen.has(name)) return [duplicate(at, name)];
    seen.add(name);
    return byRule(at, name, rule);
  });
}

/** Names are unique, also the empty one. */
function validatePorts(ports: readonly discoveryv1.EndpointPort[]): ErrorCause[] {
  const names = new Set<string>();
  return ports.flatMap(({ name = '', appProtocol }, i) => {
    const field = `ports[${i}]`;
    const causes = name === '' ? [] : byRule(`${field}.name`, name, dnsLabel);
    if (names.has(name)) causes.push(duplicate(`${field}.name`, name));
    names.add(name);
    if (appProtocol !== undefined && appProtocol !== '') {
      causes.push(...byRule(`${field}.appProtocol`, appProtocol, qualifiedName));
    }
    return causes;
  });
}

function portsText({ ports = [] }: discoveryv1.EndpointSlice): string {
  return withMore(ports.map(({ port, name }) => (port === undefined ? (name ?? '*') : String(port))));
}

function endpointsText({ endpoints = [] }: discoveryv1.EndpointSlice): string {
  return withMore(endpoints.flatMap(({ addresses = [] }) => addresses));
}

function withMore(items: readonly string[]): string {
  const shown = items.slice(0, MAX_SHOWN).join(',');
  if (items.length > MAX_SHOWN) return `${shown} + ${items.length - MAX_SHOWN} more...`;
  return shown === '' ? '<unset>' : shown;
}

/** The definition of EndpointSlice. */
export const endpointSlice: ResourceDefinition<discoveryv1.EndpointSlice> = {
  type: KINDS.EndpointSlice,
  setDefaults,
  countsGenerations: true,
  validate,
  validateUpdate: (object, old) => immutable('addressType', object.addressType, old.addressType),
  columns: [
    nameColumn,
    { name: 'ADDRESSTYPE', cell: (o) => o.addressType ?? '' },
    { name: 'PORTS', cell: portsText },
    { name: 'ENDPOINTS', cell: endpointsText },
    ageColumn,
  ],
};
