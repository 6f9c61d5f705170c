/** What webhooks of both kinds have in common. */
import type { ErrorCause } from '../../lib/errors.ts';
import { qualifiedName } from '../../lib/name-rules.ts';
import type { admissionregistrationv1 } from '../../proto/index.ts';
import { dns1035Label, domainOf } from './validation/dns-names.ts';
import { byRule, duplicate, invalid, required, tooMany, unique } from './validation/field-errors.ts';
import { validateLabelSelector } from './validation/labels.ts';
import { validateWebhookClient } from './webhook-client.ts';

const TIMEOUT_SECONDS = 10;
const MAX_TIMEOUT_SECONDS = 30;
const MAX_CONDITIONS = 64;
const DEFAULT_PORT = 443;

/** The versions of AdmissionReview there are. */
const REVIEWS = ['v1', 'v1beta1'];

/** A webhook of either kind. */
export type Webhook = admissionregistrationv1.ValidatingWebhook | admissionregistrationv1.MutatingWebhook;

/** Fills in what both kinds of webhook have. */
export function defaultWebhooks(webhooks: readonly Webhook[] = []): void {
  for (const webhook of webhooks) {
    webhook.failurePolicy ??= 'Fail';
    webhook.matchPolicy ??= 'Equivalent';
    webhook.namespaceSelector ??= {};
    webhook.objectSelector ??= {};
    webhook.timeoutSeconds ??= TIMEOUT_SECONDS;
    if (webhook.clientConfig?.service !== undefined) webhook.clientConfig.service.port ??= DEFAULT_PORT;
    for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  }
}

/** What is wrong with a configuration's webhooks. */
export function validateWebhooks(webhooks: readonly Webhook[] = []): ErrorCause[] {
  const names = webhooks.map(({ name }) => name);
  return [
    ...webhooks.flatMap((webhook, i) => validateWebhook(webhook, `webhooks[${i}]`)),
    ...unique(names, (i) => `webhooks[${i}].name`),
  ];
}

/** A webhook without name, client, side effects or versions is refused by the schema. */
function validateWebhook(webhook: Webhook, field: string): ErrorCause[] {
  const { name = '', timeoutSeconds, clientConfig, matchConditions = [], rules = [] } = webhook;
  const causes = name === '' ? [] : byRule(`${field}.name`, name, domainOf(3));
  causes.push(...rules.flatMap((rule, i) => validateRule(rule, `${field}.rules[${i}]`)));
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > MAX_TIMEOUT_SECONDS)) {
    const why = `the timeout value must be between 1 and ${MAX_TIMEOUT_SECONDS} seconds`;
    causes.push(invalid(`${field}.timeoutSeconds`, timeoutSeconds, why));
  }
  return [
    ...causes,
    ...validateLabelSelector(webhook.namespaceSelector, `${field}.namespaceSelector`),
    ...validateLabelSelector(webhook.objectSelector, `${field}.objectSelector`),
    ...(clientConfig === undefined ? [] : validateWebhookClient(clientConfig, `${field}.clientConfig`)),
    ...validateConditions(matchConditions, `${field}.matchConditions`),
    ...validateVersions(webhook.admissionReviewVersions ?? [], `${field}.admissionReviewVersions`),
  ];
}

function validateVersions(versions: readonly string[], field: string): ErrorCause[] {
  const causes = versions.flatMap((version, i) => [
    ...byRule(`${field}[${i}]`, version, dns1035Label),
    ...(versions.indexOf(version) < i ? [duplicate(`${field}[${i}]`, version)] : []),
  ]);
  if (causes.length === 0 && versions.length > 0 && !versions.some((version) => REVIEWS.includes(version))) {
    causes.push(invalid(field, versions, `must include at least one of ${REVIEWS.join(', ')}`));
  }
  return causes;
}

function validateConditions(
  conditions: readonly admissionregistrationv1.MatchCondition[],
  field: string,
): ErrorCause[] {
  const causes = conditions.length > MAX_CONDITIONS ? [tooMany(field, conditions.length, MAX_CONDITIONS)] : [];
  for (const [i, { name = '' }] of conditions.entries()) {
    if (name !== '') causes.push(...byRule(`${field}[${i}].name`, name, qualifiedName));
  }
  const names = conditions.map(({ name }) => name);
  return [...causes, ...unique(names, (i) => `${field}[${i}].name`)];
}

/** Empty lists, and operations nobody knows, are refused by the schema. */
function validateRule(rule: admissionregistrationv1.RuleWithOperations, field: string): ErrorCause[] {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  return [
    ...wildcardAlone(`${field}.operations`, operations, 'operations'),
    ...wildcardAlone(`${field}.apiGroups`, apiGroups, 'API groups'),
    ...wildcardAlone(`${field}.apiVersions`, apiVersions, 'API versions'),
    ...apiVersions.flatMap((version, i) => (version === '' ? [required(`${field}.apiVersions[${i}]`)] : [])),
    ...validateResources(resources, `${field}.resources`),
  ];
}

function wildcardAlone(field: string, items: readonly string[], what: string): ErrorCause[] {
  if (items.length < 2 || !items.includes('*')) return [];
  return [invalid(field, items, `if '*' is present, must not specify other ${what}`)];
}

/** `*` and its like may not stand beside what they cover already. */
function validateResources(resources: readonly string[], field: string): ErrorCause[] {
  const causes = resources.flatMap((text, i) => (text === '' ? [required(`${field}[${i}]`)] : []));
  if (resources.length > 1 && resources.includes('*/*')) {
    return [...causes, invalid(field, resources, "if '*/*' is present, must not specify other resources")];
  }
  for (const [i, text] of resources.entries()) {
    const [resource, sub] = text.split('/');
    const cover = resources.find((other) =>
      sub === undefined
        ? resource !== '*' && other === '*'
        : (sub !== '*' && other === `${resource}/*`) || (resource !== '*' && other === `*/${sub}`),
    );
    if (cover === undefined) continue;
    const why =
      cover === '*'
        ? "if '*' is present, must not specify other resources without subresources"
        : `if '${cover}' is present, must not specify ${text}`;
    causes.push(invalid(`${field}[${i}]`, text, why));
  }
  return causes;
}
