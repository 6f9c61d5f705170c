/** What is wrong with a CustomResourceDefinition besides its schemas, in Kubernetes' words. */
import { type ErrorCause, errorMessage } from '../../../lib/errors.ts';
import { compilePath } from '../../../lib/json-path.ts';
import { dnsSubdomain } from '../../../lib/name-rules.ts';
import type { apiextensionsv1 } from '../../../proto/index.ts';
import { byRule, duplicate, forbidden, invalid, required, tooMany } from '../validation/field-errors.ts';
import { immutable } from '../validation/immutable.ts';
import { ruleProblems } from './validate-rules.ts';
import { validateSchema } from './validate-schema.ts';

type Definition = apiextensionsv1.CustomResourceDefinition;
type Spec = apiextensionsv1.CustomResourceDefinitionSpec;
type Version = apiextensionsv1.CustomResourceDefinitionVersion;

const API_APPROVED = 'api-approved.kubernetes.io';
const COLUMN_TYPES = ['integer', 'number', 'string', 'boolean', 'date'];
const COLUMN_FORMATS = ['int32', 'int64', 'float', 'double', 'byte', 'date', 'date-time', 'password', 'name'];
const MAX_SELECTABLE_FIELDS = 8;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_1035_RULE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and " +
  "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123')";

function dns1035Label(text: string): string[] {
  return [
    ...(text.length > 63 ? ['must be no more than 63 characters'] : []),
    ...(LABEL_1035.test(text) ? [] : [LABEL_1035_RULE]),
  ];
}

/** Everything wrong with the definition. Absent required fields are told of by the schema already. */
export function validateDefinition(object: Definition): ErrorCause[] {
  const { spec = {} } = object;
  const { group = '', names = {}, versions = [] } = spec;
  const causes: ErrorCause[] = [];
  const wanted = `${names.plural ?? ''}.${group}`;
  if (object.metadata?.name !== wanted) {
    causes.push(invalid('metadata.name', object.metadata?.name ?? '', 'must be spec.names.plural+"."+spec.group'));
  }
  causes.push(...validateGroup(group), ...validateNames(names, 'spec.names'), ...validateVersionList(versions));
  for (const [i, version] of versions.entries()) causes.push(...validateVersion(version, `spec.versions[${i}]`));
  causes.push(...validateConversion(spec), ...validateProtectedGroup(object));
  if (spec.preserveUnknownFields === true) {
    const why =
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead';
    causes.push(invalid('spec.preserveUnknownFields', true, why));
  }
  return causes;
}

/** The groups of Kubernetes itself are protected. */
function validateProtectedGroup(object: Definition): ErrorCause[] {
  const group = object.spec?.group ?? '';
  if (!/(^|\.)(k8s\.io|kubernetes\.io)$/.test(group)) return [];
  const approval = object.metadata?.annotations?.[API_APPROVED] ?? '';
  const at = `metadata.annotations[${API_APPROVED}]`;
  if (approval === '') {
    const why =
      `protected groups must have approval annotation "${API_APPROVED}", ` +
      'see https://github.com/kubernetes/enhancements/pull/1111';
    return [required(at, why)];
  }
  if (approval.startsWith('unapproved') || URL.canParse(approval)) return [];
  return [
    invalid(
      at,
      approval,
      `protected groups must have approval annotation "${API_APPROVED}" with either a URL or a reason starting with "unapproved", ` +
        'see https://github.com/kubernetes/enhancements/pull/1111',
    ),
  ];
}

/** Everything that may not change once objects may exist. */
export function validateDefinitionUpdate(object: Definition, old: Definition): ErrorCause[] {
  const { spec = {} } = object;
  const before = old.spec ?? {};
  const established = (old.status?.conditions ?? []).some((one) => one.type === 'Established' && one.status === 'True');
  return [
    ...immutable('spec.group', spec.group, before.group),
    ...immutable('spec.names.plural', spec.names?.plural, before.names?.plural),
    ...(established
      ? [
          ...immutable('spec.scope', spec.scope, before.scope),
          ...immutable('spec.names.kind', spec.names?.kind, before.names?.kind),
        ]
      : []),
    ...validateStoredVersions(object),
  ];
}

