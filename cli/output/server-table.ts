import type { apiv1 } from '../../proto/api.ts';
import { ageOf } from './human-duration.ts';

/** How the server's rows become cells. */
export interface TableStyle {
  readonly wide: boolean;
  readonly withNamespace: boolean;
  readonly showKind?: string;
  /** Names of labels shown as columns of their own. */
  readonly labelColumns: readonly string[];
  readonly showLabels: boolean;
  readonly nowMs: number;
}

/** Labels of a row's object, for label columns. */
export type LabelsOf = (row: apiv1.Row) => Readonly<Record<string, string>>;

/** The header of a table. */
export function headerCells(columns: readonly apiv1.Column[], style: TableStyle): string[] {
  return [
    ...(style.withNamespace ? ['NAMESPACE'] : []),
    ...shownColumns(columns, style).map(({ column }) => column.name ?? ''),
    ...style.labelColumns.map((label) => (label.split('/').at(-1) ?? label).toUpperCase()),
    ...(style.showLabels ? ['LABELS'] : []),
  ];
}

/** The cells of one row. The first column is the name; `showKind` puts the kind before it. */
export function rowCells(
  columns: readonly apiv1.Column[],
  row: apiv1.Row,
  style: TableStyle,
  labelsOf: LabelsOf,
): string[] {
  const labels = style.labelColumns.length > 0 || style.showLabels ? labelsOf(row) : {};
  return [
    ...(style.withNamespace ? [row.namespace ?? ''] : []),
    ...shownColumns(columns, style).map(({ column, index }) => {
      const text = row.cells?.[index] ?? '';
      if (column.age === true) return ageCell(text, style.nowMs);
      if (column.name === 'NAME') return style.showKind === undefined ? text : `${style.showKind}/${text}`;
      return withAges(text, style.nowMs);
    }),
    ...style.labelColumns.map((label) => labels[label] ?? ''),
    ...(style.showLabels ? [formatLabels(labels)] : []),
  ];
}

/** Labels as `a=1,b=2`, or `<none>`. */
export function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.keys(labels)
    .sort()
    .map((key) => `${key}=${labels[key]}`);
  return pairs.length === 0 ? '<none>' : pairs.join(',');
}

function shownColumns(columns: readonly apiv1.Column[], style: TableStyle): { column: apiv1.Column; index: number }[] {
  return columns.map((column, index) => ({ column, index })).filter(({ column }) => style.wide || column.wide !== true);
}

/** A cell of times is shown as ages; what is no time stays. */
function ageCell(text: string, nowMs: number): string {
  return text === '' || !Number.isNaN(Date.parse(text)) ? ageOf(text, nowMs) : text;
}

/** A cell in which each RFC 3339 time followed by ` ago` is an age: `3 (2026-01-02T03:04:05Z ago)` → `3 (5m ago)`. */
function withAges(text: string, nowMs: number): string {
  return text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z(?= ago)/g, (time) => ageOf(time, nowMs));
}
