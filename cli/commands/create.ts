import { ApiError, hasReason } from '../../lib/errors.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { encodeJson } from '../manifest/json-value.ts';
import { locateCauses } from '../manifest/locate-causes.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { readManifests } from '../manifest/read-manifests.ts';
import { readOptions } from '../manifest/read-options.ts';
import { collect } from '../resources/collect.ts';
import { localIdentity } from '../resources/identity.ts';
import { addWriteOptions, dryRunOf, type WriteOptions, WriteReport, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';
import { checkNamespace, namespacesFirst } from './apply.ts';

interface CreateOptions extends WriteOptions {
  readonly filename?: string[];
  readonly recursive?: boolean;
}

/** `skiff create` */
export const create: Verb = {
  configure(command, { terminal }) {
    addWriteOptions(addConnectionOptions(command))
      .argument('[kind]', 'namespace, to create one by its name alone')
      .argument('[name]')
      .option('-f, --filename <file>', 'a file, folder, address or - for standard input; repeatable', collect)
      .option('-R, --recursive', 'folders of folders too')
      .action(async (kind: string | undefined, name: string | undefined, options: CreateOptions) => {
        const manifests = await createdManifests(terminal, kind, name, options);
        const report = new WriteReport(terminal, options);
        if (dryRunOf(options) === 'client') {
          for (const manifest of manifests) report.done('created', localIdentity(manifest), manifest.value);
          report.finish();
          return;
        }
        await withSession(terminal, options, async ({ api, namespace }) => {
          const errors: unknown[] = [];
          for (const manifest of namespacesFirst(manifests)) {
            try {
              checkNamespace(manifest, options.namespace);
              const { apiVersion, kind: ofKind } = manifest;
              const target = { apiVersion, kind: ofKind, namespace: manifest.namespace ?? namespace };
              const result = await api.create(target, encodeJson(manifest.value), writeFlags(options, 'create'));
              report.done('created', result.identity, result.object);
            } catch (err) {
              errors.push(createError(manifest, err));
              if (!hasReason(err, 'Invalid', 'BadRequest', 'NotFound', 'Conflict', 'Forbidden', 'AlreadyExists')) break;
            }
          }
          report.finish();
          throwAll(errors);
        });
      });
    addExamples(command, [
      ['What a file says; objects must not exist yet', 'skiff create -f job.yaml'],
      ['A namespace', 'skiff create namespace web'],
      ['Print instead of creating', 'skiff create namespace web --dry-run=client -o yaml'],
    ]);
  },
};

async function createdManifests(
  terminal: Parameters<Verb['configure']>[1]['terminal'],
  kind: string | undefined,
  name: string | undefined,
  options: CreateOptions,
): Promise<readonly Manifest[]> {
  if (kind !== undefined) {
    if (kind !== 'namespace' && kind !== 'ns') throw new CliError(`create makes a ${kind} only from a file: use -f`);
    if (name === undefined) throw new CliError('exactly one NAME is required, got 0');
    const value = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    const nowhere = { message: '', file: '' };
    return [
      {
        apiVersion: 'v1',
        kind: 'Namespace',
        name,
        namespace: undefined,
        value,
        positionOf: () => ({ line: 1, column: 1, matched: 0 }),
        problemAt: (_, message) => ({ ...nowhere, message }),
      },
    ];
  }
  if (options.filename === undefined)
    throw new CliError('must specify -f, --filename with a file, folder, address or -');
  return readManifests(options.filename, readOptions(terminal, options));
}

function createError(manifest: Manifest, err: unknown): unknown {
  if (!(err instanceof ApiError)) return err;
  if (err.reason === 'Invalid' || err.reason === 'BadRequest') return locateCauses(manifest, err);
  const { file } = manifest.problemAt('', '');
  if (file === '') return err;
  return new ApiError(err.reason, `error when creating "${file}": ${err.message}`, { cause: err });
}
