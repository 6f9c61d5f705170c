/** The sentences in which a field is refused, with Kubernetes' cause reasons. */
import type { ErrorCause } from '../../../lib/errors.ts';
import type { NameRule } from '../../../lib/name-rules.ts';

/** The field must be given. */
export function required(field: string, detail = ''): ErrorCause {
  return {
    field,
    reason: 'FieldValueRequired',
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
  };
}

/** The value breaks a rule; `detail` is the rule: "must be …". */
export function invalid(field: string, value: unknown, detail: string): ErrorCause {
  return { field, reason: 'FieldValueInvalid', message: `Invalid value: ${shown(value)}: ${detail}` };
}

/** The value is not among the allowed ones. */
export function notSupported(field: string, value: string, allowed: readonly string[]): ErrorCause {
  const list = [...allowed].sort().map(shown).join(', ');
  return {
    field,
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${shown(value)}: supported values: ${list}`,
  };
}

/** Another element has this value already. */
export function duplicate(field: string, value: unknown): ErrorCause {
  return { field, reason: 'FieldValueDuplicate', message: `Duplicate value: ${shown(value)}` };
}

/** The field may not be given here. */
export function forbidden(field: string, detail: string): ErrorCause {
  return { field, reason: 'FieldValueForbidden', message: `Forbidden: ${detail}` };
}

/** The value is too large. */
export function tooLong(field: string, maxBytes: number): ErrorCause {
  return { field, reason: 'FieldValueTooLong', message: `Too long: may not be more than ${maxBytes} bytes` };
}

/** The value names something that is not there. */
export function notFound(field: string, value: string): ErrorCause {
  return { field, reason: 'FieldValueNotFound', message: `Not found: ${JSON.stringify(value)}` };
}

/** The list is too long. */
export function tooMany(field: string, count: number, max: number): ErrorCause {
  return { field, reason: 'FieldValueTooMany', message: `Too many: ${count}: must have at most ${max} items` };
}

/** What `rule` has against `value`, as errors of `field`. */
export function byRule(field: string, value: string, rule: NameRule): ErrorCause[] {
  return rule(value).map((problem) => invalid(field, value, problem));
}

/** An error when `value` is given and negative. */
export function notNegative(field: string, value: number | undefined): ErrorCause[] {
  return (value ?? 0) < 0 ? [invalid(field, value, 'must be greater than or equal to 0')] : [];
}

/** An error when `value` is given and outside `min`…`max`. */
export function inRange(field: string, value: number | undefined, range: readonly [number, number]): ErrorCause[] {
  const [min, max] = range;
  if (value === undefined || (value >= min && value <= max)) return [];
  return [invalid(field, value, `must be between ${min} and ${max}, inclusive`)];
}

/** An error for each of `values` that an earlier one equals; `fieldAt` names the field of each. Empty ones are skipped. */
export function unique(values: readonly (string | undefined)[], fieldAt: (index: number) => string): ErrorCause[] {
  const seen = new Set<string>();
  return values.flatMap((value, index) => {
    if (value === undefined || value === '') return [];
    if (seen.has(value)) return [duplicate(fieldAt(index), value)];
    seen.add(value);
    return [];
  });
}

const MAX_SHOWN = 200;

/** A value as a sentence shows it: JSON, cut when it is long. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
