/** NetworkPolicy: which traffic some pods may receive and send. */
import type { ErrorCause } from '../../lib/errors.ts';
import { integerOf } from '../../lib/int-or-string.ts';
import { formatLabelSelector, labelRequirements } from '../../lib/selectors.ts';
import { KINDS, type networkingv1 } from '../../proto/index.ts';
import { ageColumn, NONE, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { isStrictSubrange } from './validation/addresses.ts';
import { byRule, forbidden, inRange, invalid, required } from './validation/field-errors.ts';
import { validateLabelSelector } from './validation/labels.ts';
import { cidr, validatePortReference } from './validation/texts.ts';

const MAX_PORT = 65_535;
const DIRECTIONS = 2;

function setDefaults({ spec }: networkingv1.NetworkPolicy): void {
  if (spec === undefined) return;
  const rules = [...(spec.ingress ?? []), ...(spec.egress ?? [])];
  for (const port of rules.flatMap((rule) => rule.ports ?? [])) port.protocol ??= 'TCP';
  if ((spec.policyTypes ?? []).length === 0) {
    spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
  }
}

function validate({ spec }: networkingv1.NetworkPolicy): ErrorCause[] {
  const causes = validateLabelSelector(spec?.podSelector, 'spec.podSelector');
  for (const [i, rule] of (spec?.ingress ?? []).entries()) {
    causes.push(...validateRule(`spec.ingress[${i}]`, rule.ports, { peers: rule.from, member: 'from' }));
  }
  for (const [i, rule] of (spec?.egress ?? []).entries()) {
    causes.push(...validateRule(`spec.egress[${i}]`, rule.ports, { peers: rule.to, member: 'to' }));
  }
  const types = spec?.policyTypes ?? [];
  if (types.length > DIRECTIONS) {
    causes.push(invalid('spec.policyTypes', types, 'may not specify more than two policyTypes'));
  }
  return causes;
}

function validateRule(
  field: string,
  ports: readonly networkingv1.NetworkPolicyPort[] = [],
  { peers = [], member }: { peers: readonly networkingv1.NetworkPolicyPeer[] | undefined; member: string },
): ErrorCause[] {
  return [
    ...ports.flatMap((port, i) => validatePort(port, `${field}.ports[${i}]`)),
    ...peers.flatMap((peer, i) => validatePeer(peer, `${field}.${member}[${i}]`)),
  ];
}

function validatePort({ port, endPort }: networkingv1.NetworkPolicyPort, field: string): ErrorCause[] {
  const causes = validatePortReference(`${field}.port`, port);
  if (endPort === undefined) return causes;
  const first = integerOf(port);
  const why =
    port === undefined
      ? 'may not be specified when `port` is not specified'
      : first === undefined
        ? 'may not be specified when `port` is non-numeric'
        : endPort < first
          ? 'must be greater than or equal to `port`'
          : undefined;
  if (why !== undefined) return [...causes, invalid(`${field}.endPort`, endPort, why)];
  return [...causes, ...inRange(`${field}.endPort`, endPort, [1, MAX_PORT])];
}

function validatePeer(peer: networkingv1.NetworkPolicyPeer, field: string): ErrorCause[] {
  const { ipBlock, namespaceSelector, podSelector } = peer;
  const causes = [
    ...validateLabelSelector(podSelector, `${field}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`),
    ...validateBlock(ipBlock, `${field}.ipBlock`),
  ];
  const bySelector = podSelector !== undefined || namespaceSelector !== undefined;
  if (ipBlock === undefined && !bySelector) causes.push(required(field, 'must specify a peer'));
  if (ipBlock !== undefined && bySelector) {
    causes.push(forbidden(field, 'may not specify both ipBlock and another peer'));
  }
  return causes;
}

/** A block without a range is refused by the schema. */
function validateBlock(block: networkingv1.IPBlock | undefined, field: string): ErrorCause[] {
  const { cidr: range = '', except = [] } = block ?? {};
  if (range === '') return [];
  const causes = byRule(`${field}.cidr`, range, cidr);
  for (const [i, part] of except.entries()) {
    const at = `${field}.except[${i}]`;
    const problems = byRule(at, part, cidr);
    causes.push(...problems);
    if (problems.length === 0 && cidr(range).length === 0 && !isStrictSubrange(part, range)) {
      causes.push(invalid(at, part, 'must be a strict subset of `cidr`'));
    }
  }
  return causes;
}

/** The definition of NetworkPolicy. */
export const networkPolicy: ResourceDefinition<networkingv1.NetworkPolicy> = {
  type: KINDS.NetworkPolicy,
  setDefaults,
  countsGenerations: true,
  validate,
  columns: [
    nameColumn,
    {
      name: 'POD-SELECTOR',
      cell: (o) => formatLabelSelector(labelRequirements(o.spec?.podSelector) ?? []) || NONE,
    },
    ageColumn,
  ],
};
