import { hasReason } from '../../lib/errors.ts';
import type { apiv1 } from '../../proto/api.ts';
import type { ApplyFlags } from '../api/api-client.ts';
import { inApplyOrder } from '../apply/apply-order.ts';
import { isUnknownKind, ObjectSet } from '../apply/object-set.ts';
import { tryApply } from '../apply/try-apply.ts';
import type { TextPair } from '../diff/run-diff.ts';
import { type ObjectPair, shownPair } from '../diff/shown-object.ts';
import { CliError, ExitError, SeveralErrors } from '../errors/cli-error.ts';
import { locateCauses } from '../manifest/locate-causes.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { type InputOptions, readInput } from '../manifest/read-input.ts';
import { formatYaml } from '../output/yaml-output.ts';
import { collect } from '../resources/collect.ts';
import { manifestTarget } from '../resources/find-objects.ts';
import { addConnectionOptions, type ConnectionOptions, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';
import { checkNamespace } from './apply.ts';

interface DiffOptions extends ConnectionOptions, InputOptions {
  readonly serverSide?: boolean;
  readonly forceConflicts?: boolean;
  readonly fieldManager?: string;
  readonly prune?: boolean;
  readonly all?: boolean;
  readonly pruneAllowlist?: string[];
  readonly showManagedFields?: boolean;
}

/** `skiff diff` */
export const diff: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .option('-f, --filename <file>', 'a file, folder, address or - for standard input; repeatable', collect)
      .option('-k, --kustomize <folder>', 'a folder with a kustomization.yaml')
      .option('-R, --recursive', 'folders of folders too')
      .option('-l, --selector <labels>', 'only objects of the files with these labels')
      .option('--server-side', 'what apply --server-side would change')
      .option('--force-conflicts', 'with --server-side: as if what others manage were taken over')
      .option('--field-manager <name>', 'the manager to apply as')
      .option('--prune', 'also what apply --prune would delete; needs -l or --all')
      .option('--all', 'with --prune: whatever its labels')
      .option('--prune-allowlist <kind>', 'with --prune: only kinds such as core/v1/ConfigMap; repeatable', collect)
      .option('--show-managed-fields', 'show metadata.managedFields too')
      .action(async (options: DiffOptions) => {
        const differs = await failingWithTwo(async () => {
          checkOptions(options);
          const manifests = await readInput(terminal, options);
          return withSession(terminal, options, (session) => runDiff(session, manifests, options));
        });
        if (differs) throw new ExitError(1);
      });
    addExamples(command, [
      ['What applying a file would change', 'skiff diff -f app.yaml'],
      ['In colour', 'SKIFF_EXTERNAL_DIFF="diff -u -N --color=always" skiff diff -k overlays/home'],
      [
        'In a script: 0 no difference, 1 differences, more is an error',
        'skiff diff -f app.yaml > /dev/null || echo "changed"',
      ],
    ]);
  },
};

function checkOptions({ prune, all, selector, pruneAllowlist, forceConflicts, serverSide }: DiffOptions): void {
  if (forceConflicts === true && serverSide !== true)
    throw new CliError('--force-conflicts only works with --server-side');
  if (prune !== true && (all === true || pruneAllowlist !== undefined))
    throw new CliError('--all and --prune-allowlist only work with --prune');
  if (prune === true && all !== true && selector === undefined)
    throw new CliError('--prune needs a label selector with -l, or --all');
}

/** One says that there are differences: every failure says more. */
async function failingWithTwo<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (err) {
    throw new SeveralErrors([err, new ExitError(2)]);
  }
}

async function runDiff(session: Session, manifests: readonly Manifest[], options: DiffOptions): Promise<boolean> {
  const set = new ObjectSet(manifests, session.namespace);
  const texts: TextPair[] = [];
  const identities: apiv1.ObjectIdentity[] = [];
  const failures: unknown[] = [];
  const show = (identity: apiv1.ObjectIdentity, pair: ObjectPair): void => {
    const { live, merged } = shownPair(pair, { managedFields: options.showManagedFields === true });
    const text = (object: typeof live): string | undefined => (object === undefined ? undefined : formatYaml(object));
    texts.push({ name: fileName(identity), before: text(live), after: text(merged) });
  };
  for (const manifest of inApplyOrder(manifests)) {
    try {
      checkNamespace(manifest, options.namespace);
      const { identity, pair } = await compare(session, manifest, { ...options, set });
      identities.push(identity);
      show(identity, pair);
    } catch (err) {
      failures.push(locateCauses(manifest, err));
    }
  }
  if (failures.length > 0) throw new SeveralErrors(failures);
  if (options.prune === true) {
    const { findPrunable } = await import('../apply/prune.ts');
    const choice = { selector: options.selector, allowlist: options.pruneAllowlist };
    const found = await findPrunable(session, {
      ...choice,
      namespaceGiven: options.namespace !== undefined,
      kept: identities,
    });
    for (const identity of found) {
      const { group = '', version = '', kind = '', namespace = '', name = '' } = identity;
      const apiVersion = group === '' ? version : `${group}/${version}`;
      const { object } = await session.api.get({ apiVersion, kind, namespace, name });
      show(identity, { live: object, merged: undefined });
    }
  }
  const { showDifferences } = await import('../diff/run-diff.ts');
  return showDifferences(session.terminal, texts);
}

async function compare(
  { api, namespace }: Session,
  manifest: Manifest,
  options: DiffOptions & { readonly set: ObjectSet },
): Promise<{ identity: apiv1.ObjectIdentity; pair: ObjectPair }> {
  const target = manifestTarget(manifest, namespace);
  let live: ObjectPair['live'];
  try {
    live = (await api.get(target)).object;
  } catch (err) {
    const isNew = hasReason(err, 'NotFound') || (isUnknownKind(err) && options.set.definesKind(manifest));
    if (!isNew) throw err;
  }
  const flags: ApplyFlags = {
    fieldManager: options.fieldManager ?? (options.serverSide === true ? 'skiff' : 'skiff-apply'),
    serverSide: options.serverSide === true,
    force: options.forceConflicts === true,
  };
  const tried = await tryApply(api, { target, manifest, set: options.set }, flags);
  if (tried !== undefined) return { identity: tried.identity, pair: { live, merged: tried.object } };
  // Its definition in the same files is refused, and told of; until that is mended it can be shown as it is written.
  const { apiVersion, kind, name = '', namespace: own = namespace } = manifest;
  const [group = '', version = ''] = apiVersion.split('/');
  return { identity: { group, version, kind, name, namespace: own }, pair: { live, merged: manifest.value } };
}

/** `apps.v1.Deployment.default.web`, as kubectl names it. */
function fileName({ group = '', version = '', kind = '', namespace = '', name = '' }: apiv1.ObjectIdentity): string {
  const parts = [group, version, kind, namespace, name].filter((part) => part !== '');
  return parts.join('.').replaceAll('/', '_');
}
