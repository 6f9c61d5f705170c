import { hasReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';
import type { DeletionFlags, ResourceTarget } from '../api/api-client.ts';
import { type Going, gracePeriod, propagation, waitUntilGone } from '../delete/deletion.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { collect } from '../resources/collect.ts';
import { findObjects } from '../resources/find-objects.ts';
import { kindWord, slashedName } from '../resources/identity.ts';
import { targetsOf } from '../resources/targets-of.ts';
import { dryRunOf, type WriteOptions } from '../resources/write-report.ts';
import { addConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface DeleteOptions extends WriteOptions {
  readonly filename?: string[];
  readonly kustomize?: string;
  readonly recursive?: boolean;
  readonly all?: boolean;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly gracePeriod?: string;
  readonly now?: boolean;
  readonly force?: boolean;
  readonly cascade?: string | true;
  readonly ignoreNotFound?: boolean;
  readonly interactive?: boolean;
  /** False with `--wait=false`. */
  readonly wait: boolean;
  readonly timeout: string;
}

/** `skiff delete`; exported under a name that is not a reserved word. */
export const deleteVerb: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('[resources...]', 'kind and names, kind/name, or a kind with -l or --all')
      .option('-f, --filename <file>', 'the objects of a file, folder, address or - for standard input', collect)
      .option('-k, --kustomize <folder>', 'the objects of a folder with a kustomization.yaml')
      .option('-R, --recursive', 'folders of folders too')
      .option('-l, --selector <labels>', 'objects with these labels')
      .option('--field-selector <fields>', 'objects with these fields')
      .option('--all', 'all objects of the kind')
      .option('-A, --all-namespaces', 'with -l or --all: of all namespaces')
      .option('--grace-period <seconds>', 'time given to end by itself; the object decides unless said')
      .option('--now', 'the same as --grace-period=1')
      .option('--force', 'with --grace-period=0: remove at once, without waiting for the containers to end')
      .option('--cascade [policy]', 'what becomes of what it owns: background, foreground or orphan')
      .option('--ignore-not-found', 'nothing found is no error')
      .option('-i, --interactive', 'list what would be deleted, and ask first')
      .option('--wait', 'wait until the objects are gone (the default)', true)
      .option('--no-wait', 'do not wait until the objects are gone')
      .option('--timeout <duration>', 'how long to wait at most; 0 means no limit', '0')
      .option('--dry-run [strategy]', 'client: send nothing; server: do all but delete; none')
      .option('-o, --output <format>', 'name prints only what was deleted')
      .action((args: string[], options: DeleteOptions) =>
        withSession(terminal, options, (session) => runDelete(session, args, options)),
      );
    addExamples(command, [
      ['What a file made', 'skiff delete -f app.yaml'],
      ['By name', 'skiff delete pod web-1 web-2\n  skiff delete deploy/web'],
      ['All pods with a label, at once', 'skiff delete pods -l app=web --now'],
    ]);
  },
};

async function runDelete(session: Session, args: readonly string[], options: DeleteOptions): Promise<void> {
  const flags = deletionFlags(options);
  const dryRun = dryRunOf(options);
  const errors: unknown[] = [];
  const going: Going[] = [];
  const all = options.all === true || options.selector !== undefined || options.fieldSelector !== undefined;
  const targets = await targetsOf(session.api, await findObjects(session, args, options), { all });
  if (targets.length === 0) session.terminal.stderr.write('No resources found\n');
  if (options.interactive === true && targets.length > 0 && !(await isConfirmed(session, targets))) {
    session.terminal.stdout.write('deletion is cancelled\n');
    return;
  }
  for (const target of targets) {
    try {
      const identity = dryRun === 'client' ? (await session.api.get(target)).identity : undefined;
      const result =
        identity === undefined
          ? await session.api.delete(target, { ...flags, dryRun: dryRun === 'server' })
          : undefined;
      report(session, identity ?? result?.identity ?? {}, options);
      if (result?.action === apiv1.Action.DELETING && dryRun === 'none')
        going.push({ target, uid: result.identity.uid ?? '' });
    } catch (err) {
      if (options.ignoreNotFound === true && hasReason(err, 'NotFound')) continue;
      errors.push(err);
      if (!hasReason(err, 'NotFound', 'Conflict', 'Forbidden', 'BadRequest', 'Invalid')) break;
    }
  }
  if (options.wait && flags.gracePeriodSeconds !== 0)
    await waitUntilGone(session, going, durationMs(options.timeout, '--timeout'));
  throwAll(errors);
}

function deletionFlags(options: DeleteOptions): DeletionFlags {
  const seconds = options.now === true ? 1 : gracePeriod(options.gracePeriod);
  if (options.force !== true && seconds === 0) {
    throw new CliError('--grace-period=0 must be given together with --force: the containers may go on for a while');
  }
  const gracePeriodSeconds = options.force === true && seconds === undefined ? 0 : seconds;
  return { ...propagation(options.cascade), ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) };
}

function report(session: Session, identity: apiv1.ObjectIdentity, options: DeleteOptions): void {
  const { stdout } = session.terminal;
  if (options.output === 'name') {
    stdout.write(`${slashedName(identity)}\n`);
    return;
  }
  const suffix = { none: '', client: ' (dry run)', server: ' (server dry run)' }[dryRunOf(options)];
  const word = options.force === true ? 'force deleted' : 'deleted';
  stdout.write(`${kindWord(identity)} "${identity.name ?? ''}" ${word}${suffix}\n`);
}

/** Lists the objects and asks. Anything but yes, and the end of standard input, mean no. */
async function isConfirmed({ terminal }: Session, targets: readonly ResourceTarget[]): Promise<boolean> {
  const lines = targets.map(({ resource, kind, name }) => `${resource ?? kind?.toLowerCase() ?? ''}/${name ?? ''}\n`);
  terminal.stdout.write(`You are about to delete the following ${targets.length} resource(s):\n${lines.join('')}`);
  terminal.stdout.write('Do you want to continue? (y/N): ');
  let answer = '';
  for await (const piece of terminal.stdin as AsyncIterable<Buffer | string>) {
    answer += piece.toString();
    if (answer.includes('\n')) break;
  }
  terminal.stdout.write('\n');
  return /^\s*y(?:es)?\s*$/i.test(answer.split('\n')[0] ?? '');
}
