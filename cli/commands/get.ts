import type { Command } from 'commander';
import { CliError } from '../errors/cli-error.ts';
import type { GetOptions } from '../get/get-options.ts';
import { printObjects } from '../get/print-objects.ts';
import { printTables } from '../get/print-tables.ts';
import { parseOutput } from '../output/print-options.ts';
import { collect } from '../resources/collect.ts';
import { findObjects, type ObjectRequest } from '../resources/find-objects.ts';
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
      .option('-k, --kustomize <folder>', 'the objects of a folder with a kustomization.yaml')
      .option('-R, --recursive', 'with -f, folders of folders too')
      .option('--chunk-size <count>', 'objects the server is asked for at once; the whole list comes in any case')
      .option('--subresource <name>', 'of one object, its status or scale')
      .option('--output-watch-events', 'with --watch: say what happened, ADDED, MODIFIED or DELETED')
      .option('--raw <path>', 'the reply to a path of the Kubernetes API, such as /api/v1/namespaces/default/pods')
      .action((args: string[], options: GetOptions) => {
        checkOptions(args, options);
        return withSession(terminal, options, (session) => runGet(session, args, options));
      });
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
    ['What the API says at a path', 'skiff get --raw /apis/apps/v1/namespaces/default/deployments/web/status'],
    ['Only what a script needs', "skiff get pods -o jsonpath='{.items[*].status.podIP}'"],
  ]);
}

const SUBRESOURCES: readonly string[] = ['status', 'scale'];

function checkOptions(args: readonly string[], options: GetOptions): void {
  const { raw, output, chunkSize, subresource } = options;
  if (raw !== undefined && args.length > 0) throw new CliError('arguments may not be passed when --raw is specified');
  if (raw !== undefined && output !== undefined) throw new CliError('--raw and --output are mutually exclusive');
  if (raw !== undefined && (options.watch === true || options.watchOnly === true))
    throw new CliError('--raw and --watch are mutually exclusive');
  if (chunkSize !== undefined && !/^\d{1,9}$/.test(chunkSize))
    throw new CliError(`invalid --chunk-size "${chunkSize}": write a number of objects, 0 or more`);
  if (subresource !== undefined && !SUBRESOURCES.includes(subresource))
    throw new CliError(`invalid subresource value: "${subresource}". Must be one of [${SUBRESOURCES.join(' ')}]`);
  if (options.outputWatchEvents === true && options.watch !== true && options.watchOnly !== true)
    throw new CliError('--output-watch-events option can only be used with --watch or --watch-only');
}

/** Prints what the arguments and options of `skiff get` ask for. */
export async function runGet(session: Session, args: readonly string[], options: GetOptions): Promise<void> {
  if (options.raw !== undefined) {
    const { printRaw } = await import('../raw/print-raw.ts');
    await printRaw(session, options.raw);
    return;
  }
  const format = parseOutput(options.output, {
    showManagedFields: options.showManagedFields === true,
    noHeaders: !options.headers,
  });
  const requests = withSubresource(await findObjects(session, args, options), options.subresource);
  if (options.watch === true || options.watchOnly === true) {
    const { watchObjects } = await import('../get/watch-objects.ts');
    await watchObjects(session, requests, format, options);
  } else if (format.type === 'table') {
    await printTables(session, requests, options, format.wide);
  } else {
    await printObjects(session, requests, format, options);
  }
}

function withSubresource(requests: ObjectRequest[], subresource: string | undefined): ObjectRequest[] {
  if (subresource === undefined) return requests;
  if (requests.some(({ single }) => !single))
    throw new CliError('--subresource is of single objects: name them, or give their files');
  return requests.map((request) => ({ ...request, target: { ...request.target, subresource } }));
}
