import type { apiv1 } from '../../proto/api.ts';
import { formatTable } from './text-table.ts';

const EFFECT = 'IS STORED, BUT';

/**
 * What has no effect yet, a line each: of one kind or field when `reply` is about one, else of every kind. A field below one
 * that has no effect is not told of again.
 */
export function formatUnsupported(reply: apiv1.ExplainReply): string {
  if (reply.kinds !== undefined && reply.kinds.length > 0) return ofEveryKind(reply.kinds);
  const rows = rowsOf(reply);
  if (rows.length === 0) return 'Everything here is acted on.\n';
  return formatTable([['FIELD', EFFECT], ...rows]);
}

function ofEveryKind(kinds: readonly apiv1.ExplainReply[]): string {
  const rows = kinds.flatMap((kind) =>
    rowsOf(kind).map(([field = '', effect = '']) => [kind.kind ?? '', apiVersionOf(kind), field, effect]),
  );
  const notes = [
    'What is said of Pod holds for the pod templates of other kinds, and of containers for initContainers.',
    '"skiff explain KIND --unsupported" lists a kind in full.',
  ];
  return `${formatTable([['KIND', 'APIVERSION', 'FIELD', EFFECT], ...rows])}\n${notes.join('\n')}\n`;
}

function rowsOf({ unsupported = '', field = {} }: apiv1.ExplainReply): string[][] {
  const whole = unsupported === '' ? [] : [['(all)', unsupported]];
  return [...whole, ...fieldRows(field)];
}

function fieldRows(field: apiv1.ExplainField): string[][] {
  if ((field.unsupported ?? '') !== '') return [[field.path ?? '', field.unsupported ?? '']];
  return (field.fields ?? []).flatMap(fieldRows);
}

function apiVersionOf({ group = '', version = '' }: apiv1.ExplainReply): string {
  return group === '' ? version : `${group}/${version}`;
}
