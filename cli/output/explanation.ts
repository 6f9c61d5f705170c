import type { apiv1 } from '../../proto/api.ts';

/** How an explanation is laid out. */
export interface ExplanationStyle {
  readonly recursive: boolean;
  readonly columns: number;
}

/** The documentation of a kind or field, as `explain` prints it. */
export function formatExplanation(reply: apiv1.ExplainReply, style: ExplanationStyle): string {
  const field = reply.field ?? {};
  const head = [
    ...((reply.group ?? '') === '' ? [] : [`GROUP:      ${reply.group}`]),
    `KIND:       ${reply.kind ?? ''}`,
    `VERSION:    ${reply.version ?? ''}`,
    '',
  ];
  const isField = (field.name ?? '') !== '' && field.name !== reply.kind;
  if (isField)
    head.push(`FIELD: ${field.name} <${field.type ?? ''}>${field.required === true ? ' -required-' : ''}`, '');
  const noEffect = (reply.unsupported ?? '') === '' ? [] : [`Objects are stored, but ${reply.unsupported}.`];
  const body = [
    'DESCRIPTION:',
    ...paragraph(field.description || '<empty>', '    ', style.columns),
    ...noEffect.flatMap((line) => paragraph(line, '    ', style.columns)),
    ...remarks(field, '    ', style.columns),
    '',
  ];
  const children = field.fields ?? [];
  const fields =
    children.length === 0 ? [] : ['FIELDS:', ...children.flatMap((child) => fieldLines(child, '  ', style))];
  return `${[...head, ...body, ...fields].join('\n').trimEnd()}\n`;
}

function fieldLines(field: apiv1.ExplainField, indent: string, style: ExplanationStyle): string[] {
  const unsupported = (field.unsupported ?? '') === '' ? '' : ' (no effect yet)';
  const line = `${indent}${field.name ?? ''}\t<${field.type ?? ''}>${field.required === true ? ' -required-' : ''}${unsupported}`;
  const children = (field.fields ?? []).flatMap((child) => fieldLines(child, `${indent}  `, style));
  if (style.recursive) return [line, ...children];
  const text = paragraph(field.description ?? '', `${indent}  `, style.columns);
  return [line, ...text, ...remarks(field, `${indent}  `, style.columns), '', ...children];
}

function remarks(field: apiv1.ExplainField, indent: string, columns: number): string[] {
  const values = field.values ?? [];
  const lines: string[] = [];
  if (values.length > 0) lines.push(`One of: ${values.map((value) => (value === '' ? '""' : value)).join(', ')}.`);
  if ((field.default ?? '') !== '') lines.push(`Default: ${field.default}.`);
  if ((field.unsupported ?? '') !== '') lines.push(`Stored, but ${field.unsupported}.`);
  return lines.flatMap((line) => paragraph(line, indent, columns));
}

/** Text wrapped at the column, each line indented. */
export function paragraph(text: string, indent: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((one) => one !== '')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > columns) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, indent + line];
}
