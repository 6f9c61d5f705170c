import { apiv1, type KubeObject, type ResourceType, toJson } from '../../../proto/index.ts';
import { toAny } from '../request/decode.ts';
import type { Target } from '../request/target.ts';
import { servedEncoding } from '../request/versions.ts';
import type { AnyDefinition } from '../services.ts';
import type { WriteAction, WriteOutcome } from '../write/write-request.ts';

/** An object to be put into a reply in the form asked for. */
export interface Answer {
  readonly definition: AnyDefinition;
  readonly object: KubeObject;
  /** The stored bytes, where the object came with them. */
  readonly bytes: Uint8Array;
  readonly version: number;
  /** What of the object comes with a row; nothing unless asked for. */
  readonly rowObject?: apiv1.RowObject | undefined;
}

const ACTIONS: Readonly<Record<WriteAction, apiv1.Action>> = {
  created: apiv1.Action.CREATED,
  configured: apiv1.Action.CONFIGURED,
  unchanged: apiv1.Action.UNCHANGED,
  deleted: apiv1.Action.DELETED,
  deleting: apiv1.Action.DELETING,
};

/** The reply with one object. */
export function objectReply(answer: Answer, output: apiv1.Output, extra: Partial<apiv1.ObjectReply> = {}): Uint8Array {
  const { definition, object, version } = answer;
  const reply: apiv1.ObjectReply = {
    ...form(answer, output),
    resourceVersion: String(version),
    identity: identityOf(definition.type, object),
    ...extra,
  };
  return apiv1.ObjectReply.encode(reply).finish();
}

/** The reply to a write. */
export function writeReply(target: Target, outcome: WriteOutcome, output: apiv1.Output): Uint8Array {
  const { version } = outcome;
  const deprecation = target.served.custom?.deprecation;
  const warnings = deprecation === undefined ? outcome.warnings : [deprecation, ...outcome.warnings];
  return objectReply({ definition: target.served, ...servedEncoding(target, outcome), version }, output, {
    action: ACTIONS[outcome.action],
    ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
  });
}

function form({ definition, object, bytes, version, rowObject }: Answer, output: apiv1.Output): apiv1.ObjectReply {
  switch (output) {
    case apiv1.Output.JSON:
      return { json: jsonOf(definition, object) };
    case apiv1.Output.TABLE:
      return {
        table: { columns: columnsOf(definition), rows: [rowOf(definition, object, { version, rowObject })] },
      };
    case apiv1.Output.NONE:
      return {};
    default:
      return { object: toAny(definition.type, bytes) };
  }
}

/** Kubernetes JSON of an object, as bytes. */
export function jsonOf(definition: AnyDefinition, object: KubeObject): Buffer {
  return Buffer.from(JSON.stringify(toJson(definition.type.messageName, object)));
}

/** The columns of a kind's table. */
export function columnsOf(definition: AnyDefinition): apiv1.Column[] {
  return definition.columns.map(({ name, wide, age }) => ({
    name,
    ...(wide === true ? { wide } : {}),
    ...(age === true ? { age } : {}),
  }));
}

/** One row of a kind's table. `rowObject` adds the object or its metadata, for label columns and sorting. */
export function rowOf(
  definition: AnyDefinition,
  object: KubeObject,
  { version, rowObject }: { readonly version: number; readonly rowObject: apiv1.RowObject | undefined },
): apiv1.Row {
  const { namespace, name } = object.metadata ?? {};
  return {
    cells: definition.columns.map(({ cell }) => cell(object)),
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    resourceVersion: String(version),
    ...rowJson(definition, object, rowObject),
  };
}

function rowJson(
  definition: AnyDefinition,
  object: KubeObject,
  rowObject: apiv1.RowObject | undefined,
): Pick<apiv1.Row, 'json'> {
  if (rowObject === apiv1.RowObject.WHOLE) return { json: jsonOf(definition, object) };
  if (rowObject !== apiv1.RowObject.METADATA) return {};
  const { managedFields: _, ...metadata } = object.metadata ?? {};
  return { json: jsonOf(definition, { apiVersion: object.apiVersion, kind: object.kind, metadata } as KubeObject) };
}

/** Who an object is, with its kind's names. */
export function identityOf(type: ResourceType, object?: KubeObject): apiv1.ObjectIdentity {
  const { group, version, kind, plural, singular, namespaced } = type;
  const { namespace, name, uid } = object?.metadata ?? {};
  return {
    group,
    version,
    kind,
    plural,
    singular,
    namespaced,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(uid === undefined ? {} : { uid }),
  };
}

/** The form asked for, objects when nothing is said. */
export function outputOf(output: apiv1.Output | undefined): apiv1.Output {
  return output ?? apiv1.Output.OBJECT;
}
