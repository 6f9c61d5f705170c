import { apiv1 } from '../../../proto/index.ts';
import { checkAccess } from '../authorization/check-access.ts';
import { type ListPage, listObjects } from '../read/list.ts';
import { checkCollection, pageAsAsked } from '../read/peers.ts';
import { resolveTarget, type Target } from '../request/target.ts';
import { servedEntry } from '../request/versions.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import type { UnaryVerb } from './call.ts';
import { columnsOf, identityOf, jsonOf, outputOf, rowOf } from './reply.ts';
import { packListItem } from './wire.ts';

/**
 * Stored bytes in one reply, by form. Replies stay under 3 MiB: JSON is up to four times as long as what is stored, a row
 * never longer.
 */
const MAX_STORED_BYTES = {
  [apiv1.Output.OBJECT]: 2_500_000,
  [apiv1.Output.JSON]: 600_000,
  [apiv1.Output.TABLE]: 2_000_000,
  [apiv1.Output.NONE]: Number.POSITIVE_INFINITY,
  [apiv1.Output.UNRECOGNIZED]: 600_000,
} as const;
/** Rows in one reply when only rows are sent. */
const MAX_ROWS = 5_000;

/** Resources.List */
export function listVerb(services: ApiServices): UnaryVerb<apiv1.ListRequest> {
  return async (request, { caller, signal }) => {
    const target = resolveTarget(request.target, services.registry);
    await checkAccess(services, caller, { verb: 'list', target, fieldSelector: request.fieldSelector, signal });
    checkCollection(target);
    const output = outputOf(request.output);
    const limit = request.limit ?? 0;
    const page = await listObjects(services, target, {
      labelSelector: request.labelSelector ?? '',
      fieldSelector: request.fieldSelector ?? '',
      limit: output === apiv1.Output.TABLE ? Math.min(limit || MAX_ROWS, MAX_ROWS) : limit,
      continueText: request.continue ?? '',
      resourceVersion: request.resourceVersion ?? '',
      exact: request.exact === true,
      maxBytes: MAX_STORED_BYTES[hasRowObjects(request) ? apiv1.Output.JSON : output],
      signal,
    });
    return encodePage(target.served, inServedVersion(target, pageAsAsked(target, page)), {
      output,
      rowObject: request.rowObject,
    });
  };
}

/** Rows that bring their objects are as large as the objects. */
function hasRowObjects({ output, rowObject }: apiv1.ListRequest): boolean {
  return output === apiv1.Output.TABLE && (rowObject ?? apiv1.RowObject.NONE) !== apiv1.RowObject.NONE;
}

function inServedVersion(target: Target, page: ListPage): ListPage {
  if (target.served.storedAs === undefined) return page;
  return { ...page, entries: page.entries.map((entry) => servedEntry(target, entry)) };
}

function encodePage(
  definition: AnyDefinition,
  page: ListPage,
  { output, rowObject }: { readonly output: apiv1.Output; readonly rowObject: apiv1.RowObject | undefined },
): Uint8Array {
  const reply: apiv1.ListReply = {
    resourceVersion: String(page.version),
    continue: page.continueText,
    remaining: page.remaining,
    identity: identityOf(definition.type),
  };
  if (output === apiv1.Output.TABLE) {
    const rows = page.entries.flatMap(({ object, version }) =>
      object === undefined ? [] : rowOf(definition, object, { version, rowObject }),
    );
    return apiv1.ListReply.encode({ ...reply, table: { columns: columnsOf(definition), rows } }).finish();
  }
  if (output === apiv1.Output.JSON) {
    const items = page.entries.flatMap(({ object, version }) =>
      object === undefined ? [] : { json: jsonOf(definition, object), resourceVersion: String(version) },
    );
    return apiv1.ListReply.encode({ ...reply, items }).finish();
  }
  const rest = Buffer.from(apiv1.ListReply.encode(reply).finish());
  if (output === apiv1.Output.NONE) return rest;
  // Fields of one message may stand in any order, so the items can simply precede the rest.
  return Buffer.concat([
    ...page.entries.map((entry) => packListItem(definition.type, entry.value, entry.version)),
    rest,
  ]);
}
