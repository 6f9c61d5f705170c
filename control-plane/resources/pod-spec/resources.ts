/** What is wrong with requests and limits. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { qualifiedName } from '../../../lib/name-rules.ts';
import { parseQuantity, type Quantity } from '../../../lib/quantity.ts';
import { type corev1, joinPath } from '../../../proto/index.ts';
import { byRule, forbidden, invalid, required } from '../validation/field-errors.ts';

const STANDARD: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage']);
const NANO = 1_000_000_000n;

/** Everything wrong with the resources at `path`. */
export function validateResources(resources: corev1.ResourceRequirements | undefined, path: string): ErrorCause[] {
  if (resources === undefined) return [];
  const { limits = {}, requests = {} } = resources;
  return [
    ...validateList(limits, `${path}.limits`),
    ...validateList(requests, `${path}.requests`),
    ...Object.keys(requests).flatMap((name) => validateRequest(resources, name, path)),
    ...validateHugePages(resources, path),
  ];
}

function validateList(list: Readonly<Record<string, string>>, path: string): ErrorCause[] {
  return Object.entries(list).flatMap(([name, text]) => {
    const field = joinPath(path, name);
    const causes = byRule(field, name, qualifiedName);
    if (causes.length === 0 && !name.includes('/') && !isStandard(name)) {
      causes.push(invalid(field, name, 'must be a standard resource for containers'));
    }
    return [...causes, ...validateAmount(name, text, field)];
  });
}

function validateAmount(name: string, text: string, field: string): ErrorCause[] {
  // What is no quantity is refused by the schema.
  const quantity = parseQuantity(text);
  if (quantity === undefined) return [];
  if (quantity.nano < 0n) return [invalid(field, text, 'must be greater than or equal to 0')];
  return !isDivisible(name) && quantity.nano % NANO !== 0n ? [invalid(field, text, 'must be an integer')] : [];
}

/** Whether parts of one can be asked for. Huge pages and devices come whole, and never more than were requested. */
function isDivisible(name: string): boolean {
  return STANDARD.has(name);
}

function isStandard(name: string): boolean {
  return STANDARD.has(name) || name.startsWith('hugepages-');
}

function validateRequest({ limits, requests }: corev1.ResourceRequirements, name: string, path: string): ErrorCause[] {
  const field = joinPath(`${path}.requests`, name);
  const request = quantityOf(requests, name);
  const limit = quantityOf(limits, name);
  if (request === undefined) return [];
  if (limit === undefined) {
    return isDivisible(name) || !name.includes('/')
      ? []
      : [required(joinPath(`${path}.limits`, name), 'Limit must be set for non overcommitable resources')];
  }
  const shown = requests?.[name] ?? '';
  if (!isDivisible(name) && request.nano !== limit.nano) {
    return [invalid(field, shown, `must be equal to ${name} limit of ${limits?.[name]}`)];
  }
  if (request.nano > limit.nano) {
    return [invalid(field, shown, `must be less than or equal to ${name} limit of ${limits?.[name]}`)];
  }
  return [];
}

function validateHugePages({ limits = {}, requests = {} }: corev1.ResourceRequirements, path: string): ErrorCause[] {
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  const needsMore =
    names.some((name) => name.startsWith('hugepages-')) && !names.some((n) => n === 'cpu' || n === 'memory');
  return needsMore ? [forbidden(path, 'HugePages require cpu or memory')] : [];
}

function quantityOf(list: Readonly<Record<string, string>> | undefined, name: string): Quantity | undefined {
  const text = list?.[name];
  return text === undefined ? undefined : parseQuantity(text);
}
