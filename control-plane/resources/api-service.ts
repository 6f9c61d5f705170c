/** APIService: an API group that another server serves. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsSubdomain } from '../../lib/name-rules.ts';
import { type apiregistrationv1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { RequestContext, ResourceDefinition } from './definition.ts';
import { dns1035Label } from './validation/dns-names.ts';
import { byRule, invalid, required } from './validation/field-errors.ts';
import { validateServicePort } from './webhook-client.ts';

const DEFAULT_PORT = 443;
const MAX_GROUP_PRIORITY = 20_000;
const MAX_VERSION_PRIORITY = 1000;

function setDefaults({ spec }: apiregistrationv1.APIService): void {
  if (spec?.service !== undefined) spec.service.port ??= DEFAULT_PORT;
}

/** A group that this server serves itself is there from the start. */
function prepareForCreate(object: apiregistrationv1.APIService, { now }: RequestContext): void {
  object.status = {};
  if (object.spec?.service !== undefined) return;
  const message = 'Local APIServices are always available';
  object.status.conditions = [{ type: 'Available', status: 'True', lastTransitionTime: now, reason: 'Local', message }];
}

function validate({ metadata, spec = {} }: apiregistrationv1.APIService): ErrorCause[] {
  const { group = '', version = '', groupPriorityMinimum = 0, versionPriority = 0 } = spec;
  const causes: ErrorCause[] = [];
  const wanted = `${version}.${group}`;
  if (metadata?.name !== undefined && metadata.name !== wanted) {
    const why = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`;
    causes.push(invalid('metadata.name', metadata.name, why));
  }
  if (group !== '') causes.push(...byRule('spec.group', group, dnsSubdomain));
  else if (version !== 'v1') {
    causes.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'));
  }
  causes.push(
    ...byRule('spec.version', version, dns1035Label),
    ...priority('spec.groupPriorityMinimum', groupPriorityMinimum, MAX_GROUP_PRIORITY),
    ...priority('spec.versionPriority', versionPriority, MAX_VERSION_PRIORITY),
    ...validateServer(spec),
  );
  return causes;
}

function priority(field: string, value: number, max: number): ErrorCause[] {
  if (value > 0 && value <= max) return [];
  return [invalid(field, value, `must be positive and less than ${max}`)];
}

function validateServer(spec: apiregistrationv1.APIServiceSpec): ErrorCause[] {
  const { service, insecureSkipTLSVerify = false } = spec;
  const bundleBytes = spec.caBundle?.length ?? 0;
  const causes: ErrorCause[] = [];
  if (service === undefined) {
    if (bundleBytes > 0) {
      causes.push(invalid('spec.caBundle', `${bundleBytes} bytes`, 'local APIServices may not have a caBundle'));
    }
    if (insecureSkipTLSVerify) {
      const why = 'local APIServices may not have insecureSkipTLSVerify';
      causes.push(invalid('spec.insecureSkipTLSVerify', true, why));
    }
    return causes;
  }
  for (const name of ['namespace', 'name'] as const) {
    if ((service[name] ?? '') === '') causes.push(required(`spec.service.${name}`));
  }
  causes.push(...validateServicePort('spec.service.port', service.port));
  if (insecureSkipTLSVerify && bundleBytes > 0) {
    causes.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'));
  }
  return causes;
}

function availableText({ status }: apiregistrationv1.APIService): string {
  const condition = status?.conditions?.find(({ type }) => type === 'Available');
  if (condition === undefined) return 'Unknown';
  const { status: value = '', reason = '' } = condition;
  return value === 'True' || reason === '' ? value : `${value} (${reason})`;
}

/** The definition of APIService. */
export const apiService: ResourceDefinition<apiregistrationv1.APIService> = {
  type: KINDS.APIService,
  nameRule: 'pathSegment',
  subresources: { status: true },
  metadataWithStatus: [],
  setDefaults,
  prepareForCreate,
  validate,
  columns: [
    nameColumn,
    {
      name: 'SERVICE',
      cell: ({ spec }) =>
        spec?.service === undefined ? 'Local' : `${spec.service.namespace ?? ''}/${spec.service.name ?? ''}`,
    },
    { name: 'AVAILABLE', cell: availableText },
    ageColumn,
  ],
};
