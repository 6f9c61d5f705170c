import { ApiError, hasReason } from '../../lib/errors.ts';
import { inApplyOrder } from '../apply/apply-order.ts';
import { addGenerators, addSaveConfig, type CreateOptions } from '../create/add-generators.ts';
import { GENERATORS } from '../create/generators.ts';
import { withLastApplied } from '../create/last-applied.ts';
import { addTokenCommand } from '../create/token.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { encodeJson } from '../manifest/json-value.ts';
import { locateCauses } from '../manifest/locate-causes.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { type InputOptions, readInput } from '../manifest/read-input.ts';
import { nearest } from '../nearest.ts';
import { collect } from '../resources/collect.ts';
import { localIdentity } from '../resources/identity.ts';
import { addWriteOptions, dryRunOf, WriteReport, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, withSession } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';
import { checkNamespace } from './apply.ts';

interface CreateFileOptions extends CreateOptions, InputOptions {}

/** `skiff create` */
export const create: Verb = {
  configure(command, { terminal }) {
    // Options after a subcommand are its own.
    command
      .enablePositionalOptions()
      .configureHelp({ subcommandTerm: (child) => [child.name(), ...child.aliases()].join(', ') })
      .helpCommand(false);
    addSaveConfig(addWriteOptions(addConnectionOptions(command)))
      .usage('-f <file> | <kind> <name> [options]')
      .argument('[kind]', 'what to make from arguments; see the commands below')
      .argument('[words...]', 'its name, and what else belongs to it')
      .option('-f, --filename <file>', 'a file, folder, address or - for standard input; repeatable', collect)
      .option('-k, --kustomize <folder>', 'a folder with a kustomization.yaml')
      .option('-R, --recursive', 'folders of folders too')
      .action((kind: string | undefined, _: string[], options: CreateFileOptions) => {
        if (kind !== undefined) throw unknownGenerator(kind);
        return createFromFiles(terminal, options);
      });
    addGenerators(command, terminal, GENERATORS);
    addTokenCommand(command, terminal);
    addExamples(command, [
      ['What a file says; objects must not exist yet', 'skiff create -f job.yaml'],
      ['A ConfigMap of the files in a folder', 'skiff create configmap settings --from-file=conf/'],
      [
        'Print instead of creating',
        'skiff create deployment web --image=nginx:1.27 --dry-run=client -o yaml > web.yaml',
      ],
    ]);
  },
};

function unknownGenerator(kind: string): CliError {
  const near = nearest(
    kind,
    GENERATORS.flatMap(({ path, aliases }) => [path[0] ?? '', ...(path.length === 1 ? (aliases ?? []) : [])]),
  );
  return new CliError(`create makes no "${kind}" from arguments: write it in a file and use -f`, {
    ...(near === undefined ? {} : { hint: `Did you mean this?\n\t${near}` }),
  });
}

async function createFromFiles(terminal: Terminal, options: CreateFileOptions): Promise<void> {
  const report = new WriteReport(terminal, options);
  const manifests = await readInput(terminal, options);
  const contentOf = ({ value }: Manifest): Manifest['value'] =>
    options.saveConfig === true ? withLastApplied(value) : value;
  if (dryRunOf(options) === 'client') {
    for (const manifest of manifests) report.done('created', localIdentity(manifest), contentOf(manifest));
    report.finish();
    return;
  }
  await withSession(terminal, options, async ({ api, namespace }) => {
    const errors: unknown[] = [];
    for (const manifest of inApplyOrder(manifests)) {
      try {
        checkNamespace(manifest, options.namespace);
        const { apiVersion, kind } = manifest;
        const target = { apiVersion, kind, namespace: manifest.namespace ?? namespace };
        const result = await api.create(target, encodeJson(contentOf(manifest)), writeFlags(options, 'create'));
        report.done('created', result.identity, result.object);
      } catch (err) {
        errors.push(createError(manifest, err));
        if (!hasReason(err, 'Invalid', 'BadRequest', 'NotFound', 'Conflict', 'Forbidden', 'AlreadyExists')) break;
      }
    }
    report.finish();
    throwAll(errors);
  });
}

function createError(manifest: Manifest, err: unknown): unknown {
  if (!(err instanceof ApiError)) return err;
  if (err.reason === 'Invalid' || err.reason === 'BadRequest') return locateCauses(manifest, err);
  const { file } = manifest.problemAt('', '');
  return new ApiError(err.reason, `error when creating "${file}": ${err.message}`, { cause: err });
}
