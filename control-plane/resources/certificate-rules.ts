/** Rules of a certificate signing request that stand alone: the signer's name, and the conditions. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsSubdomain } from '../../lib/name-rules.ts';
import type { certificatesv1 } from '../../proto/index.ts';
import { domainOf } from './validation/dns-names.ts';
import { byRule, duplicate, forbidden, invalid, notSupported, required, tooLong } from './validation/field-errors.ts';

const MAX_SIGNER_BYTES = 571;
const LEGACY_SIGNER = 'kubernetes.io/legacy-unknown';

/** Conditions that can only ever be true. */
const FINAL: readonly string[] = ['Approved', 'Denied', 'Failed'];
const STATUSES = ['True', 'False', 'Unknown'];

/** What is wrong with the name of a signer that is given. */
export function validateSignerName(field: string, name: string): ErrorCause[] {
  if (name === LEGACY_SIGNER) {
    return [invalid(field, name, 'the legacy signerName is not allowed via this API version')];
  }
  const parts = name.split('/');
  const [domain = '', path = ''] = parts;
  if (parts.length !== 2 || domain === '' || path === '') {
    return [invalid(field, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")];
  }
  return [
    ...(name.length > MAX_SIGNER_BYTES ? [tooLong(field, MAX_SIGNER_BYTES)] : []),
    ...byRule(field, domain, domainOf(2)),
    ...byRule(field, path, dnsSubdomain),
  ];
}

type Condition = certificatesv1.CertificateSigningRequestCondition;

/** What is wrong with the conditions of a request's status. */
export function validateConditions(conditions: readonly Condition[]): ErrorCause[] {
  const types = conditions.map(({ type = '' }) => type);
  return conditions.flatMap(({ type = '', status = '' }, i) => {
    const field = `status.conditions[${i}]`;
    const causes: ErrorCause[] = [];
    const allowed = FINAL.includes(type) ? ['True'] : STATUSES;
    if (type === '') causes.push(required(`${field}.type`));
    if (status === '') causes.push(required(`${field}.status`));
    else if (!allowed.includes(status)) causes.push(notSupported(`${field}.status`, status, allowed));
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (other !== undefined && types.indexOf(other) >= 0 && types.indexOf(other) < i) {
      causes.push(invalid(`${field}.type`, type, 'Approved and Denied conditions are mutually exclusive'));
    }
    if (types.indexOf(type) < i) causes.push(duplicate(`${field}.type`, type));
    return causes;
  });
}

/** Once approved, denied or failed, a request stays so. */
export function validateConditionsUpdate(conditions: readonly Condition[], old: readonly Condition[]): ErrorCause[] {
  const kept = new Set(conditions.map(({ type }) => type));
  return old
    .filter(({ type = '' }) => FINAL.includes(type) && !kept.has(type))
    .map(({ type = '' }) =>
      forbidden('status.conditions', `updates may not remove a condition of type ${JSON.stringify(type)}`),
    );
}
