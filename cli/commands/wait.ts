import { deadlineSignal } from '../api/follow-object.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { parseOutput } from '../output/print-options.ts';
import { collect } from '../resources/collect.ts';
import { findObjects } from '../resources/find-objects.ts';
import { slashedName } from '../resources/identity.ts';
import { addConnectionOptions, type ConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';
import { parseCondition } from '../wait/condition.ts';
import { groupsOf, type OnMet, waitForGroup } from '../wait/wait-for-objects.ts';

interface WaitOptions extends ConnectionOptions {
  readonly for?: string;
  readonly timeout: string;
  readonly all?: boolean;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly output?: string;
}

/** What a negative `--timeout` means. */
const WEEK_MS = 7 * 24 * 3_600_000;

/** `skiff wait` */
export const wait: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('[resources...]', 'kind and names, kind/name, or a kind with -l or --all')
      .option('--for <condition>', "condition=NAME[=VALUE], jsonpath='{PATH}'[=VALUE], create or delete")
      .option('--timeout <duration>', 'how long to wait; 0 looks once, a negative one waits a week', '30s')
      .option('-l, --selector <labels>', 'objects with these labels')
      .option('--field-selector <fields>', 'objects with these fields')
      .option('--all', 'all objects of the kind')
      .option('-A, --all-namespaces', 'with -l or --all: of all namespaces')
      .option('-f, --filename <file>', 'the objects of a file, folder, address or - for standard input', collect)
      .option('-R, --recursive', 'folders of folders too')
      .option('-o, --output <format>', 'print the objects as name, yaml, json, jsonpath=…')
      .action((args: string[], options: WaitOptions) =>
        withSession(terminal, options, (session) => runWait(session, args, options)),
      );
    addExamples(command, [
      ['Until a pod is ready', 'skiff wait --for=condition=Ready pod/web-1'],
      ['Until a deployment runs, two minutes at most', 'skiff wait --for=condition=Available deploy/web --timeout=2m'],
      ['Until a field has a value', "skiff wait --for=jsonpath='{.status.phase}'=Running pod -l app=web"],
      ['Until all are gone', 'skiff wait --for=delete pod -l app=web --timeout=60s'],
      ['Until somebody creates it', 'skiff wait --for=create configmap/settings'],
    ]);
  },
};

async function runWait(session: Session, args: readonly string[], options: WaitOptions): Promise<void> {
  const condition = parseCondition(options.for ?? '');
  const format = options.output === undefined ? undefined : parseOutput(options.output);
  if (format?.type === 'table')
    throw new CliError(`the output format "${options.output ?? ''}" does not fit this command`);
  const timeoutMs = options.timeout.startsWith('-') ? WEEK_MS : durationMs(options.timeout, '--timeout');
  const requests = await findObjects(session, args, options);
  const isChosen = options.all === true || (options.selector ?? options.fieldSelector) !== undefined;
  if (!isChosen && requests.some(({ single }) => !single))
    throw new CliError('resource(s) were provided, but no name was specified');
  const objects: JsonObject[] = [];
  const onMet: OnMet = (identity, name, object) => {
    if (format === undefined) session.terminal.stdout.write(`${slashedName(identity, name)} condition met\n`);
    else if (format.type === 'name') session.terminal.stdout.write(`${slashedName(identity, name)}\n`);
    else objects.push(object);
  };
  // Each group puts its own names into the message.
  const { signal, cancel } = deadlineSignal(session.terminal.signal, timeoutMs, new CliError('the time is over'));
  try {
    const settings = { condition, signal, once: timeoutMs === 0, onMet };
    const results = await Promise.allSettled(groupsOf(requests).map((group) => waitForGroup(session, group, settings)));
    if (format?.type === 'objects' && objects.length > 0)
      session.terminal.stdout.write(format.print({ items: objects, single: objects.length === 1 }));
    throwAll(results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])));
    const count = results.reduce((sum, result) => sum + (result.status === 'fulfilled' ? result.value : 0), 0);
    if (count === 0 && condition.type !== 'delete') throw new CliError('no matching resources found');
  } finally {
    cancel();
  }
}
