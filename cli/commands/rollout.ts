import type { Command } from 'commander';
import type { apiv1 } from '../../proto/api.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { formatTable } from '../output/text-table.ts';
import { collect } from '../resources/collect.ts';
import { textAt, valueAt } from '../resources/fields.ts';
import { findObjects } from '../resources/find-objects.ts';
import { slashedName } from '../resources/identity.ts';
import { targetsOf } from '../resources/targets-of.ts';
import { addWriteOptions, dryRunOf, type WriteOptions, WriteReport, writeFlags } from '../resources/write-report.ts';
import { formatTemplate } from '../rollout/format-template.ts';
import { listRevisions, type Revision, withoutHash } from '../rollout/revisions.ts';
import { deploymentRollout, isPaused } from '../rollout/rollout-status.ts';
import { sameJson } from '../rollout/same-json.ts';
import { identityTarget, waitForRollouts } from '../rollout/wait-for-rollouts.ts';
import { addConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface RolloutOptions extends WriteOptions {
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly selector?: string;
  /** False with `--watch=false`. */
  readonly watch?: boolean;
  readonly timeout?: string;
  readonly revision?: string;
  readonly toRevision?: string;
}

/** A Deployment a subcommand is about. */
interface Found {
  readonly object: JsonObject;
  readonly identity: apiv1.ObjectIdentity;
}

/** `skiff rollout` */
export const rollout: Verb = {
  configure(command, { terminal }) {
    const status = sub(command, terminal, 'status', 'Follow a rollout until it is done', showStatus);
    status
      .option('--no-watch', 'tell the state and end')
      .option('--timeout <duration>', 'how long to follow at most; 0 means no limit', '0');
    const history = sub(command, terminal, 'history', 'List the revisions that are remembered', showHistory);
    history.option('--revision <number>', 'show the pod template of this revision');
    const undo = addWriteOptions(sub(command, terminal, 'undo', 'Go back to an earlier revision', undoRollout));
    undo.option('--to-revision <number>', 'the revision to go back to; 0 is the one before', '0');
    addWriteOptions(sub(command, terminal, 'pause', 'Stop rolling out changes', pause));
    addWriteOptions(sub(command, terminal, 'resume', 'Roll out changes again', resume));
    addWriteOptions(sub(command, terminal, 'restart', 'Replace all pods, as a rollout', restart));
    addExamples(command, [
      ['Follow a rollout', 'skiff rollout status deployment/web --timeout=60s'],
      [
        'Go back to the version before, or to another',
        'skiff rollout undo deploy/web\n  skiff rollout undo deploy/web --to-revision=3',
      ],
      ['Replace all pods', 'skiff rollout restart deploy/web'],
    ]);
  },
};

type Step = (session: Session, found: readonly Found[], options: RolloutOptions) => Promise<void>;

function sub(command: Command, terminal: Terminal, name: string, summary: string, step: Step): Command {
  const child = command.command(name).description(summary);
  return addConnectionOptions(child)
    .argument('[resources...]', 'deployments, as kind and names or kind/name')
    .option('-f, --filename <file>', 'the objects of a file, folder, address or - for standard input', collect)
    .option('-R, --recursive', 'folders of folders too')
    .option('-l, --selector <labels>', 'objects with these labels')
    .action((args: string[], options: RolloutOptions) =>
      withSession(terminal, options, async (session) =>
        step(session, await findDeployments(session, args, options), options),
      ),
    );
}

async function findDeployments(session: Session, args: readonly string[], options: RolloutOptions): Promise<Found[]> {
  if (args.length === 0 && options.filename === undefined) throw new CliError('required resource not specified');
  const found: Found[] = [];
  for (const target of await targetsOf(session.api, await findObjects(session, args, options), { all: true })) {
    const { object, identity } = await session.api.get(target);
    if (identity.kind !== 'Deployment')
      throw new CliError(`no rollouts are known for ${identity.plural ?? identity.kind ?? 'this kind'}`);
    found.push({ object, identity });
  }
  return found;
}

async function showStatus(session: Session, found: readonly Found[], options: RolloutOptions): Promise<void> {
  if (options.watch === false) {
    for (const { object } of found) session.terminal.stdout.write(`${deploymentRollout(object).message}\n`);
    return;
  }
  const identities = found.map(({ identity }) => identity);
  await waitForRollouts(session, identities, durationMs(options.timeout ?? '0', '--timeout'));
}

async function showHistory(session: Session, found: readonly Found[], options: RolloutOptions): Promise<void> {
  const { stdout } = session.terminal;
  for (const { object, identity } of found) {
    const revisions = await listRevisions(session.api, object);
    if (options.revision !== undefined) {
      const revision = chosen(revisions, Number(options.revision), identity);
      stdout.write(`${slashedName(identity)} with revision #${revision.number}\n${formatTemplate(revision.template)}`);
      continue;
    }
    const rows = revisions.map(({ number, changeCause }) => [String(number), changeCause]);
    stdout.write(`${slashedName(identity)}\n${formatTable([['REVISION', 'CHANGE-CAUSE'], ...rows], { padding: 2 })}\n`);
  }
}

function chosen(revisions: readonly Revision[], number: number, identity: apiv1.ObjectIdentity): Revision {
  const revision = revisions.find((one) => one.number === number);
  if (revision === undefined) {
    const known = revisions.map((one) => one.number).join(', ');
    throw new CliError(
      `unable to find specified revision ${number} in the history of ${slashedName(identity)} (it has ${known})`,
    );
  }
  return revision;
}

async function undoRollout(session: Session, found: readonly Found[], options: RolloutOptions): Promise<void> {
  const wanted = Number(options.toRevision ?? '0');
  if (!Number.isInteger(wanted) || wanted < 0) throw new CliError(`invalid --to-revision "${options.toRevision}"`);
  await each(session, found, options, async ({ object, identity }, change) => {
    const name = identity.name ?? '';
    if (isPaused(object))
      throw new CliError(
        `you cannot rollback a paused deployment; resume it first with 'skiff rollout resume deployment/${name}'`,
      );
    const revisions = await listRevisions(session.api, object);
    const revision = wanted === 0 ? revisions.at(-2) : chosen(revisions, wanted, identity);
    if (revision === undefined) throw new CliError(`no rollout history found for deployment "${name}"`);
    if (sameJson(revision.template, withoutHash(valueAt(object, 'spec', 'template')))) {
      await change(`skipped rollback (current template already matches revision ${revision.number})`, undefined);
      return;
    }
    const patch = [{ op: 'replace', path: '/spec/template', value: revision.template }];
    await change('rolled back', { type: 'json', patch: JSON.stringify(patch) });
  });
}

async function pause(session: Session, found: readonly Found[], options: RolloutOptions): Promise<void> {
  await each(session, found, options, async ({ object, identity }, change) => {
    if (isPaused(object)) throw new CliError(`deployments.apps "${identity.name ?? ''}" is already paused`);
    await change('paused', { type: 'merge', patch: '{"spec":{"paused":true}}' });
  });
}

async function resume(session: Session, found: readonly Found[], options: RolloutOptions): Promise<void> {
  await each(session, found, options, async ({ object, identity }, change) => {
    if (!isPaused(object)) throw new CliError(`deployments.apps "${identity.name ?? ''}" is not paused`);
    await change('resumed', { type: 'merge', patch: '{"spec":{"paused":null}}' });
  });
}

async function restart(session: Session, found: readonly Found[], options: RolloutOptions): Promise<void> {
  const now = new Date(session.terminal.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  await each(session, found, options, async ({ object, identity }, change) => {
    if (isPaused(object)) {
      throw new CliError(
        `deployments.apps "${identity.name ?? ''}" can't restart paused deployment (run rollout resume first)`,
      );
    }
    const annotations = { 'kubectl.kubernetes.io/restartedAt': now };
    await change('restarted', {
      type: 'merge',
      patch: JSON.stringify({ spec: { template: { metadata: { annotations } } } }),
    });
  });
}

type Change = (word: string, patch: { type: 'json' | 'merge'; patch: string } | undefined) => Promise<void>;

/** Runs a change on every deployment, telling each, and all failures at the end. */
async function each(
  session: Session,
  found: readonly Found[],
  options: RolloutOptions,
  act: (one: Found, change: Change) => Promise<void>,
): Promise<void> {
  const report = new WriteReport(session.terminal, options);
  const errors: unknown[] = [];
  for (const one of found) {
    const change: Change = async (word, patch) => {
      if (patch === undefined || dryRunOf(options) === 'client') report.done(word, one.identity, one.object);
      else {
        const target = identityTarget({ ...one.identity, namespace: textAt(one.object, 'metadata', 'namespace') });
        const result = await session.api.patch(target, patch, writeFlags(options, 'rollout'));
        report.done(word, result.identity, result.object);
      }
    };
    await act(one, change).catch((err: unknown) => errors.push(err));
  }
  report.finish();
  throwAll(errors);
}
