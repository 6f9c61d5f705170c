/**
 * Label and field selectors: Kubernetes' text form (`app=web,tier in (a, b),!canary`), the object form of the API
 * (`matchLabels`, `matchExpressions`), and matching.
 */
import type { metav1 } from '../proto/index.ts';
import { ApiError } from './errors.ts';
import { labelValue, qualifiedName } from './name-rules.ts';

/** How a requirement compares. `Gt` and `Lt` compare whole numbers. */
export type SelectorOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

/** One condition on one label. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
}

/** Conditions that must all hold. The empty list matches everything. */
export type LabelRequirements = readonly LabelRequirement[];

/** One condition on one field. */
export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

/** Conditions on fields that must all hold. The empty list matches everything. */
export type FieldRequirements = readonly FieldRequirement[];

type Labels = Readonly<Record<string, string>> | undefined;

const OPERATORS: ReadonlySet<string> = new Set(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']);

/** Reads the text form; empty text matches everything. Throws `BadRequest` naming the place that cannot be read. */
export function parseLabelSelector(text: string): LabelRequirements {
  const reader = new SelectorReader(text);
  const requirements: LabelRequirement[] = [];
  while (!reader.atEnd()) {
    requirements.push(reader.requirement());
    if (reader.atEnd()) break;
    reader.expect(',');
    if (reader.atEnd()) reader.fail('found the end of the text, expected a label key');
  }
  for (const requirement of requirements) checkRequirement(text, requirement);
  return requirements;
}

/**
 * The requirements of an API object's selector. An absent selector gives undefined, which matches nothing; an empty one
 * gives the empty list, which matches everything. Unknown operators match nothing (validation refuses them).
 */
export function labelRequirements(selector: metav1.LabelSelector | undefined): LabelRequirements | undefined {
  if (selector === undefined) return undefined;
  const equal = Object.entries(selector.matchLabels ?? {}).map(
    ([key, value]): LabelRequirement => ({ key, operator: 'In', values: [value] }),
  );
  const expressions = (selector.matchExpressions ?? []).map(
    (e): LabelRequirement => ({
      key: e.key ?? '',
      operator: OPERATORS.has(e.operator ?? '') ? (e.operator as SelectorOperator) : 'In',
      values: e.values ?? [],
    }),
  );
  return [...equal, ...expressions];
}

/** Whether all requirements hold for `labels`. Undefined requirements match nothing. */
export function matchesLabels(requirements: LabelRequirements | undefined, labels: Labels): boolean {
  return requirements?.every((requirement) => matchesRequirement(requirement, labels)) ?? false;
}

/** Whether `selector` (of an API object) selects `labels`. For many objects, compile once with {@link labelRequirements}. */
export function selectorMatches(selector: metav1.LabelSelector | undefined, labels: Labels): boolean {
  return matchesLabels(labelRequirements(selector), labels);
}

/** Whether one requirement holds. A label that is absent satisfies `NotIn` and `DoesNotExist`, as in Kubernetes. */
export function matchesRequirement(requirement: LabelRequirement, labels: Labels): boolean {
  const { key, operator, values } = requirement;
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt':
      return comparesAs(operator, value, values[0]);
  }
}

function comparesAs(operator: 'Gt' | 'Lt', value: string | undefined, bound: string | undefined): boolean {
  if (!isInteger(value) || !isInteger(bound)) return false;
  return operator === 'Gt' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d+$/.test(text);
}

/** The text form, as Kubernetes prints it: keys in order, sets sorted. */
export function formatLabelSelector(requirements: LabelRequirements): string {
  return [...requirements]
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(formatRequirement)
    .join(',');
}

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  const set = `(${[...values].sort().join(',')})`;
  switch (operator) {
    case 'In':
      return values.length === 1 ? `${key}=${values[0] ?? ''}` : `${key} in ${set}`;
    case 'NotIn':
      return values.length === 1 ? `${key}!=${values[0] ?? ''}` : `${key} notin ${set}`;
    case 'Exists':
      return key;
    case 'DoesNotExist':
      return `!${key}`;
    case 'Gt':
      return `${key}>${values[0] ?? ''}`;
    case 'Lt':
      return `${key}<${values[0] ?? ''}`;
  }
}

/**
 * Reads a field selector such as `status.phase!=Running,spec.nodeName=a`. In values a backslash escapes comma, equals sign
 * and backslash. Throws `BadRequest` for a term without an operator.
 */
