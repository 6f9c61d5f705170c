import { hasReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import type { WriteResult } from '../api/api-client.ts';
import { applySet } from '../apply/apply-set.ts';
import { isUnknownKind, ObjectSet } from '../apply/object-set.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { encodeJson, type JsonValue } from '../manifest/json-value.ts';
import { locateCauses } from '../manifest/locate-causes.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { ManifestError } from '../manifest/manifest-error.ts';
import { type InputOptions, readInput } from '../manifest/read-input.ts';
import { collect } from '../resources/collect.ts';
import { manifestTarget } from '../resources/find-objects.ts';
import { localIdentity } from '../resources/identity.ts';
import { addWriteOptions, dryRunOf, type WriteOptions, WriteReport, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ApplyOptions extends WriteOptions, InputOptions {
  readonly all?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly serverSide?: boolean;
  readonly forceConflicts?: boolean;
  readonly prune?: boolean;
  readonly pruneAllowlist?: string[];
  readonly overwrite?: string | true;
}

/** `skiff apply` */
export const apply: Verb = {
  configure(command, { terminal }) {
    addWriteOptions(addConnectionOptions(command))
      .option('-f, --filename <file>', 'a file, folder, address or - for standard input; repeatable', collect)
      .option('-k, --kustomize <folder>', 'a folder with a kustomization.yaml')
      .option('-R, --recursive', 'folders of folders too')
      .option('-l, --selector <labels>', 'only objects of the files with these labels')
      .option('--server-side', 'keep track of who manages which field, and refuse what others manage')
      .option('--force-conflicts', 'with --server-side: take over what others manage')
      .option('--overwrite [bool]', 'set back what others changed since the last apply (default true)')
      .option('--prune', 'delete what was applied before and is in the files no more; needs -l or --all')
      .option('--all', 'with --prune: whatever its labels')
      .option('--prune-allowlist <kind>', 'with --prune: only kinds such as core/v1/ConfigMap; repeatable', collect)
      .option('--wait', 'follow the rollouts until they are done')
      .option('--timeout <duration>', 'with --wait: how long to wait at most; 0 means no limit', '0')
      .action(async (options: ApplyOptions) => {
        checkOptions(options);
        const manifests = await readInput(terminal, options);
        await withSession(terminal, options, (session) => runApply(session, manifests, options));
      });
    addExamples(command, [
      ['What a file says', 'skiff apply -f app.yaml'],
      ['A folder and what is below it, and wait until it runs', 'skiff apply -R -f manifests/ --wait'],
      ['A kustomization', 'skiff apply -k overlays/home'],
      ['From another program', 'cat app.yaml | skiff apply -f -'],
      ['See what would happen', 'skiff apply -f app.yaml --dry-run=server'],
      ['All of an application, and nothing that is no longer part of it', 'skiff apply -f app/ --prune -l app=web'],
      ['As one of several managers of the same objects', 'skiff apply -f app.yaml --server-side --field-manager=me'],
    ]);
  },
};

function checkOptions(options: ApplyOptions): void {
  const { serverSide, forceConflicts, prune, all, selector, pruneAllowlist } = options;
  if (forceConflicts === true && serverSide !== true)
    throw new CliError('--force-conflicts only works with --server-side');
  if (serverSide === true && dryRunOf(options) === 'client')
    throw new CliError("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)");
  if (!['true', 'false'].includes(String(options.overwrite ?? true)))
    throw new CliError(`--overwrite must be true or false, not "${String(options.overwrite)}"`);
  if (prune !== true) {
    if (all === true || pruneAllowlist !== undefined)
      throw new CliError('--all and --prune-allowlist only work with --prune');
    return;
  }
  if (serverSide === true)
    throw new CliError('--prune finds what plain apply has marked; it does not work with --server-side');
  if (all === true && selector !== undefined) throw new CliError('cannot set --all and --selector at the same time');
  if (all !== true && selector === undefined)
    throw new CliError(
      'all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. ' +
        'If you did not mean to prune all resources, specify a label selector',
    );
}

const WORDS: Readonly<Partial<Record<apiv1.Action, string>>> = {
  [apiv1.Action.CREATED]: 'created',
  [apiv1.Action.CONFIGURED]: 'configured',
  [apiv1.Action.UNCHANGED]: 'unchanged',
};

async function runApply(session: Session, manifests: readonly Manifest[], options: ApplyOptions): Promise<void> {
  const report = new WriteReport(session.terminal, options);
  const set = new ObjectSet(manifests, session.namespace);
  const { applied, failed } = await applySet(manifests, {
    apply: async (manifest) => {
      const result = await applyOne(session, manifest, { ...options, set });
      report.done(wordOf(result, options), result.identity, result.object);
      return result;
    },
    isNotYet: (manifest, err) => dryRunOf(options) === 'none' && set.isNotYet(manifest, session.namespace, err),
    concernsOneObject,
    signal: session.terminal.signal,
  });
  const identities = applied.map(({ result }) => result.identity);
  if (options.prune === true && failed.length === 0) await runPrune(session, identities, { ...options, report });
  report.finish();
  throwAll(await tellable(failed));
  if (options.wait === true && dryRunOf(options) === 'none') {
    const { waitForRollouts } = await import('../rollout/wait-for-rollouts.ts');
    await waitForRollouts(session, identities, durationMs(options.timeout ?? '0', '--timeout'));
  }
}

function wordOf({ action }: WriteResult, options: ApplyOptions): string {
  return options.serverSide === true ? 'serverside-applied' : (WORDS[action] ?? 'configured');
}

/** Without a connection or permission the rest would only repeat it. */
function concernsOneObject(err: unknown): boolean {
  return (
    hasReason(err, 'Invalid', 'BadRequest', 'NotFound', 'Conflict', 'Forbidden', 'AlreadyExists') ||
    err instanceof CliError ||
    err instanceof ManifestError
  );
}

async function tellable(failed: readonly { manifest: Manifest; err: unknown }[]): Promise<unknown[]> {
  if (!failed.some(({ err }) => hasReason(err, 'Conflict'))) {
    return failed.map(({ manifest, err }) => locateCauses(manifest, err));
  }
  const { CONFLICT_ADVICE, conflictText, isOwnershipConflict } = await import('../apply/conflict-error.ts');
  const last = failed.findLast(({ err }) => isOwnershipConflict(err));
  return failed.map(({ manifest, err }) => {
    if (!isOwnershipConflict(err)) return locateCauses(manifest, err);
    const hint = err === last?.err ? { hint: CONFLICT_ADVICE } : {};
    return new CliError(conflictText(manifest, err), { cause: err, ...hint });
  });
}

async function applyOne(
  session: Session,
  manifest: Manifest,
  options: ApplyOptions & { readonly set: ObjectSet },
): Promise<WriteResult> {
  checkNamespace(manifest, options.namespace);
  const target = manifestTarget(manifest, session.namespace);
  if (String(options.overwrite ?? true) === 'false') await refuseOverwriting(session, manifest);
  if (dryRunOf(options) === 'client') return applyLocally(session, manifest);
  const flags = {
    ...writeFlags(options, 'apply'),
    ...(options.serverSide === true ? { serverSide: true, fieldManager: options.fieldManager ?? 'skiff' } : {}),
    ...(options.forceConflicts === true ? { force: true } : {}),
  };
  if (!flags.dryRun) return session.api.apply(target, encodeJson(manifest.value), flags);
  const { tryApply } = await import('../apply/try-apply.ts');
  const tried = await tryApply(session.api, { target, manifest, set: options.set }, flags);
  if (tried !== undefined) return tried;
  const { kind, name = '' } = manifest;
  session.terminal.stderr.write(
    `Warning: ${kind} "${name}" is not checked: its CustomResourceDefinition in the same files is not accepted\n`,
  );
  return { action: apiv1.Action.CREATED, identity: localIdentity(manifest), object: manifest.value };
}

/** Throws when live values that others set since the last apply would be set back. */
async function refuseOverwriting({ api, namespace }: Session, manifest: Manifest): Promise<void> {
  const { changedByOthers } = await import('../apply/changed-by-others.ts');
  // Values of secrets are not for the screen.
  const shown = (live: JsonValue): string => (manifest.kind === 'Secret' ? 'another value' : encodeJson(live));
  try {
    const { object } = await api.get(manifestTarget(manifest, namespace));
    const problems = changedByOthers(object, manifest.value).map(({ path, live }) =>
      manifest.problemAt(path, `it was changed to ${shown(live)} since the last apply, and --overwrite is false`),
    );
    if (problems.length > 0) throw new ManifestError(problems);
  } catch (err) {
    if (!hasReason(err, 'NotFound') && !isUnknownKind(err)) throw err;
  }
}

async function applyLocally({ api, namespace }: Session, manifest: Manifest): Promise<WriteResult> {
  try {
    const live = await api.get(manifestTarget(manifest, namespace));
    return { action: apiv1.Action.CONFIGURED, identity: live.identity, object: manifest.value };
  } catch (err) {
    if (!hasReason(err, 'NotFound') && !isUnknownKind(err)) throw err;
    return { action: apiv1.Action.CREATED, identity: localIdentity(manifest), object: manifest.value };
  }
}

async function runPrune(
  session: Session,
  kept: readonly apiv1.ObjectIdentity[],
  options: ApplyOptions & { readonly report: WriteReport },
): Promise<void> {
  const { findPrunable, prune } = await import('../apply/prune.ts');
  const found = await findPrunable(session, {
    selector: options.selector,
    allowlist: options.pruneAllowlist,
    namespaceGiven: options.namespace !== undefined,
    kept,
  });
  const done = (identity: apiv1.ObjectIdentity): void => {
    // As JSON or YAML only what is there afterwards is printed.
    if (options.output === undefined || options.output === 'name') options.report.done('pruned', identity, {});
  };
  await prune(session, found, { dryRun: dryRunOf(options), done });
}

/** Throws when `-n` and the object name different namespaces. */
export function checkNamespace(manifest: Manifest, flag: string | undefined): void {
  if (flag === undefined || manifest.namespace === undefined || manifest.namespace === flag) return;
  const message =
    `the namespace from the provided object "${manifest.namespace}" does not match the namespace "${flag}". ` +
    `You must pass '--namespace=${manifest.namespace}' to perform this operation.`;
  throw new ManifestError([manifest.problemAt('metadata.namespace', message)]);
}
