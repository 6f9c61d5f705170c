import type { Command } from 'commander';
import type { GetOptions } from '../get/get-options.ts';
import { printObjects } from '../get/print-objects.ts';
import { printTables } from '../get/print-tables.ts';
import { parseOutput } from '../output/print-options.ts';
import { collect } from '../resources/collect.ts';
import { findObjects } from '../resources/find-objects.ts';
import { addConnectionOptions, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

/** `skiff get` */
export const get: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('[resources...]', 'a kind, kinds joined by commas, or kind/name')
      .option('-o, --output <format>', 'wide, yaml, json, name, jsonpath=…, custom-columns=…')
      .option('-w, --watch', 'after listing, print every change')
      .option('--watch-only', 'print changes without listing first')
      .option('-A, --all-namespaces', 'objects of all namespaces')
      .option('-l, --selector <labels>', 'only objects with these labels, such as app=web,tier!=cache')
      .option('--field-selector <fields>', 'only objects with these fields, such as status.phase=Running')
      .option('--sort-by <path>', 'sort by a field, such as .metadata.creationTimestamp')
      .option('-L, --label-columns <labels>', 'labels shown as columns', collect)
      .option('--show-labels', 'show all labels as the last column')
      .option('--show-kind', 'show the kind before every name')
      .option('--no-headers', 'no line of headers')
      .option('--ignore-not-found', 'nothing found is no error')
      .option('--show-managed-fields', 'keep metadata.managedFields in json and yaml')
      .option('-f, --filename <file>', 'the objects of a file, folder, address or - for standard input', collect)
      .option('-R, --recursive', 'with -f, folders of folders too')
      .option('--chunk-size <n>', 'accepted as kubectl has it; lists page themselves')
      .action((args: string[], options: GetOptions) =>
        withSession(terminal, options, (session) => runGet(session, args, options)),
      );
    examples(command);
  },
};

function examples(command: Command): void {
  addExamples(command, [
    ['Pods of this namespace, and of all', 'skiff get pods\n  skiff get pods -A -o wide'],
    ['One deployment as YAML', 'skiff get deployment web -o yaml'],
    [
      'Pods with a label, sorted by age, followed',
      'skiff get pods -l app=web --sort-by=.metadata.creationTimestamp -w',
    ],
    ['Only what a script needs', "skiff get pods -o jsonpath='{.items[*].status.podIP}'"],
  ]);
}

async function runGet(session: Session, args: readonly string[], options: GetOptions): Promise<void> {
  const format = parseOutput(options.output, {
    showManagedFields: options.showManagedFields === true,
    noHeaders: !options.headers,
  });
  const requests = await findObjects(session, args, options);
  if (options.watch === true || options.watchOnly === true) {
    const { watchObjects } = await import('../get/watch-objects.ts');
    await watchObjects(session, requests, format, options);
  } else if (format.type === 'table') {
    await printTables(session, requests, options, format.wide);
  } else {
    await printObjects(session, requests, format, options);
  }
}
