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

/** Those that only who approves or denies may write. */
const DECISIONS: readonly string[] = ['Approved', 'Denied'];
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

/**
 * What may not change of the conditions: once approved, denied or failed, a request stays so; and only who approves or denies
 * may say so, through the subresource for that.
 */
export function validateConditionsUpdate(
  conditions: readonly Condition[],
  old: readonly Condition[],
  { approves }: { readonly approves: boolean },
): ErrorCause[] {
  const field = 'status.conditions';
  const final = (list: readonly Condition[]): string[] =>
    list.map(({ type = '' }) => type).filter((type) => FINAL.includes(type));
  const [before, after] = [final(old), final(conditions)];
  const removed = before.filter((type) => !after.includes(type));
  const added = after.filter((type) => !before.includes(type) && DECISIONS.includes(type) && !approves);
  return [
    ...removed.map((type) => forbidden(field, `updates may not remove a condition of type ${JSON.stringify(type)}`)),
    ...added.map((type) => forbidden(field, `updates may not add a condition of type ${JSON.stringify(type)}`)),
  ];
}
