import type { apiv1 } from '../../proto/index.ts';
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
      if (column.age === true) return ageOf(text, style.nowMs);
      return column.name === 'NAME' && style.showKind !== undefined ? `${style.showKind}/${text}` : text;
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
