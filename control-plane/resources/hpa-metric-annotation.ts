/**
 * Metrics as autoscaling/v1 writes them into an annotation: each source flat, with the target's parts as fields of their own.
 * Members stand in the order in which Kubernetes writes them.
 */
import { type autoscalingv2, fromJson, type Json, type JsonObject, toJson } from '../../proto/index.ts';

const SPEC = 'skiff.autoscaling.v2.MetricSpec';
const STATUS = 'skiff.autoscaling.v2.MetricStatus';

/** A member of the flat form and where it stands in a source of v2. */
type Row = readonly [flat: string, path: readonly string[]];

const METRIC_NAME: Row = ['metricName', ['metric', 'name']];
const SELECTOR: Row = ['selector', ['metric', 'selector']];

/** The flat form of each source; `in` is the part that holds the amounts: `target` or `current`. */
function rowsOf(part: 'target' | 'current'): Readonly<Record<string, readonly Row[]>> {
  const amount = (name: string): readonly string[] => [part, name];
  const prefixed = (name: string): string => `${part}${name}`;
  const use: readonly Row[] = [
    ['name', ['name']],
    [prefixed('AverageUtilization'), amount('averageUtilization')],
    [prefixed('AverageValue'), amount('averageValue')],
  ];
  return {
    object: [
      ['target', ['describedObject']],
      METRIC_NAME,
      [prefixed('Value'), amount('value')],
      SELECTOR,
      ['averageValue', amount('averageValue')],
    ],
    pods: [METRIC_NAME, [prefixed('AverageValue'), amount('averageValue')], SELECTOR],
    resource: use,
    containerResource: [...use, ['container', ['container']]],
    external: [
      METRIC_NAME,
      ['metricSelector', ['metric', 'selector']],
      [prefixed('Value'), amount('value')],
      [prefixed('AverageValue'), amount('averageValue')],
    ],
  };
}

const TARGETS = rowsOf('target');
const CURRENTS = rowsOf('current');

/** Amounts that v1 always writes: zero stands for absent. */
const ALWAYS: Readonly<Record<string, readonly string[]>> = {
  object: ['targetValue', 'currentValue'],
  pods: ['targetAverageValue', 'currentAverageValue'],
  resource: ['currentAverageValue'],
  containerResource: ['currentAverageValue'],
  external: ['currentValue'],
};

/** A metric in the flat form. */
export function metricToFlat(metric: autoscalingv2.MetricSpec): JsonObject {
  return toFlat(toJson(SPEC, metric), TARGETS);
}

/** What was measured of a metric, in the flat form. */
export function statusToFlat(status: autoscalingv2.MetricStatus): JsonObject {
  return toFlat(toJson(STATUS, status), CURRENTS);
}

/** A metric from its flat form; what cannot be read is left out. */
export function metricFromFlat(flat: JsonObject): autoscalingv2.MetricSpec {
  const nested = fromFlat(flat, TARGETS);
  for (const source of Object.keys(TARGETS)) {
    const target = objectAt(objectAt(nested[source]).target);
    if (Object.keys(objectAt(nested[source])).length > 0) target.type = targetType(source, target);
  }
  return fromJson<autoscalingv2.MetricSpec>(SPEC, nested).value;
}

/** What was measured of a metric, from its flat form. */
export function statusFromFlat(flat: JsonObject): autoscalingv2.MetricStatus {
  return fromJson<autoscalingv2.MetricStatus>(STATUS, fromFlat(flat, CURRENTS)).value;
}

/** v1 does not say which amount is meant: it follows from what is there. */
function targetType(source: string, target: JsonObject): string {
  if (source === 'external') return target.value === undefined ? 'AverageValue' : 'Value';
  if (source === 'object') return target.averageValue === undefined ? 'Value' : 'AverageValue';
  return target.averageUtilization === undefined ? 'AverageValue' : 'Utilization';
}

function toFlat(json: JsonObject, table: typeof TARGETS): JsonObject {
  const flat: JsonObject = { type: json.type ?? '' };
  for (const [source, rows] of Object.entries(table)) {
    if (json[source] === undefined) continue;
    const out: JsonObject = {};
    for (const [name, path] of rows) {
      const value = path.reduce<Json | undefined>((at, key) => objectAt(at)[key], json[source]);
      if (value !== undefined) out[name] = value;
      else if (ALWAYS[source]?.includes(name)) out[name] = '0';
    }
    flat[source] = out;
  }
  return flat;
}

function fromFlat(flat: JsonObject, table: typeof TARGETS): JsonObject {
  const json: JsonObject = { type: flat.type ?? '' };
  for (const [source, rows] of Object.entries(table)) {
    if (flat[source] === undefined || flat[source] === null) continue;
    const part = table === TARGETS ? 'target' : 'current';
    const out: JsonObject = { [part]: {} };
    for (const [name, path] of rows) {
      const value = objectAt(flat[source])[name];
      const isAbsent = ALWAYS[source]?.includes(name) && (value === '0' || value === 0);
      if (value !== undefined && !isAbsent) setAt(out, path, value);
    }
    json[source] = out;
  }
  return json;
}

function setAt(object: JsonObject, path: readonly string[], value: Json): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) object[key] = value;
  else {
    const inner = objectAt(object[key]);
    object[key] = inner;
    setAt(inner, rest, value);
  }
}

/** The object itself, so that it can be filled; a new one when it is something else. */
function objectAt(json: Json | undefined): JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as JsonObject) : {};
}
