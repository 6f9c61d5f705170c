import { apiv1 } from '../../proto/api.ts';
import { parseObject } from '../api/api-client.ts';
import { resumeWatch } from '../api/resume-watch.ts';
import { CliError } from '../errors/cli-error.ts';
import { encodeJson, type JsonObject } from '../manifest/json-value.ts';
import { type OutputFormat, parseOutput, withoutManagedFields } from '../output/print-options.ts';
import { headerCells, rowCells } from '../output/server-table.ts';
import { sortKeys } from '../output/sort-keys.ts';
import { ColumnAligner } from '../output/text-table.ts';
import { formatYaml } from '../output/yaml-output.ts';
import { mapAt, textAt } from '../resources/fields.ts';
import type { ObjectRequest } from '../resources/find-objects.ts';
import { slashedName } from '../resources/identity.ts';
import type { Session } from '../session.ts';
import type { GetOptions } from './get-options.ts';
import {
  forSection,
  readSection,
  rowObject,
  rowObjectFor,
  type Section,
  sectionCells,
  tableStyle,
} from './print-tables.ts';

type EventWord = 'ADDED' | 'MODIFIED' | 'DELETED';

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
  if (request.target.subresource !== undefined) throw new CliError('a subresource cannot be watched: watch its object');
  const selection = request.single
    ? { fieldSelector: `metadata.name=${request.target.name ?? ''}` }
    : request.selection;
  const { name: _, ...collection } = request.target;
  const printer =
    format.type === 'table'
      ? new TablePrinter(session, format.wide, options)
      : new ObjectPrinter(session, format, options);
  const first = await printer.start(request);
  const changes = resumeWatch(session.api, collection, {
    ...selection,
    resourceVersion: first,
    output: format.type === 'table' ? 'table' : 'json',
    rowObject: rowObjectFor(options),
  });
  for await (const event of changes) printer.change(event);
}

function eventWord(event: apiv1.WatchEvent): EventWord {
  if (event.type === apiv1.EventType.ADDED) return 'ADDED';
  return event.type === apiv1.EventType.DELETED ? 'DELETED' : 'MODIFIED';
}

/** Prints rows below one another; the columns keep their widths. */
class TablePrinter {
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

  async start(request: ObjectRequest): Promise<string> {
    const section = await readSection(this.#session.api, request, this.#options);
    this.#section = section;
    if (this.#options.watchOnly !== true && section.rows.length > 0)
      this.#print('ADDED', sectionCells(section, this.#style()), section.columns);
    // A single object's version is its own; changes after it are changes of it.
    return section.resourceVersion;
  }

  change(event: apiv1.WatchEvent): void {
    const section = this.#section;
    if (section === undefined) return;
    const columns = event.table?.columns ?? section.columns;
    const style = forSection(section, this.#style());
    const rows = (event.table?.rows ?? []).map((row) =>
      rowCells(columns, row, style, (one) => Object.fromEntries(mapAt(rowObject(one), 'metadata', 'labels'))),
    );
    this.#print(eventWord(event), rows, columns);
  }

  #style(): ReturnType<typeof tableStyle> {
    return tableStyle(this.#options, { wide: this.#wide, manyKinds: false, nowMs: this.#session.terminal.now() });
  }

  #print(word: EventWord, rows: readonly string[][], columns: readonly apiv1.Column[]): void {
    const section = this.#section;
    const withEvents = this.#options.outputWatchEvents === true;
    const header =
      this.#headed || !this.#options.headers || section === undefined
        ? []
        : [[...(withEvents ? ['EVENT'] : []), ...headerCells(columns, forSection(section, this.#style()))]];
    this.#headed = true;
    const cells = rows.map((row) => (withEvents ? [word, ...row] : row));
    this.#session.terminal.stdout.write(this.#aligner.format([...header, ...cells]));
  }
}

/** Prints whole objects one after the other. */
class ObjectPrinter {
  readonly #session: Session;
  readonly #options: GetOptions;
  readonly #format: Exclude<OutputFormat, { type: 'table' }>;
  #identity: apiv1.ObjectIdentity = {};
  #count = 0;

  constructor(session: Session, format: Exclude<OutputFormat, { type: 'table' }>, options: GetOptions) {
    this.#session = session;
    this.#format = format;
    this.#options = options;
    const output = options.output ?? '';
    if (options.outputWatchEvents === true && output !== 'json' && output !== 'yaml')
      throw new CliError(`--output-watch-events goes with tables, json and yaml, not with "${output}"`);
  }

  async start({ target, single, selection }: ObjectRequest): Promise<string> {
    const { watchOnly } = this.#options;
    if (single) {
      const { object, identity } = await this.#session.api.get(target);
      this.#identity = identity;
      if (watchOnly !== true) this.#print('ADDED', object);
      return textAt(object, 'metadata', 'resourceVersion');
    }
    const { items, identity, resourceVersion } = await this.#session.api.list(target, selection);
    this.#identity = identity;
    if (watchOnly !== true) for (const object of items) this.#print('ADDED', object);
    return resourceVersion;
  }

  change(event: apiv1.WatchEvent): void {
    if (event.json !== undefined) this.#print(eventWord(event), parseObject(event.json));
  }

  #print(word: EventWord, object: JsonObject): void {
    const { stdout } = this.#session.terminal;
    if (this.#format.type === 'name') {
      stdout.write(`${slashedName(this.#identity, textAt(object, 'metadata', 'name'))}\n`);
      return;
    }
    const text = this.#text(word, object);
    stdout.write(this.#count > 0 && this.#options.output === 'yaml' ? `---\n${text}` : text);
    this.#count++;
  }

  #text(word: EventWord, object: JsonObject): string {
    const { output } = this.#options;
    if (this.#options.outputWatchEvents !== true) return this.#following().print({ items: [object], single: true });
    const shown = this.#options.showManagedFields === true ? object : withoutManagedFields(object);
    const event = sortKeys({ type: word, object: shown });
    return output === 'json' ? `${encodeJson(event, 4)}\n` : formatYaml(event);
  }

  /** Headers of custom columns stand above the first object only. */
  #following(): Extract<OutputFormat, { type: 'objects' }> {
    const format = this.#format as Extract<OutputFormat, { type: 'objects' }>;
    if (this.#count === 0 || this.#options.output?.startsWith('custom-columns') !== true) return format;
    const bare = parseOutput(this.#options.output, { noHeaders: true });
    return bare.type === 'objects' ? bare : format;
  }
}
