/** Rules of labels, annotations and label selectors, wherever they stand. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { labelValue, qualifiedName } from '../../../lib/name-rules.ts';
import { labelRequirements, matchesLabels } from '../../../lib/selectors.ts';
import { joinPath, type metav1 } from '../../../proto/index.ts';
import { byRule, forbidden, invalid, required, tooLong } from './field-errors.ts';

/** Largest sum of the lengths of all annotations' keys and values. */
const MAX_ANNOTATIONS_BYTES = 256 * 1024;

const OPERATORS: ReadonlySet<string | undefined> = new Set(['In', 'NotIn', 'Exists', 'DoesNotExist']);

type TextMap = Readonly<Record<string, string>> | undefined;

/** What is wrong with a map of labels. */
export function validateLabels(labels: TextMap, field: string): ErrorCause[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...byRule(joinPath(field, key), key, qualifiedName),
    ...byRule(joinPath(field, key), value, labelValue),
  ]);
}

/** What is wrong with a map of annotations. */
export function validateAnnotations(annotations: TextMap, field: string): ErrorCause[] {
  let bytes = 0;
  const causes: ErrorCause[] = [];
  for (const [key, value] of Object.entries(annotations ?? {})) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    causes.push(...qualifiedName(key.toLowerCase()).map((problem) => invalid(joinPath(field, key), key, problem)));
  }
  if (bytes > MAX_ANNOTATIONS_BYTES) causes.push(tooLong(field, MAX_ANNOTATIONS_BYTES));
  return causes;
}

/** What is wrong with a label selector. */
export function validateLabelSelector(selector: metav1.LabelSelector | undefined, field: string): ErrorCause[] {
  const expressions = (selector?.matchExpressions ?? []).flatMap((expression, i) =>
    validateRequirement(expression, `${field}.matchExpressions[${i}]`),
  );
  return [...validateLabels(selector?.matchLabels, `${field}.matchLabels`), ...expressions];
}

function validateRequirement(requirement: metav1.LabelSelectorRequirement, field: string): ErrorCause[] {
  const { key = '', operator, values = [] } = requirement;
  const causes: ErrorCause[] = [];
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
    causes.push(required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  }
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
    causes.push(forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  }
  if (key !== '') causes.push(...byRule(`${field}.key`, key, qualifiedName));
  causes.push(...values.flatMap((value, i) => byRule(`${field}.values[${i}]`, value, labelValue)));
  return causes;
}

/** What is wrong with the selector of a workload of `kind` whose pods carry `templateLabels`. */
export function validateWorkloadSelector(
  selector: metav1.LabelSelector | undefined,
  templateLabels: TextMap,
  kind: string,
): ErrorCause[] {
  // An absent selector is refused by the schema.
  if (selector === undefined) return [];
  const requirements = labelRequirements(selector);
  if (requirements === undefined || requirements.length === 0) {
    return [invalid('spec.selector', selector, `empty selector is invalid for ${kind.toLowerCase()}`)];
  }
  const causes = validateLabelSelector(selector, 'spec.selector');
  // An operator nobody knows is refused by the schema, and selects nothing.
  if (selector.matchExpressions?.some((e) => !OPERATORS.has(e.operator)) === true) return causes;
  if (causes.length === 0 && !matchesLabels(requirements, templateLabels)) {
    const labels = templateLabels ?? {};
    causes.push(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  return causes;
}