/** Versions that objects may be stored in stay. */
export function validateStoredVersions({ spec, status }: Definition): ErrorCause[] {
  const names = new Set((spec?.versions ?? []).map((version) => version.name));
  return (status?.storedVersions ?? []).flatMap((name, i) =>
    names.has(name) ? [] : [invalid(`status.storedVersions[${i}]`, name, 'must appear in spec.versions')],
  );
}

function validateGroup(group: string): ErrorCause[] {
  if (group === '') return [];
  const causes = byRule('spec.group', group, dnsSubdomain);
  if (causes.length > 0 || group.includes('.')) return causes;
  return [invalid('spec.group', group, 'should be a domain with at least one dot')];
}

function validateNames(names: apiextensionsv1.CustomResourceDefinitionNames, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const { plural = '', singular = '', kind = '', listKind = '', shortNames = [], categories = [] } = names;
  for (const [field, name] of Object.entries({ plural, singular })) {
    if (name !== '') causes.push(...byRule(`${path}.${field}`, name, dns1035Label));
  }
  for (const [field, name] of Object.entries({ kind, listKind })) {
    const problems = name === '' ? [] : dns1035Label(name.toLowerCase());
    for (const problem of problems) {
      causes.push(invalid(`${path}.${field}`, name, `may have mixed case, but should otherwise match: ${problem}`));
    }
  }
  if (kind !== '' && kind === listKind) {
    causes.push(invalid(`${path}.listKind`, listKind, 'kind and listKind may not be the same'));
  }
  for (const [i, name] of shortNames.entries()) causes.push(...byRule(`${path}.shortNames[${i}]`, name, dns1035Label));
  for (const [i, name] of categories.entries()) causes.push(...byRule(`${path}.categories[${i}]`, name, dns1035Label));
  return causes;
}

function validateVersionList(versions: readonly Version[]): ErrorCause[] {
  if (versions.length === 0) return [];
  const names = versions.map(({ name = '' }) => name);
  const causes = names.flatMap((name, i) =>
    name === '' ? [] : byRule(`spec.versions[${i}].name`, name, dns1035Label),
  );
  if (new Set(names).size < names.length)
    causes.push(invalid('spec.versions', names, 'must contain unique version names'));
  if (versions.filter(({ storage }) => storage === true).length !== 1) {
    causes.push(invalid('spec.versions', names, 'must have exactly one version marked as storage version'));
  }
  return causes;
}

function validateVersion(version: Version, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const schema = version.schema?.openAPIV3Schema;
  if (schema === undefined) causes.push(required(`${path}.schema.openAPIV3Schema`, 'schemas are required'));
  else {
    const at = `${path}.schema.openAPIV3Schema`;
    causes.push(...validateSchema(schema, at));
    if (causes.length === 0) causes.push(...ruleProblems(schema, at));
  }
  if (version.deprecationWarning !== undefined) {
    const at = `${path}.deprecationWarning`;
    const text = version.deprecationWarning;
    if (version.deprecated !== true) causes.push(invalid(at, text, 'can only be set for deprecated versions'));
    if (text === '') causes.push(invalid(at, text, 'must not be empty string'));
    if (text.length > 256) causes.push(invalid(at, text, 'must be <= 256 characters long'));
    if (/\p{Cc}/u.test(text)) causes.push(invalid(at, text, 'must only contain printable UTF-8 characters'));
  }
  const columns = version.additionalPrinterColumns ?? [];
  for (const [i, column] of columns.entries()) {
    causes.push(...validateColumn(column, `${path}.additionalPrinterColumns[${i}]`));
  }
  causes.push(...validateSelectableFields(version, path), ...validateScale(version.subresources?.scale, path));
  return causes;
}

function validateColumn(column: apiextensionsv1.CustomResourceColumnDefinition, path: string): ErrorCause[] {
  const { type = '', format = '', jsonPath = '' } = column;
  const causes: ErrorCause[] = [];
  if (type !== '' && !COLUMN_TYPES.includes(type)) {
    causes.push(invalid(`${path}.type`, type, `must be one of ${COLUMN_TYPES.join(',')}`));
  }
  if (format !== '' && !COLUMN_FORMATS.includes(format)) {
    causes.push(invalid(`${path}.format`, format, `must be one of ${COLUMN_FORMATS.join(',')}`));
  }
  if (jsonPath !== '') causes.push(...validatePath(jsonPath, `${path}.jsonPath`));
  return causes;
}

