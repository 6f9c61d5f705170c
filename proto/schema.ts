/**
 * The schema as data: every message and field of every kind, read from the compact table that the build makes from the
 * .proto sources. The JSON codec, merging, `explain` and the "has no effect" warnings all run on this and on nothing else.
 */
import table from './gen/schema-table.json' with { type: 'json' };

/** Wire type of a field's elements: a scalar's name, or a full message name such as `skiff.core.v1.PodSpec`. */
export type FieldType = string;

/** How a string field is written in JSON; see `skiff/schema/v1/schema.proto`. */
export type FieldFormat = 'quantity' | 'intOrString' | 'time' | 'microTime' | 'json' | 'jsonInline' | 'union';

/** One field of a message. */
export interface FieldSchema {
  /** The JSON name, which is also the property name of the typed object. */
  readonly name: string;
  readonly number: number;
  readonly type: FieldType;
  readonly isMessage: boolean;
  /** The message, for fields that no .proto describes (those of custom kinds, for `explain`). */
  readonly message?: () => MessageSchema;
  readonly cardinality: 'single' | 'list' | 'map';
  /** A pointer in Kubernetes: absent and zero differ. */
  readonly explicit: boolean;
  readonly format: FieldFormat | undefined;
  readonly always: boolean;
  readonly required: boolean;
  readonly values: readonly string[] | undefined;
  readonly list: 'atomic' | 'set' | 'map';
  readonly mergeKeys: readonly string[];
  readonly retainKeys: boolean;
  /** The effect this field has in Kubernetes and not here; undefined when it is acted on. */
  readonly unsupported: string | undefined;
  /** What the server fills in when the field is absent, in words; undefined when nothing. */
  readonly default: string | undefined;
  readonly description: string;
}

/** Identity of a kind. */
export interface KindSchema {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** The effect objects of this kind have in Kubernetes and not here; undefined when the kind is acted on. */
  readonly unsupported?: string;
}

/** One message: its fields in declaration order and by name. */
export interface MessageSchema {
  readonly name: string;
  readonly description: string;
  readonly kind: KindSchema | undefined;
  readonly fields: readonly FieldSchema[];
  readonly byName: ReadonlyMap<string, FieldSchema>;
}

interface FieldRow {
  readonly n: string;
  readonly i: number;
  readonly t: string;
  readonly c?: string;
  readonly x?: number;
  readonly m?: string;
  readonly a?: number;
  readonly r?: number;
  readonly v?: readonly string[];
  readonly l?: string;
  readonly k?: readonly string[];
  readonly e?: number;
  readonly u?: string;
  readonly z?: string;
  readonly d?: string;
}

interface MessageRow {
  readonly f: readonly FieldRow[];
  readonly d?: string;
  readonly k?: KindSchema;
}

const rows = table as unknown as Readonly<Record<string, MessageRow>>;
const compiled = new Map<string, MessageSchema>();

/** The schema of the message called `name`. Throws on an unknown name: that is a programming error. */
export function messageSchema(name: string): MessageSchema {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const row = rows[name];
  if (row === undefined) throw new Error(`the schema has no message ${name}`);
  const fields = row.f.map(fieldSchema);
  const schema: MessageSchema = {
    name,
    description: row.d ?? '',
    kind: row.k,
    fields,
    byName: new Map(fields.map((f) => [f.name, f])),
  };
  compiled.set(name, schema);
  return schema;
}

function fieldSchema(row: FieldRow): FieldSchema {
  return {
    name: row.n,
    number: row.i,
    type: row.t,
    isMessage: row.t.includes('.'),
    cardinality: (row.c ?? 'single') as FieldSchema['cardinality'],
    explicit: row.x === 1,
    format: row.m as FieldFormat | undefined,
    always: row.a === 1,
    required: row.r === 1,
    values: row.v,
    list: (row.l ?? 'atomic') as FieldSchema['list'],
    mergeKeys: row.k ?? [],
    retainKeys: row.e === 1,
    unsupported: row.u,
    default: row.z,
    description: row.d ?? '',
  };
}

/** Names of all messages that are kinds. */
export function kindMessages(): string[] {
  return Object.keys(rows).filter((name) => rows[name]?.k !== undefined);
}
