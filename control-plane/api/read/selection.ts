import {
  type FieldRequirements,
  type LabelRequirements,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
} from '../../../lib/selectors.ts';
import type { KubeObject, ResourceType } from '../../../proto/index.ts';
import { badRequest, didYouMean } from '../api-errors.ts';
import type { Target } from '../request/target.ts';
import type { AnyDefinition } from '../services.ts';

/** Which objects of a collection a list, watch or deletion is about. */
export interface Selection {
  /** Nothing is left out: no object need be looked at. */
  readonly everything: boolean;
  readonly matches: (object: KubeObject) => boolean;
}

/** The selectors of a request in text form, and a single object's name where only that one is wanted. */
export interface SelectorTexts {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly name: string;
}

/**
 * Compiles selectors, whose fields have the names of the version the request speaks. Throws `BadRequest` for text that cannot be
 * read and for fields nothing can be selected by.
 */
export function compileSelection(
  { definition, served }: Pick<Target, 'definition' | 'served'>,
  texts: SelectorTexts,
): Selection {
  const labels = parseLabelSelector(texts.labelSelector);
  const names = served.storedAs?.fieldNames ?? {};
  const asked = parseFieldSelector(texts.fieldSelector);
  checkFields(asked, { known: knownNames(definition, served), type: served.type, texts });
  const fields = asked.map((requirement) => ({ ...requirement, field: names[requirement.field] ?? requirement.field }));
  const all =
    texts.name === '' ? fields : [...fields, { field: 'metadata.name', operator: '=', value: texts.name } as const];
  return {
    everything: labels.length === 0 && all.length === 0,
    matches: (object) => matches(object, labels, all, definition),
  };
}

function matches(
  object: KubeObject,
  labels: LabelRequirements,
  fields: FieldRequirements,
  definition: AnyDefinition,
): boolean {
  return (
    matchesLabels(labels, object.metadata?.labels) &&
    matchesFields(fields, (field) => fieldText(field, object, definition))
  );
}

/** What a version's selectors may name: its own names, or those of the stored version where it has none. */
function knownNames(definition: AnyDefinition, served: AnyDefinition): readonly string[] {
  const names = served.storedAs?.fieldNames ?? definition.selectableFields ?? {};
  return ['metadata.name', 'metadata.namespace', ...Object.keys(names)];
}

function checkFields(
  fields: FieldRequirements,
  {
    known,
    type,
    texts,
  }: { readonly known: readonly string[]; readonly type: ResourceType; readonly texts: SelectorTexts },
): void {
  const bad = fields.find(({ field }) => !known.includes(field));
  if (bad === undefined) return;
  throw badRequest(
    `Unable to find "${apiName(type)}" that match label selector "${texts.labelSelector}", ` +
      `field selector "${texts.fieldSelector}": field label not supported: ${bad.field}${didYouMean(bad.field, known)}`,
  );
}

function apiName(type: ResourceType): string {
  return `${type.apiVersion}, Resource=${type.plural}`;
}

function fieldText(field: string, object: KubeObject, definition: AnyDefinition): string {
  if (field === 'metadata.name') return object.metadata?.name ?? '';
  if (field === 'metadata.namespace') return object.metadata?.namespace ?? '';
  return definition.selectableFields?.[field]?.(object) ?? '';
}
