/** IngressClass: a kind of ingress proxy. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel, dnsSubdomain } from '../../lib/name-rules.ts';
import { KINDS, type networkingv1 } from '../../proto/index.ts';
import { ageColumn, NONE, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateTypedReference } from './ingress-backend.ts';
import { byRule, forbidden, invalid, required, tooLong } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';

const MAX_CONTROLLER_BYTES = 250;
const PATH = /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/;

function setDefaults({ spec }: networkingv1.IngressClass): void {
  if (spec?.parameters !== undefined) spec.parameters.scope ??= 'Cluster';
}

function validate({ spec }: networkingv1.IngressClass): ErrorCause[] {
  return [...validateController(spec?.controller ?? ''), ...validateParameters(spec?.parameters)];
}

function validateController(controller: string): ErrorCause[] {
  const field = 'spec.controller';
  if (controller === '') return [required(field)];
  const causes = controller.length > MAX_CONTROLLER_BYTES ? [tooLong(field, MAX_CONTROLLER_BYTES)] : [];
  const slash = controller.indexOf('/');
  const [domain, path] = [controller.slice(0, Math.max(slash, 0)), controller.slice(slash + 1)];
  if (domain === '' || path === '') {
    return [...causes, invalid(field, controller, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  }
  causes.push(...byRule(field, domain, dnsSubdomain));
  if (!PATH.test(path)) causes.push(invalid(field, path, 'Invalid path: only characters of a URL path are allowed'));
  return causes;
}

function validateParameters(parameters: networkingv1.IngressClassParametersReference | undefined): ErrorCause[] {
  if (parameters === undefined) return [];
  const field = 'spec.parameters';
  const { scope, namespace } = parameters;
  const causes = validateTypedReference(parameters, field);
  if (scope === 'Namespace') {
    if (namespace === undefined) {
      causes.push(required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'"));
    } else causes.push(...byRule(`${field}.namespace`, namespace, dnsLabel));
  }
  if (scope === 'Cluster' && namespace !== undefined) {
    causes.push(forbidden(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'"));
  }
  return causes;
}

function parametersText({ spec }: networkingv1.IngressClass): string {
  if (spec?.parameters === undefined) return NONE;
  const { apiGroup, kind = '', name = '' } = spec.parameters;
  return apiGroup === undefined ? `${kind}/${name}` : `${kind}.${apiGroup}/${name}`;
}

/** The definition of IngressClass. */
export const ingressClass: ResourceDefinition<networkingv1.IngressClass> = {
  type: KINDS.IngressClass,
  setDefaults,
  countsGenerations: true,
  validate,
  validateUpdate: ({ spec }, { spec: old }) => immutable('spec.controller', spec?.controller, old?.controller),
  columns: [
    nameColumn,
    { name: 'CONTROLLER', cell: (o) => o.spec?.controller ?? '' },
    { name: 'PARAMETERS', cell: parametersText },
    ageColumn,
  ],
};
