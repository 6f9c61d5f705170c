import { hasReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import type { ResourceTarget } from '../api/api-client.ts';
import { addSaveConfig, type CreateOptions } from '../create/add-generators.ts';
import { LAST_APPLIED, withLastApplied } from '../create/last-applied.ts';
import { type Going, gracePeriod, propagation, waitUntilGone } from '../delete/deletion.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { encodeJson, isJsonObject, type JsonObject } from '../manifest/json-value.ts';
import { locateCauses } from '../manifest/locate-causes.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { type InputOptions, readInput } from '../manifest/read-input.ts';
import { collect } from '../resources/collect.ts';
import { valueAt } from '../resources/fields.ts';
import { manifestTarget } from '../resources/find-objects.ts';
import { kindWord } from '../resources/identity.ts';
import { addWriteOptions, dryRunOf, WriteReport, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';
import { checkNamespace } from './apply.ts';

interface ReplaceOptions extends CreateOptions, InputOptions {
  readonly force?: boolean;
  readonly gracePeriod?: string;
  readonly cascade?: string | true;
  readonly timeout?: string;
  readonly subresource?: string;
}

const SUBRESOURCES: readonly string[] = ['status', 'scale'];
/** How long `--force` waits for the old objects to go, unless told otherwise. */
const PATIENCE_MS = 5 * 60_000;

/** `skiff replace` */
export const replace: Verb = {
  configure(command, { terminal }) {
    addSaveConfig(addWriteOptions(addConnectionOptions(command)))
      .option('-f, --filename <file>', 'a file, folder, address or - for standard input; repeatable', collect)
      .option('-k, --kustomize <folder>', 'a folder with a kustomization.yaml')
      .option('-R, --recursive', 'folders of folders too')
      .option('--subresource <name>', 'replace the status or scale of the objects instead')
      .option('--force', 'delete the objects and create them anew, for what cannot be changed in place')
      .option('--grace-period <seconds>', 'with --force: time given to end by itself')
      .option('--cascade [policy]', 'with --force: what becomes of what it owns: background, foreground or orphan')
      .option('--timeout <duration>', 'with --force: how long to wait for the old objects to go')
      .action(async (options: ReplaceOptions) => {
        checkOptions(options);
        const manifests = await readInput(terminal, options);
        await withSession(terminal, options, (session) =>
          options.force === true
            ? replaceByForce(session, manifests, options)
            : replaceInPlace(session, manifests, options),
        );
      });
    addExamples(command, [
      ['With what a file says', 'skiff replace -f pod.yaml'],
      ['With a changed copy', "skiff get cm settings -o yaml | sed 's/slow/fast/' | skiff replace -f -"],
      ['Delete and create again', 'skiff replace --force -f job.yaml'],
    ]);
  },
};

function checkOptions({ force, gracePeriod: grace, timeout, cascade, subresource, dryRun }: ReplaceOptions): void {
  if (subresource !== undefined && !SUBRESOURCES.includes(subresource))
    throw new CliError(`invalid subresource value: "${subresource}". Must be one of [${SUBRESOURCES.join(' ')}]`);
  if (force === true) {
    if (subresource !== undefined) throw new CliError('--subresource cannot be deleted and created: leave out --force');
    if (dryRun !== undefined && dryRun !== 'none')
      throw new CliError('--dry-run cannot be used with --force: what is created depends on what was deleted');
    return;
  }
  if (gracePeriod(grace) !== undefined) throw new CliError('--grace-period must have --force specified');
  if (timeout !== undefined) throw new CliError('--timeout must have --force specified');
  if (cascade !== undefined) throw new CliError('--cascade must have --force specified');
}

async function replaceInPlace(
  session: Session,
  manifests: readonly Manifest[],
  options: ReplaceOptions,
): Promise<void> {
  const report = new WriteReport(session.terminal, options);
  const errors: unknown[] = [];
  for (const manifest of manifests) {
    try {
      checkNamespace(manifest, options.namespace);
      const target: ResourceTarget = {
        ...manifestTarget(manifest, session.namespace),
        ...(options.subresource === undefined ? {} : { subresource: options.subresource }),
      };
      const object = configured(manifest, options);
      if (dryRunOf(options) === 'client') {
        report.done('replaced', (await session.api.get(target)).identity, object);
      } else {
        const result = await session.api.update(target, encodeJson(object), writeFlags(options, 'replace'));
        report.done('replaced', result.identity, result.object);
      }
    } catch (err) {
      errors.push(locateCauses(manifest, err));
    }
  }
  report.finish();
  throwAll(errors);
}

/** Deletes all, waits until they are gone, creates all. Stops where something fails, because what follows builds on it. */
async function replaceByForce(
  session: Session,
  manifests: readonly Manifest[],
  options: ReplaceOptions,
): Promise<void> {
  const { api, terminal } = session;
  const report = new WriteReport(terminal, options);
  const grace = gracePeriod(options.gracePeriod);
  // At once would leave no time to see that it is gone.
  const gracePeriodSeconds = grace === 0 ? 1 : grace;
  const flags = {
    ...propagation(options.cascade),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  };
  for (const manifest of manifests) checkNamespace(manifest, options.namespace);
  const going: Going[] = [];
  for (const manifest of manifests) {
    const target = manifestTarget(manifest, session.namespace);
    try {
      const { identity, action } = await api.delete(target, flags);
      if (options.output === undefined)
        terminal.stdout.write(`${kindWord(identity)} "${identity.name ?? ''}" deleted\n`);
      if (action === apiv1.Action.DELETING) going.push({ target, uid: identity.uid ?? '' });
    } catch (err) {
      if (!hasReason(err, 'NotFound')) throw err;
    }
  }
  const limitMs = durationMs(options.timeout ?? '0', '--timeout');
  await waitUntilGone(session, going, limitMs === 0 ? PATIENCE_MS : limitMs);
  for (const manifest of manifests) {
    try {
      const { name: _, ...collection } = manifestTarget(manifest, session.namespace);
      const object = anew(configured(manifest, options));
      const result = await api.create(collection, encodeJson(object), writeFlags(options, 'replace'));
      report.done('replaced', result.identity, result.object);
    } catch (err) {
      report.finish();
      throw locateCauses(manifest, err);
    }
  }
  report.finish();
}

/** With the configuration noted in it, when that is asked for or was so before. */
function configured({ value }: Manifest, options: ReplaceOptions): JsonObject {
  const isNoted = valueAt(value, 'metadata', 'annotations', LAST_APPLIED) !== undefined;
  return options.saveConfig === true || isNoted ? withLastApplied(value) : value;
}

/** Without what belongs to the object that was there. */
function anew(object: JsonObject): JsonObject {
  if (!isJsonObject(object.metadata)) return object;
  const { resourceVersion: _version, uid: _uid, ...metadata } = object.metadata;
  return { ...object, metadata };
}
