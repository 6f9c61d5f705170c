/** CertificateSigningRequest: asks for a certificate to be signed. */
import type { ErrorCause } from '../../lib/errors.ts';
import { humanDuration } from '../../lib/human-duration.ts';
import { type certificatesv1, KINDS } from '../../proto/index.ts';
import { validateConditions, validateConditionsUpdate, validateSignerName } from './certificate-rules.ts';
import { ageColumn, NONE, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { changedFields } from './validation/changed-fields.ts';
import { duplicate, forbidden, invalid, notSupported, required } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';
import { isDerSequence, readPem } from './validation/pem.ts';

const MIN_EXPIRATION_SECONDS = 600;
const SECOND_MS = 1000;

const USAGES: readonly string[] = [
  'signing',
  'digital signature',
  'content commitment',
  'key encipherment',
  'key agreement',
  'data encipherment',
  'cert sign',
  'crl sign',
  'encipher only',
  'decipher only',
  'any',
  'server auth',
  'client auth',
  'code signing',
  'email protection',
  's/mime',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'timestamping',
  'ocsp signing',
  'microsoft sgc',
  'netscape sgc',
];

/** What the server itself writes into the spec. */
const OWNED = ['username', 'uid', 'groups', 'extra'] as const;

function prepareForCreate(object: certificatesv1.CertificateSigningRequest, { user }: { readonly user: string }): void {
  const { uid: _uid, groups: _groups, extra: _extra, ...spec } = object.spec ?? {};
  object.spec = { ...spec, username: user };
  object.status = {};
}

function prepareForUpdate(
  object: certificatesv1.CertificateSigningRequest,
  { spec: old }: certificatesv1.CertificateSigningRequest,
): void {
  const spec = { ...object.spec };
  for (const name of OWNED) {
    delete spec[name];
    if (old?.[name] !== undefined) Object.assign(spec, { [name]: old[name] });
  }
  object.spec = spec;
}

/** A request without signer or usages is refused by the schema. */
function validate({ spec }: certificatesv1.CertificateSigningRequest): ErrorCause[] {
  const { request, usages = [], signerName = '', expirationSeconds } = spec ?? {};
  const causes = validateRequest(request);
  for (const [i, usage] of usages.entries()) {
    const at = `spec.usages[${i}]`;
    if (!USAGES.includes(usage)) causes.push(notSupported(at, usage, USAGES));
    else if (usages.indexOf(usage) < i) causes.push(duplicate(at, usage));
  }
  if (signerName !== '') causes.push(...validateSignerName('spec.signerName', signerName));
  if (expirationSeconds !== undefined && expirationSeconds < MIN_EXPIRATION_SECONDS) {
    const why = `may not specify a duration less than ${MIN_EXPIRATION_SECONDS} seconds (10 minutes)`;
    causes.push(invalid('spec.expirationSeconds', expirationSeconds, why));
  }
  return causes;
}

function validateRequest(request: Uint8Array | undefined): ErrorCause[] {
  const field = 'spec.request';
  if (request === undefined || request.length === 0) return [required(field)];
  const shown = Buffer.from(request).toString('base64');
  const blocks = readPem(request);
  if (blocks[0]?.label !== 'CERTIFICATE REQUEST') {
    return [invalid(field, shown, 'PEM block type must be CERTIFICATE REQUEST')];
  }
  return isDerSequence(blocks[0].der) ? [] : [invalid(field, shown, 'the PEM block holds no certificate request')];
}

function validateUpdate(
  { spec = {} }: certificatesv1.CertificateSigningRequest,
  { spec: old = {} }: certificatesv1.CertificateSigningRequest,
): ErrorCause[] {
  const changed = changedFields('skiff.certificates.v1.CertificateSigningRequestSpec', spec, old);
  return changed.flatMap((path) => {
    const name = path.replace(/[.[].*$/, '') as keyof certificatesv1.CertificateSigningRequestSpec;
    return immutable(`spec.${name}`, plain(spec[name]), plain(old[name]));
  });
}

function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}

function validateStatus(
  { status = {} }: certificatesv1.CertificateSigningRequest,
  { status: old = {} }: certificatesv1.CertificateSigningRequest,
  subresource = 'status',
): ErrorCause[] {
  const { certificate, conditions = [] } = status;
  const approves = subresource === 'approval';
  const before = old.certificate ?? new Uint8Array();
  const causes = [
    ...validateConditions(conditions),
    ...validateConditionsUpdate(conditions, old.conditions ?? [], { approves }),
  ];
  if (approves) {
    const same = plain(certificate ?? new Uint8Array()) === plain(before);
    return same ? causes : [...causes, forbidden('status.certificate', 'updates may not set certificate content')];
  }
  if (before.length > 0) causes.push(...immutable('status.certificate', plain(certificate), plain(before)));
  else if (certificate !== undefined && certificate.length > 0) {
    const blocks = readPem(certificate);
    const wrong = blocks.find(({ label, der }) => label !== 'CERTIFICATE' || !isDerSequence(der));
    if (blocks.length === 0 || wrong !== undefined) {
      const why = 'must contain only PEM blocks of type CERTIFICATE, and at least one';
      causes.push(invalid('status.certificate', plain(certificate), why));
    }
  }
  return causes;
}

/** As kubectl sums it up: `Approved,Issued`. */
function conditionText({ status }: certificatesv1.CertificateSigningRequest): string {
  const types = new Set((status?.conditions ?? []).map(({ type }) => type));
  const decision = types.has('Denied') ? 'Denied' : types.has('Approved') ? 'Approved' : 'Pending';
  const failed = types.has('Failed') ? ',Failed' : '';
  return `${decision}${failed}${(status?.certificate?.length ?? 0) > 0 ? ',Issued' : ''}`;
}

function durationText({ spec }: certificatesv1.CertificateSigningRequest): string {
  return spec?.expirationSeconds === undefined ? NONE : humanDuration(spec.expirationSeconds * SECOND_MS);
}

/** The definition of CertificateSigningRequest. */
export const certificateSigningRequest: ResourceDefinition<certificatesv1.CertificateSigningRequest> = {
  type: KINDS.CertificateSigningRequest,
  subresources: { status: true, approval: true },
  prepareForCreate,
  prepareForUpdate,
  validate,
  validateUpdate,
  validateStatusUpdate: validateStatus,
  columns: [
    nameColumn,
    ageColumn,
    { name: 'SIGNERNAME', cell: (o) => o.spec?.signerName || NONE },
    { name: 'REQUESTOR', cell: (o) => o.spec?.username ?? '' },
    { name: 'REQUESTEDDURATION', cell: durationText },
    { name: 'CONDITION', cell: conditionText },
  ],
  selectableFields: { 'spec.signerName': (o) => o.spec?.signerName ?? '' },
};
