import { joinPath, type MessageSchema, messageSchema } from '../../../proto/index.ts';

type Loose = Record<string, unknown>;

/** Warnings in one reply; more would hide what matters. */
const MAX_WARNINGS = 20;

/** Messages below which some field is without effect; the others are never walked. */
const concerned = new Map<string, boolean>();

/**
 * A line for every field that is set, kept, and not acted on: one per field however often it occurs, such as
 * `spec.containers[].livenessProbe.grpc is stored but …`. Says so when it leaves some out. Of a kind that is not acted on at
 * all one line says that, and nothing is said of its fields.
 */
export function unsupportedFieldWarnings(messageName: string, value: object): string[] {
  const schema = messageSchema(messageName);
  const { kind } = schema;
  if (kind?.unsupported !== undefined) return [`${kind.kind} is stored but ${kind.unsupported}`];
  if (!isConcerned(messageName)) return [];
  const found = new Map<string, string>();
  collect(schema, value as Loose, '', found);
  const lines = [...found].map(([path, effect]) => `${path} is stored but ${effect}`);
  if (lines.length <= MAX_WARNINGS) return lines;
  return [...lines.slice(0, MAX_WARNINGS), `${lines.length - MAX_WARNINGS} more fields are stored without effect`];
}

function isConcerned(messageName: string): boolean {
  const known = concerned.get(messageName);
  if (known !== undefined) return known;
  // Breaks recursion of messages that contain themselves: they are concerned if anything else in them is.
  concerned.set(messageName, false);
  const result = messageSchema(messageName).fields.some(
    (field) => field.unsupported !== undefined || (field.isMessage && isConcerned(field.type)),
  );
  concerned.set(messageName, result);
  return result;
}

function collect(schema: MessageSchema, value: Loose, path: string, found: Map<string, string>): void {
  for (const name of Object.keys(value)) {
    const field = schema.byName.get(name);
    const raw = value[name];
    if (field === undefined || raw === undefined) continue;
    const at = joinPath(path, name);
    if (field.unsupported !== undefined) {
      if (raw !== false && raw !== '' && raw !== 0) found.set(at, field.unsupported);
      continue;
    }
    if (!field.isMessage || !isConcerned(field.type)) continue;
    const below = messageSchema(field.type);
    if (field.cardinality === 'list') {
      for (const item of raw as Loose[]) collect(below, item, `${at}[]`, found);
    } else if (field.cardinality === 'map') {
      for (const item of Object.values(raw as Loose)) collect(below, item as Loose, `${at}[]`, found);
    } else collect(below, raw as Loose, at, found);
  }
}
