import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { valueText } from '../output/json-path.ts';
import { textAt } from '../resources/fields.ts';
import { type DescribeInput, eventLines, identityFields, nameFields, timeAndAge } from './common.ts';
import { block, type Field, field, formatDescription, present } from './description.ts';

/** A readable view of any object: who it is, everything it says, its events. Values of secrets are only measured. */
export function describeAny({ object, events, nowMs }: DescribeInput): string {
  const { apiVersion: _a, kind: _k, metadata: _m, ...rest } = object;
  const isSecret = textAt(object, 'kind') === 'Secret';
  const shown = isSecret ? hideSecrets(rest) : rest;
  const head = present([
    ...nameFields(object),
    ...identityFields(object),
    field('API Version', textAt(object, 'apiVersion')),
    field('Kind', textAt(object, 'kind')),
    field('Created', timeAndAge(textAt(object, 'metadata', 'creationTimestamp'), nowMs)),
  ]);
  return [formatDescription([...head, ...fieldsOf(shown)]), block('Events', eventLines(events, nowMs))].join('');
}

function hideSecrets(object: JsonObject): JsonObject {
  const hidden: Record<string, JsonValue> = { ...object };
  for (const key of ['data', 'stringData']) {
    const values = object[key];
    if (!isJsonObject(values)) continue;
    hidden[key] = Object.fromEntries(
      Object.entries(values).map(([name, value]) => {
        const bytes =
          key === 'data' ? Buffer.from(valueText(value), 'base64').length : Buffer.byteLength(valueText(value));
        return [name, `${bytes} bytes`];
      }),
    );
  }
  return hidden;
}

/** Fields whose keys people choose; they are shown as they were written. */
const FREE_KEYS = new Set(['data', 'stringData', 'binaryData', 'labels', 'annotations', 'matchLabels', 'nodeSelector']);

function fieldsOf(object: JsonObject, areFree = false): Field[] {
  return Object.keys(object)
    .sort()
    .map((key) => field(areFree ? key : title(key), describeValue(object[key] ?? null, FREE_KEYS.has(key))));
}

function describeValue(value: JsonValue, areKeysFree: boolean): Field['value'] {
  if (isJsonList(value)) {
    if (value.every((item) => !isJsonObject(item) && !isJsonList(item))) return value.map((item) => valueText(item));
    return value.map((item, index) => field(listLabel(item, index), describeValue(item, false)));
  }
  if (!isJsonObject(value)) return value === null ? '<none>' : String(value).replace(/\n$/, '');
  return fieldsOf(value, areKeysFree);
}

function listLabel(item: JsonValue, index: number): string {
  const name = textAt(item, 'name') || textAt(item, 'type');
  return name === '' ? `#${index + 1}` : name;
}

/** `minReadySeconds` as `Min Ready Seconds`; keys that are no field names (of labels and data) stay as they are. */
function title(key: string): string {
  if (!/^[a-z][a-zA-Z0-9]*$/.test(key)) return key;
  const words = key.replace(/([a-z0-9])([A-Z])/g, '$1 $2').replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
