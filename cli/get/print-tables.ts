import { hasReason } from '../../lib/errors.ts';
import type { apiv1 } from '../../proto/api.ts';
import { type ApiClient, parseObject, type TablePage } from '../api/api-client.ts';
import { throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { headerCells, rowCells, type TableStyle } from '../output/server-table.ts';
import { compileSort } from '../output/sort-objects.ts';
import { ColumnAligner } from '../output/text-table.ts';
import { mapAt, textAt } from '../resources/fields.ts';
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

/** Rows, and the objects too where labels or a sort need them. */
export async function readSection(api: ApiClient, request: ObjectRequest, options: GetOptions): Promise<Section> {
  const { target, single, selection } = request;
  const table = single ? await api.getTable(target) : await api.listTable(target, selection);
  const needsObjects =
    options.sortBy !== undefined || options.showLabels === true || (options.labelColumns ?? []).length > 0;
  if (!needsObjects) return { ...table, objects: new Map() };
  const sent = table.rows.flatMap((row) => ((row.json?.length ?? 0) > 0 ? [parseObject(row.json)] : []));
  const objects =
    sent.length === table.rows.length
      ? sent
      : single
        ? [(await api.get(target)).object]
        : (await api.list(target, selection)).items;
  return { ...table, objects: new Map(objects.map((object) => [objectKey(object), object])) };
}

function sorted(section: Section, path: string | undefined): Section {
  if (path === undefined) return section;
  const compare = compileSort(path);
  const objectOf = (row: apiv1.Row): JsonObject => section.objects.get(rowKey(row.namespace, row.name)) ?? {};
  return { ...section, rows: [...section.rows].sort((a, b) => compare(objectOf(a), objectOf(b))) };
}

function objectKey(object: JsonObject): string {
  return rowKey(textAt(object, 'metadata', 'namespace'), textAt(object, 'metadata', 'name'));
}

function rowKey(namespace: string | undefined, name: string | undefined): string {
  return `${namespace ?? ''}/${name ?? ''}`;
}
