/** Endpoints: the addresses behind a service, all in one object. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel, dnsSubdomain, qualifiedName } from '../../lib/name-rules.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { ageColumn, NONE, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { ordinaryAddress } from './validation/addresses.ts';
import { byRule, required } from './validation/field-errors.ts';
import { ipAddress, validatePortNumber } from './validation/texts.ts';

const MAX_SHOWN = 3;

function setDefaults({ subsets }: corev1.Endpoints): void {
  for (const port of (subsets ?? []).flatMap((subset) => subset.ports ?? [])) {
    if ((port.protocol ?? '') === '') port.protocol = 'TCP';
  }
}

function validate({ subsets = [] }: corev1.Endpoints): ErrorCause[] {
  return subsets.flatMap((subset, i) => validateSubset(subset, `subsets[${i}]`));
}

/** Endpoints of a headless service may have no ports. */
function validateSubset(subset: corev1.EndpointSubset, field: string): ErrorCause[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const causes: ErrorCause[] = [];
  if (addresses.length + notReadyAddresses.length === 0) {
    causes.push(required(field, 'must specify `addresses` or `notReadyAddresses`'));
  }
  for (const [list, of] of [
    ['addresses', addresses],
    ['notReadyAddresses', notReadyAddresses],
  ] as const) {
    causes.push(...of.flatMap((address, i) => validateAddress(address, `${field}.${list}[${i}]`)));
  }
  causes.push(...ports.flatMap((port, i) => validatePort(port, `${field}.ports[${i}]`, ports.length > 1)));
  return causes;
}

/** An address without IP is refused by the schema. */
function validateAddress({ ip = '', hostname = '', nodeName }: corev1.EndpointAddress, field: string): ErrorCause[] {
  return [
    ...(ip === '' ? [] : [...byRule(`${field}.ip`, ip, ipAddress), ...byRule(`${field}.ip`, ip, ordinaryAddress)]),
    ...(hostname === '' ? [] : byRule(`${field}.hostname`, hostname, dnsLabel)),
    ...(nodeName === undefined ? [] : byRule(`${field}.nodeName`, nodeName, dnsSubdomain)),
  ];
}

function validatePort(port: corev1.EndpointPort, field: string, named: boolean): ErrorCause[] {
  const { name = '', appProtocol = '' } = port;
  return [
    ...(name === '' ? (named ? [required(`${field}.name`)] : []) : byRule(`${field}.name`, name, dnsLabel)),
    ...validatePortNumber(`${field}.port`, port.port),
    ...(appProtocol === '' ? [] : byRule(`${field}.appProtocol`, appProtocol, qualifiedName)),
  ];
}

/** Every address at every port, the first three of them. */
function endpointsText({ subsets = [] }: corev1.Endpoints): string {
  const items = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip = '' }) => ip)
      : ports.flatMap(({ port = 0 }) =>
          addresses.map(({ ip = '' }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)),
        ),
  );
  const shown = items.slice(0, MAX_SHOWN).join(',');
  if (items.length > MAX_SHOWN) return `${shown} + ${items.length - MAX_SHOWN} more...`;
  return shown === '' ? NONE : shown;
}

/** The definition of Endpoints. */
export const endpoints: ResourceDefinition<corev1.Endpoints> = {
  type: KINDS.Endpoints,
  setDefaults,
  validate,
  columns: [nameColumn, { name: 'ENDPOINTS', cell: endpointsText }, ageColumn],
};
