/** What an ingress sends requests to: a port of a service, or another object. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsSubdomain, pathSegment } from '../../lib/name-rules.ts';
import type { networkingv1 } from '../../proto/index.ts';
import { dns1035Label } from './validation/dns-names.ts';
import { byRule, inRange, invalid, required } from './validation/field-errors.ts';
import { portName } from './validation/texts.ts';

const MAX_PORT = 65_535;

/** What is wrong with a backend that is there. */
export function validateBackend(backend: networkingv1.IngressBackend, field: string): ErrorCause[] {
  const { resource, service } = backend;
  if (resource !== undefined && service !== undefined) {
    return [invalid(field, '', 'cannot set both resource and service backends')];
  }
  if (resource !== undefined) return validateTypedReference(resource, `${field}.resource`);
  if (service !== undefined) return validateService(service, field);
  return [invalid(field, '', 'resource or service backend is required')];
}

/** A service without name is refused by the schema. */
function validateService(service: networkingv1.IngressServiceBackend, field: string): ErrorCause[] {
  const { name = '', number = 0 } = service.port ?? {};
  const causes = (service.name ?? '') === '' ? [] : byRule(`${field}.service.name`, service.name ?? '', dns1035Label);
  if (name !== '' && number !== 0) causes.push(invalid(field, '', 'cannot set both port name & port number'));
  else if (name !== '') causes.push(...byRule(`${field}.service.port.name`, name, portName));
  else if (number !== 0) causes.push(...inRange(`${field}.service.port.number`, number, [1, MAX_PORT]));
  else causes.push(required(field, 'port name or number is required'));
  return causes;
}

interface TypedReference {
  readonly apiGroup?: string | undefined;
  readonly kind?: string | undefined;
  readonly name?: string | undefined;
}

/** What is wrong with a reference by group, kind and name; kind and name themselves are asked for by the schema. */
export function validateTypedReference(reference: TypedReference, field: string): ErrorCause[] {
  const { apiGroup, kind = '', name = '' } = reference;
  return [
    ...(apiGroup === undefined || apiGroup === '' ? [] : byRule(`${field}.apiGroup`, apiGroup, dnsSubdomain)),
    ...byRule(`${field}.kind`, kind, pathSegment),
    ...byRule(`${field}.name`, name, pathSegment),
  ];
}
