import type { apiv1 } from '../../proto/api.ts';
import { parseObject } from '../api/api-client.ts';
import { resumeWatch } from '../api/resume-watch.ts';
import { CliError } from '../errors/cli-error.ts';
import type { OutputFormat } from '../output/print-options.ts';
import { headerCells, rowCells } from '../output/server-table.ts';
import { ColumnAligner } from '../output/text-table.ts';
import { mapAt, textAt } from '../resources/fields.ts';
import type { ObjectRequest } from '../resources/find-objects.ts';
import { slashedName } from '../resources/identity.ts';
import type { Session } from '../session.ts';
import type { GetOptions } from './get-options.ts';
import { forSection, readSection, type Section, sectionCells, tableStyle } from './print-tables.ts';

/** Lists (unless only changes are wanted) and then prints every change until interrupted. One kind at a time. */
export async function watchObjects(
  session: Session,
  requests: readonly ObjectRequest[],
  format: OutputFormat,
  options: GetOptions,
): Promise<void> {
  const [request] = requests;
  if (request === undefined || requests.length > 1) {
    throw new CliError('you may only specify a single resource type, or a single object, with --watch');
  }
  const selection = request.single
    ? { fieldSelector: `metadata.name=${request.target.name ?? ''}` }
    : request.selection;
  const { name: _, ...collection } = request.target;
  const printer =
    format.type === 'table' ? new TablePrinter(session, format.wide, options) : new ObjectPrinter(session, format);
  const first = await printer.start(request, options);
  const changes = resumeWatch(session.api, collection, {
    ...selection,
    resourceVersion: first,
    output: format.type === 'table' && !printer.needsObjects ? 'table' : 'json',
  });
  for await (const event of changes) printer.change(event);
}

/** Prints rows below one another; the columns keep their widths. */
class TablePrinter {
  readonly needsObjects = false;
  readonly #session: Session;
  readonly #options: GetOptions;
  readonly #wide: boolean;
  readonly #aligner = new ColumnAligner();
  #section: Section | undefined;
  #headed = false;

  constructor(session: Session, wide: boolean, options: GetOptions) {
    this.#session = session;
    this.#wide = wide;
    this.#options = options;
  }

  async start(request: ObjectRequest, options: GetOptions): Promise<string> {
    const section = await readSection(this.#session.api, request, options);
    this.#section = section;
    if (options.watchOnly !== true && section.rows.length > 0)
      this.#print(sectionCells(section, this.#style()), section.columns);
    // A single object's version is its own; changes after it are changes of it.
    return section.resourceVersion;
  }

  change(event: apiv1.WatchEvent): void {
    const section = this.#section;
    if (section === undefined) return;
    const columns = event.table?.columns ?? section.columns;
    const style = forSection(section, this.#style());
    const rows = (event.table?.rows ?? []).map((row) =>
      rowCells(columns, row, style, (one) =>
        one.json === undefined ? {} : Object.fromEntries(mapAt(parseObject(one.json), 'metadata', 'labels')),
      ),
    );
    this.#print(rows, columns);
  }

  #style(): ReturnType<typeof tableStyle> {
    return tableStyle(this.#options, { wide: this.#wide, manyKinds: false, nowMs: this.#session.terminal.now() });
  }

  #print(rows: readonly string[][], columns: readonly apiv1.Column[]): void {
    const section = this.#section;
    const header =
      this.#headed || !this.#options.headers || section === undefined
        ? []
        : [headerCells(columns, forSection(section, this.#style()))];
    this.#headed = true;
    this.#session.terminal.stdout.write(this.#aligner.format([...header, ...rows]));
  }
}

/** Prints whole objects one after the other. */
class ObjectPrinter {
  readonly needsObjects = true;
  readonly #session: Session;
  readonly #format: Exclude<OutputFormat, { type: 'table' }>;
  #identity: apiv1.ObjectIdentity = {};
  #count = 0;

  constructor(session: Session, format: Exclude<OutputFormat, { type: 'table' }>) {
    this.#session = session;
    this.#format = format;
  }

  async start({ target, single, selection }: ObjectRequest, options: GetOptions): Promise<string> {
    if (single) {
      const { object, identity } = await this.#session.api.get(target);
      this.#identity = identity;
      if (options.watchOnly !== true) this.#print(object);
      return textAt(object, 'metadata', 'resourceVersion');
    }
    const { items, identity, resourceVersion } = await this.#session.api.list(target, selection);
    this.#identity = identity;
    if (options.watchOnly !== true) for (const object of items) this.#print(object);
    return resourceVersion;
  }

  change(event: apiv1.WatchEvent): void {
    if (event.json !== undefined) this.#print(parseObject(event.json));
  }

  #print(object: ReturnType<typeof parseObject>): void {
    const { stdout } = this.#session.terminal;
    if (this.#format.type === 'name') {
      stdout.write(`${slashedName(this.#identity, textAt(object, 'metadata', 'name'))}\n`);
      return;
    }
    const text = this.#format.print({ items: [object], single: true });
    // YAML documents need something between them.
    stdout.write(this.#count > 0 && !text.startsWith('{') && text.includes('\n') ? `---\n${text}` : text);
    this.#count++;
  }
}
