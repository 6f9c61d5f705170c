import { hasReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import type { WriteResult } from '../api/api-client.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { encodeJson } from '../manifest/json-value.ts';
import { locateCauses } from '../manifest/locate-causes.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { ManifestError } from '../manifest/manifest-error.ts';
import { readManifests } from '../manifest/read-manifests.ts';
import { readOptions } from '../manifest/read-options.ts';
import { collect } from '../resources/collect.ts';
import { manifestTarget } from '../resources/find-objects.ts';
import { localIdentity } from '../resources/identity.ts';
import { addWriteOptions, dryRunOf, type WriteOptions, WriteReport, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ApplyOptions extends WriteOptions {
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly serverSide?: boolean;
  readonly prune?: boolean;
}

/** `skiff apply` */
export const apply: Verb = {
  configure(command, { terminal }) {
    addWriteOptions(addConnectionOptions(command))
      .option('-f, --filename <file>', 'a file, folder, address or - for standard input; repeatable', collect)
      .option('-R, --recursive', 'folders of folders too')
      .option('--wait', 'follow the rollouts until they are done')
      .option('--timeout <duration>', 'with --wait: how long to wait at most; 0 means no limit', '0')
      .option('--server-side', 'not served yet')
      .option('--prune', 'not served yet')
      .action(async (options: ApplyOptions) => {
        if (options.serverSide === true)
          throw new CliError(
            '--server-side: ownership of fields is not served yet; plain apply merges on the server already',
          );
        if (options.prune === true)
          throw new CliError('--prune is not served yet; delete what is no longer wanted by name');
        if (options.filename === undefined)
          throw new CliError('must specify -f, --filename with a file, folder, address or -');
        const manifests = await readManifests(options.filename, readOptions(terminal, options));
        await withSession(terminal, options, (session) => runApply(session, manifests, options));
      });
    addExamples(command, [
      ['What a file says', 'skiff apply -f app.yaml'],
      ['A folder and what is below it, and wait until it runs', 'skiff apply -R -f manifests/ --wait'],
      ['From another program', 'cat app.yaml | skiff apply -f -'],
      ['See what would happen', 'skiff apply -f app.yaml --dry-run=server'],
    ]);
  },
};

const WORDS: Readonly<Partial<Record<apiv1.Action, string>>> = {
  [apiv1.Action.CREATED]: 'created',
  [apiv1.Action.CONFIGURED]: 'configured',
  [apiv1.Action.UNCHANGED]: 'unchanged',
};

async function runApply(session: Session, manifests: readonly Manifest[], options: ApplyOptions): Promise<void> {
  const report = new WriteReport(session.terminal, options);
  const errors: unknown[] = [];
  const applied: { result: WriteResult; manifest: Manifest }[] = [];
  for (const manifest of namespacesFirst(manifests)) {
    try {
      const result = await applyOne(session, manifest, options);
      report.done(WORDS[result.action] ?? 'configured', result.identity, result.object);
      applied.push({ result, manifest });
    } catch (err) {
      errors.push(locateCauses(manifest, err));
      // Without a connection or permission the rest would only repeat it.
      if (!hasReason(err, 'Invalid', 'BadRequest', 'NotFound', 'Conflict', 'Forbidden', 'AlreadyExists') && !isOwn(err))
        break;
    }
  }
  report.finish();
  throwAll(errors);
  if (options.wait === true && dryRunOf(options) === 'none') {
    const { waitForRollouts } = await import('../rollout/wait-for-rollouts.ts');
    const identities = applied.map(({ result }) => result.identity);
    await waitForRollouts(session, identities, durationMs(options.timeout ?? '0', '--timeout'));
  }
}

function isOwn(err: unknown): boolean {
  return err instanceof CliError || err instanceof ManifestError;
}

async function applyOne(session: Session, manifest: Manifest, options: ApplyOptions): Promise<WriteResult> {
  checkNamespace(manifest, options.namespace);
  const target = manifestTarget(manifest, session.namespace);
  if (dryRunOf(options) === 'client') {
    const identity = localIdentity(manifest);
    try {
      const live = await session.api.get(target);
      return { action: apiv1.Action.CONFIGURED, identity: live.identity, object: manifest.value };
    } catch (err) {
      if (!hasReason(err, 'NotFound')) throw err;
      return { action: apiv1.Action.CREATED, identity, object: manifest.value };
    }
  }
  return session.api.apply(target, encodeJson(manifest.value), writeFlags(options, 'apply'));
}

/** Throws when `-n` and the object name different namespaces. */
export function checkNamespace(manifest: Manifest, flag: string | undefined): void {
  if (flag === undefined || manifest.namespace === undefined || manifest.namespace === flag) return;
  const message =
    `the namespace from the provided object "${manifest.namespace}" does not match the namespace "${flag}". ` +
    `You must pass '--namespace=${manifest.namespace}' to perform this operation.`;
  throw new ManifestError([manifest.problemAt('metadata.namespace', message)]);
}

/** Namespaces and definitions of kinds come before what needs them; otherwise the order is that of the files. */
export function namespacesFirst(manifests: readonly Manifest[]): Manifest[] {
  const first = (manifest: Manifest): boolean =>
    manifest.kind === 'Namespace' || manifest.kind === 'CustomResourceDefinition';
  return [...manifests.filter((manifest) => first(manifest)), ...manifests.filter((manifest) => !first(manifest))];
}
