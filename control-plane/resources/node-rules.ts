/** Rules of nodes. */
import type { ErrorCause } from '../../lib/errors.ts';
import { labelValue, qualifiedName } from '../../lib/name-rules.ts';
import type { corev1 } from '../../proto/index.ts';
import { byRule, duplicate, forbidden, invalid, tooMany } from './validation/field-errors.ts';
import { cidr } from './validation/texts.ts';

/** Everything wrong with a node. */
export function validateNode({ spec }: corev1.Node): ErrorCause[] {
  const ranges = spec?.podCIDRs ?? [];
  return [
    ...validateTaints(spec?.taints ?? [], 'spec.taints'),
    ...ranges.flatMap((range, i) => byRule(`spec.podCIDRs[${i}]`, range, cidr)),
    ...(ranges.length > 2 ? [tooMany('spec.podCIDRs', ranges.length, 2)] : []),
    ...(ranges.length === 2 && isV6(ranges[0]) === isV6(ranges[1])
      ? [invalid('spec.podCIDRs', ranges, 'may specify no more than one CIDR for each IP family')]
      : []),
  ];
}

function isV6(range: string | undefined): boolean {
  return range?.includes(':') === true;
}

function validateTaints(taints: readonly corev1.Taint[], path: string): ErrorCause[] {
  const seen = new Set<string>();
  return taints.flatMap(({ key = '', value = '', effect = '' }, i) => {
    const at = `${path}[${i}]`;
    const causes = key === '' ? [] : byRule(`${at}.key`, key, qualifiedName);
    causes.push(...byRule(`${at}.value`, value, labelValue));
    const pair = `${key}:${effect}`;
    if (seen.has(pair)) causes.push(duplicate(at, { key, value, effect }));
    seen.add(pair);
    return causes;
  });
}

/** What of a node may not change: its address range and its provider's id, once they are known. */
export function validateNodeUpdate(node: corev1.Node, old: corev1.Node): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const [ranges, before] = [node.spec?.podCIDRs ?? [], old.spec?.podCIDRs ?? []];
  const changed =
    before.length > 0 && (before.length !== ranges.length || before.some((cidr, i) => cidr !== ranges[i]));
  if (changed && old.spec?.podCIDR === node.spec?.podCIDR) {
    causes.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
  }
  for (const field of ['podCIDR', 'providerID'] as const) {
    const had = old.spec?.[field] ?? '';
    if (had !== '' && had !== (node.spec?.[field] ?? '')) {
      causes.push(forbidden(`spec.${field}`, `node updates may not change ${field} except from "" to valid`));
    }
  }
  return causes;
}