/** A path that can be compiled and whose work is bounded by the size of the object. */
function validatePath(jsonPath: string, field: string): ErrorCause[] {
  if (!jsonPath.startsWith('.')) return [invalid(field, jsonPath, 'must be a simple json path starting with .')];
  if ((jsonPath.match(/\.\./g)?.length ?? 0) > 1) {
    return [invalid(field, jsonPath, 'is an invalid path: at most one ".." is allowed')];
  }
  try {
    compilePath(jsonPath);
    return [];
  } catch (err) {
    return [invalid(field, jsonPath, `is an invalid path: ${errorMessage(err)}`)];
  }
}

function validateSelectableFields({ selectableFields = [] }: Version, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const at = `${path}.selectableFields`;
  if (selectableFields.length > MAX_SELECTABLE_FIELDS)
    causes.push(tooMany(at, selectableFields.length, MAX_SELECTABLE_FIELDS));
  const seen = new Set<string>();
  for (const [i, { jsonPath = '' }] of selectableFields.entries()) {
    const field = `${at}[${i}].jsonPath`;
    if (jsonPath === '') continue;
    if (simpleSteps(jsonPath) === undefined)
      causes.push(invalid(field, jsonPath, 'must be a simple path such as .spec.color'));
    else if (jsonPath.startsWith('.metadata.'))
      causes.push(invalid(field, jsonPath, 'must not point to fields in metadata'));
    if (seen.has(jsonPath)) causes.push(duplicate(field, jsonPath));
    seen.add(jsonPath);
  }
  return causes;
}

/** The names on a path such as `.spec.replicas`; undefined when it is none of names alone. */
export function simpleSteps(path: string): string[] | undefined {
  if (!/^(\.[^.[\]{}()*?@$\s]+)+$/.test(path)) return undefined;
  const steps = path.slice(1).split('.');
  return steps.includes('__proto__') ? undefined : steps;
}

function validateScale(scale: apiextensionsv1.CustomResourceSubresourceScale | undefined, path: string): ErrorCause[] {
  if (scale === undefined) return [];
  const { specReplicasPath = '', statusReplicasPath = '', labelSelectorPath = '' } = scale;
  const check = (name: string, value: string, under: readonly string[]): ErrorCause[] => {
    const at = `${path}.subresources.scale.${name}`;
    if (value === '') return [];
    if (simpleSteps(value) === undefined) return [invalid(at, value, 'must be a simple json path starting with .')];
    const fits = under.some((root) => value.startsWith(`${root}.`));
    return fits ? [] : [invalid(at, value, `should be a json path under ${under.join(' or ')}`)];
  };
  return [
    ...check('specReplicasPath', specReplicasPath, ['.spec']),
    ...check('statusReplicasPath', statusReplicasPath, ['.status']),
    ...check('labelSelectorPath', labelSelectorPath, ['.status', '.spec']),
  ];
}

function validateConversion({ conversion }: Spec): ErrorCause[] {
  if (conversion === undefined) return [];
  const { strategy = '', webhook } = conversion;
  const at = 'spec.conversion';
  if (strategy !== 'Webhook') {
    const why = 'should not be set when strategy is not set to Webhook';
    return webhook === undefined ? [] : [forbidden(`${at}.webhook`, why)];
  }
  if (webhook === undefined)
    return [required(`${at}.webhook.clientConfig`, 'required when strategy is set to Webhook')];
  const { clientConfig, conversionReviewVersions = [] } = webhook;
  const causes: ErrorCause[] = [];
  if (clientConfig === undefined) {
    causes.push(required(`${at}.webhook.clientConfig`, 'required when strategy is set to Webhook'));
  } else if ((clientConfig.url === undefined) === (clientConfig.service === undefined)) {
    causes.push(required(`${at}.webhook.clientConfig`, 'exactly one of url or service is required'));
  }
  if (conversionReviewVersions.length > 0 && !conversionReviewVersions.some((v) => v === 'v1' || v === 'v1beta1')) {
    const why = 'must include at least one of v1, v1beta1';
    causes.push(invalid(`${at}.webhook.conversionReviewVersions`, conversionReviewVersions, why));
  }
  return causes;
}
