import { apiv1 } from '../../proto/api.ts';
import { resumeWatch } from '../api/resume-watch.ts';
import { CliError } from '../errors/cli-error.ts';
import { parseOutput } from '../output/print-options.ts';
import { headerCells, rowCells, type TableStyle } from '../output/server-table.ts';
import { ColumnAligner } from '../output/text-table.ts';
import { textAt } from '../resources/fields.ts';
import { addConnectionOptions, type ConnectionOptions, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface EventsOptions extends ConnectionOptions {
  readonly allNamespaces?: boolean;
  readonly for?: string;
  readonly types?: string;
  readonly watch?: boolean;
  readonly output?: string;
  readonly headers: boolean;
}

/** `skiff events` */
export const events: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .option('-A, --all-namespaces', 'events of all namespaces')
      .option('--for <kind/name>', 'only events about this object')
      .option('--types <types>', 'only events of these types, such as Warning')
      .option('-w, --watch', 'go on as more happens')
      .option('-o, --output <format>', 'wide, yaml, json, …')
      .option('--no-headers', 'no line of headers')
      .action((options: EventsOptions) => withSession(terminal, options, (session) => runEvents(session, options)));
    addExamples(command, [
      ['What happened, oldest first', 'skiff events'],
      ['To one object', 'skiff events --for pod/web-1 --watch'],
      ['Only what went wrong, everywhere', 'skiff events -A --types=Warning'],
    ]);
  },
};

async function runEvents(session: Session, options: EventsOptions): Promise<void> {
  const { api, terminal } = session;
  const format = parseOutput(options.output, { noHeaders: !options.headers });
  const target =
    options.allNamespaces === true ? { resource: 'events' } : { resource: 'events', namespace: session.namespace };
  const fieldSelector = await selectorFor(session, options);
  if (format.type !== 'table') {
    const { items } = await api.list(target, { fieldSelector });
    const sorted = [...items].sort((a, b) => lastSeen(a).localeCompare(lastSeen(b)));
    if (format.type === 'name')
      for (const item of sorted) terminal.stdout.write(`event/${textAt(item, 'metadata', 'name')}\n`);
    else terminal.stdout.write(format.print({ items: sorted, single: false }));
    return;
  }
  const { columns, rows, resourceVersion } = await api.listTable(target, { fieldSelector });
  const types = options.types?.split(',').map((type) => type.toLowerCase());
  const typeAt = columns.findIndex((column) => column.name === 'TYPE');
  const seenAt = columns.findIndex((column) => column.name === 'LAST SEEN');
  const wanted = (row: apiv1.Row): boolean =>
    types === undefined || types.includes((row.cells?.[typeAt] ?? '').toLowerCase());
  const aligner = new ColumnAligner();
  const style = (): TableStyle => ({
    wide: format.wide,
    withNamespace: options.allNamespaces === true,
    labelColumns: [],
    showLabels: false,
    nowMs: terminal.now(),
  });
  const sorted = rows
    .filter((row) => wanted(row))
    .sort((a, b) => (a.cells?.[seenAt] ?? '').localeCompare(b.cells?.[seenAt] ?? ''));
  if (sorted.length === 0 && options.watch !== true) {
    terminal.stderr.write(
      options.allNamespaces === true ? 'No events found.\n' : `No events found in ${session.namespace} namespace.\n`,
    );
    return;
  }
  const cells = sorted.map((row) => rowCells(columns, row, style(), () => ({})));
  terminal.stdout.write(aligner.format(options.headers ? [headerCells(columns, style()), ...cells] : cells));
  if (options.watch !== true) return;
  for await (const event of resumeWatch(api, target, { fieldSelector, resourceVersion, output: 'table' })) {
    if (event.type !== apiv1.EventType.ADDED && event.type !== apiv1.EventType.MODIFIED) continue;
    const changed = (event.table?.rows ?? []).filter((row) => wanted(row));
    terminal.stdout.write(aligner.format(changed.map((row) => rowCells(columns, row, style(), () => ({})))));
  }
}

/** The field selector for `--for`; the server says what kind the short name means. */
async function selectorFor({ api, namespace }: Session, options: EventsOptions): Promise<string> {
  if (options.for === undefined) return '';
  const [resource = '', name = ''] = options.for.split('/');
  if (name === '') throw new CliError(`--for must be in resource/name form, got "${options.for}"`);
  const { kind = '' } = (await api.listTable({ resource, namespace }, { fieldSelector: `metadata.name=${name}` }))
    .identity;
  return `involvedObject.kind=${kind},involvedObject.name=${name}`;
}

/** When an event was last seen, for ordering. */
export function lastSeen(event: Parameters<typeof textAt>[0]): string {
  return (
    textAt(event, 'series', 'lastObservedTime') ||
    textAt(event, 'lastTimestamp') ||
    textAt(event, 'eventTime') ||
    textAt(event, 'metadata', 'creationTimestamp')
  );
}