export function parseFieldSelector(text: string): FieldRequirements {
  return splitTerms(text).map((term) => {
    const match = /^(.*?)(!=|==|=)(.*)$/s.exec(term);
    const field = match?.[1]?.trim() ?? '';
    if (match === null || field === '') {
      throw new ApiError('BadRequest', `Cannot read the field selector ${JSON.stringify(text)}: ${invalidTerm(term)}`);
    }
    const value = (match[3] ?? '').trim().replace(/\\([\\,=])/g, '$1');
    return { field, operator: match[2] === '!=' ? '!=' : '=', value };
  });
}

function invalidTerm(term: string): string {
  return `${JSON.stringify(term)} is not of the form field=value or field!=value`;
}

/** Terms between unescaped commas, without the empty ones. */
function splitTerms(text: string): string[] {
  return [...text.matchAll(/(?:\\.|[^,\\])+/gs)].map((m) => m[0].trim()).filter((term) => term !== '');
}

/** Whether all conditions hold, given the value of each field (absent ones are the empty string). */
export function matchesFields(requirements: FieldRequirements, fieldValue: (field: string) => string): boolean {
  return requirements.every((r) => (fieldValue(r.field) === r.value) === (r.operator === '='));
}

/** The text form of a field selector. */
export function formatFieldSelector(requirements: FieldRequirements): string {
  return requirements.map((r) => `${r.field}${r.operator}${r.value.replace(/[\\,=]/g, '\\$&')}`).join(',');
}

function checkRequirement(text: string, { key, operator, values }: LabelRequirement): void {
  const problems = qualifiedName(key).map((problem) => `key ${JSON.stringify(key)}: ${problem}`);
  for (const value of values) {
    if (operator === 'Gt' || operator === 'Lt') {
      if (!isInteger(value)) problems.push(`for ${JSON.stringify(key)} the value must be an integer`);
    } else {
      problems.push(...labelValue(value).map((problem) => `value ${JSON.stringify(value)}: ${problem}`));
    }
  }
  if (problems.length === 0) return;
  throw new ApiError('BadRequest', `Cannot read the label selector ${JSON.stringify(text)}: ${problems.join('; ')}`);
}

/** A cursor over the text form. */
class SelectorReader {
  private position = 0;

  constructor(private readonly text: string) {}

  atEnd(): boolean {
    this.skipSpace();
    return this.position >= this.text.length;
  }

  expect(symbol: string): void {
    if (!this.take(symbol)) this.fail(`found ${this.found()}, expected ${JSON.stringify(symbol)}`);
  }

  requirement(): LabelRequirement {
    if (this.take('!')) return { key: this.key(), operator: 'DoesNotExist', values: [] };
    const key = this.key();
    if (this.take('!=')) return { key, operator: 'NotIn', values: [this.word()] };
    if (this.take('==') || this.take('=')) return { key, operator: 'In', values: [this.word()] };
    if (this.take('>')) return { key, operator: 'Gt', values: [this.word()] };
    if (this.take('<')) return { key, operator: 'Lt', values: [this.word()] };
    const mark = this.position;
    const word = this.word();
    if (word === 'in') return { key, operator: 'In', values: this.set() };
    if (word === 'notin') return { key, operator: 'NotIn', values: this.set() };
    this.position = mark;
    this.skipSpace();
    if (this.position < this.text.length && this.text[this.position] !== ',') {
      this.fail(`found ${this.found()}, expected one of ',', '=', '==', '!=', '>', '<', 'in', 'notin'`);
    }
    return { key, operator: 'Exists', values: [] };
  }

  fail(problem: string): never {
    throw new ApiError('BadRequest', `Cannot read the label selector ${JSON.stringify(this.text)}: ${problem}`);
  }

  private key(): string {
    const key = this.word();
    if (key === '') this.fail(`found ${this.found()}, expected a label key`);
    return key;
  }

  private set(): string[] {
    this.expect('(');
    const values = new Set<string>([this.word()]);
    while (this.take(',')) values.add(this.word());
    this.expect(')');
    return [...values];
  }

  private word(): string {
    this.skipSpace();
    const start = this.position;
    while (this.position < this.text.length && !/[\s,()=!<>]/.test(this.text.charAt(this.position))) this.position += 1;
    return this.text.slice(start, this.position);
  }

  private take(symbol: string): boolean {
    this.skipSpace();
    if (!this.text.startsWith(symbol, this.position)) return false;
    this.position += symbol.length;
    return true;
  }

  private skipSpace(): void {
    while (/\s/.test(this.text.charAt(this.position))) this.position += 1;
  }

  private found(): string {
    this.skipSpace();
    const rest = this.text.slice(this.position);
    return rest === '' ? 'the end of the text' : JSON.stringify(rest.slice(0, 20));
  }
}
