import { hasReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import { type ApiClient, type ListOptions, parseObject, type TablePage } from '../api/api-client.ts';
import { throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { headerCells, rowCells, type TableStyle } from '../output/server-table.ts';
import { compileSort } from '../output/sort-objects.ts';
import { ColumnAligner } from '../output/text-table.ts';
import { mapAt } from '../resources/fields.ts';
import type { ObjectRequest } from '../resources/find-objects.ts';
import { kindWord } from '../resources/identity.ts';
import type { Session } from '../session.ts';
import type { GetOptions } from './get-options.ts';

/** A table of one kind, with the objects behind its rows where they are needed. */
export interface Section extends TablePage {
  readonly objects: ReadonlyMap<string, JsonObject>;
}

/** Prints the tables of all requests, one per kind. What was not found is told after what was. */
export async function printTables(
  session: Session,
  requests: readonly ObjectRequest[],
  options: GetOptions,
  wide: boolean,
): Promise<void> {
  const errors: unknown[] = [];
  const sections = await readSections(session.api, requests, options, errors);
  const filled = sections.filter((section) => section.rows.length > 0);
  const style = tableStyle(options, { wide, manyKinds: sections.length > 1, nowMs: session.terminal.now() });
  const text = filled.map((section) => formatSection(section, style, options)).join('\n');
  if (text !== '') session.terminal.stdout.write(text);
  else if (errors.length === 0 && options.ignoreNotFound !== true) {
    const namespaced =
      sections.some((section) => section.identity.namespaced === true) && options.allNamespaces !== true;
    session.terminal.stderr.write(`No resources found${namespaced ? ` in ${session.namespace} namespace.` : ''}\n`);
  }
  throwAll(errors);
}

/** How tables look under these options. */
export function tableStyle(
  options: GetOptions,
  { wide, manyKinds, nowMs }: { wide: boolean; manyKinds: boolean; nowMs: number },
): TableStyle & { readonly withKind: boolean } {
  return {
    wide,
    withNamespace: options.allNamespaces === true,
    withKind: options.showKind === true || manyKinds,
    labelColumns: options.labelColumns ?? [],
    showLabels: options.showLabels === true,
    nowMs,
  };
}

function formatSection(section: Section, style: ReturnType<typeof tableStyle>, options: GetOptions): string {
  const cells = sectionCells(section, style);
  const rows = options.headers ? [headerCells(section.columns, forSection(section, style)), ...cells] : cells;
  return new ColumnAligner().format(rows);
}

/** The rows of a section as cells. */
export function sectionCells(section: Section, style: ReturnType<typeof tableStyle>): string[][] {
  const own = forSection(section, style);
  return section.rows.map((row) => rowCells(section.columns, row, own, (one) => labelsOf(section, one)));
}

/** Cluster-scoped kinds have no namespace column even with -A. */
export function forSection(section: Section, style: ReturnType<typeof tableStyle>): TableStyle {
  return {
    ...style,
    withNamespace: style.withNamespace && section.identity.namespaced === true,
    ...(style.withKind ? { showKind: kindWord(section.identity) } : {}),
  };
}

function labelsOf(section: Section, row: apiv1.Row): Readonly<Record<string, string>> {
  return Object.fromEntries(mapAt(section.objects.get(rowKey(row.namespace, row.name)), 'metadata', 'labels'));
}

/** Reads what the requests ask for; requests of one kind become one section. Failures go to `errors`. */
async function readSections(
  api: ApiClient,
  requests: readonly ObjectRequest[],
  options: GetOptions,
  errors: unknown[],
): Promise<Section[]> {
  const sections = new Map<string, Section>();
  for (const request of requests) {
    try {
      const section = await readSection(api, request, options);
      const key = kindWord(section.identity);
      const before = sections.get(key);
      sections.set(
        key,
        before === undefined
          ? section
          : {
              ...before,
              rows: [...before.rows, ...section.rows],
              objects: new Map([...before.objects, ...section.objects]),
            },
      );
    } catch (err) {
      if (options.ignoreNotFound === true && hasReason(err, 'NotFound')) continue;
      errors.push(err);
      if (!hasReason(err, 'NotFound', 'BadRequest', 'Forbidden')) break;
    }
  }
  return [...sections.values()].map((section) => sorted(section, options.sortBy));
}

/** What the rows must bring along: labels are metadata, and a sort may be by anything. */
export function rowObjectFor(options: GetOptions): apiv1.RowObject {
  if (options.sortBy !== undefined) return apiv1.RowObject.WHOLE;
  const hasLabels = options.showLabels === true || (options.labelColumns ?? []).length > 0;
  return hasLabels ? apiv1.RowObject.METADATA : apiv1.RowObject.NONE;
}

/** How `get` fetches lists. */
export function listOptions(options: GetOptions): ListOptions {
  return {
    rowObject: rowObjectFor(options),
    ...(options.chunkSize === undefined ? {} : { pageSize: Number(options.chunkSize) }),
  };
}

/** Rows, with what {@link rowObjectFor} says of their objects. */
export async function readSection(api: ApiClient, request: ObjectRequest, options: GetOptions): Promise<Section> {
  const { target, single, selection } = request;
  const how = listOptions(options);
  const table = single ? await api.getTable(target, how) : await api.listTable(target, selection, how);
  const objects = table.rows.map((row) => [rowKey(row.namespace, row.name), rowObject(row)] as const);
  return { ...table, objects: new Map(how.rowObject === apiv1.RowObject.NONE ? [] : objects) };
}

/** The object that came with a row, or as much of it as did. */
export function rowObject(row: apiv1.Row): JsonObject {
  return (row.json?.length ?? 0) > 0 ? parseObject(row.json) : {};
}

function sorted(section: Section, path: string | undefined): Section {
  if (path === undefined) return section;
  const compare = compileSort(path);
  const objectOf = (row: apiv1.Row): JsonObject => section.objects.get(rowKey(row.namespace, row.name)) ?? {};
  return { ...section, rows: [...section.rows].sort((a, b) => compare(objectOf(a), objectOf(b))) };
}

function rowKey(namespace: string | undefined, name: string | undefined): string {
  return `${namespace ?? ''}/${name ?? ''}`;
}
