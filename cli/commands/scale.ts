import type { ResourceTarget } from '../api/api-client.ts';
import { deadlineSignal, followObject } from '../api/follow-object.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { collect } from '../resources/collect.ts';
import { numberAt, textAt } from '../resources/fields.ts';
import { findObjects } from '../resources/find-objects.ts';
import { targetsOf } from '../resources/targets-of.ts';
import { addWriteOptions, dryRunOf, type WriteOptions, WriteReport, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ScaleOptions extends WriteOptions {
  readonly replicas?: string;
  readonly currentReplicas?: string;
  readonly resourceVersion?: string;
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly selector?: string;
  readonly all?: boolean;
  readonly timeout: string;
}

/** `skiff scale` */
export const scale: Verb = {
  configure(command, { terminal }) {
    addWriteOptions(addConnectionOptions(command))
      .argument('[resources...]', 'kind and names, or kind/name')
      .requiredOption('--replicas <count>', 'how many there shall be')
      .option('--current-replicas <count>', 'only if there are that many now')
      .option('--resource-version <version>', 'only if it is at this version')
      .option('-f, --filename <file>', 'the objects of a file, folder, address or - for standard input', collect)
      .option('-R, --recursive', 'folders of folders too')
      .option('-l, --selector <labels>', 'objects with these labels')
      .option('--all', 'all objects of the kind')
      .option('--timeout <duration>', 'wait until there are that many, so long at most; 0 does not wait', '0')
      .action((args: string[], options: ScaleOptions) =>
        withSession(terminal, options, (session) => runScale(session, args, options)),
      );
    addExamples(command, [
      ['Five replicas of a deployment', 'skiff scale deployment/web --replicas=5'],
      ['And wait until they are there', 'skiff scale deployment/web --replicas=5 --timeout=1m'],
      ['Only if there are three now', 'skiff scale deploy web --current-replicas=3 --replicas=5'],
    ]);
  },
};

async function runScale(session: Session, args: readonly string[], options: ScaleOptions): Promise<void> {
  const replicas = wholeNumber(options.replicas, '--replicas');
  const expected =
    options.currentReplicas === undefined ? undefined : wholeNumber(options.currentReplicas, '--current-replicas');
  const timeoutMs = durationMs(options.timeout, '--timeout');
  const report = new WriteReport(session.terminal, options);
  const errors: unknown[] = [];
  const requests = await findObjects(session, args, options);
  for (const target of await targetsOf(session.api, requests, {
    all: options.all === true || options.selector !== undefined,
  })) {
    try {
      const { object, identity } = await session.api.get(target);
      const current = numberAt(object, 'spec', 'replicas') ?? 0;
      const version = options.resourceVersion;
      if (expected !== undefined && current !== expected) {
        throw new CliError(`Expected replicas to be ${expected}, was ${current}`);
      }
      if (version !== undefined && textAt(object, 'metadata', 'resourceVersion') !== version) {
        throw new CliError(
          `Expected resource version to be ${version}, was ${textAt(object, 'metadata', 'resourceVersion')}`,
        );
      }
      if (dryRunOf(options) === 'client') report.done('scaled', identity, object);
      else {
        // A condition holds only if nothing happened since it was checked.
        const metadata =
          expected === undefined && version === undefined
            ? {}
            : { resourceVersion: textAt(object, 'metadata', 'resourceVersion') };
        const patch = JSON.stringify({ metadata, spec: { replicas } });
        const result = await session.api.patch(
          { ...target, subresource: 'scale' },
          { type: 'merge', patch },
          writeFlags(options, 'scale'),
        );
        report.done('scaled', identity, result.object);
        if (timeoutMs > 0 && dryRunOf(options) === 'none') await waitForReplicas(session, target, replicas, timeoutMs);
      }
    } catch (err) {
      errors.push(err);
    }
  }
  report.finish();
  throwAll(errors);
}

/** Follows the object until its status counts as many replicas. Throws a {@link CliError} when time is over. */
async function waitForReplicas(
  { api, terminal }: Session,
  target: ResourceTarget,
  replicas: number,
  timeoutMs: number,
): Promise<void> {
  const late = new CliError(`timed out waiting for "${target.name ?? ''}" to have ${replicas} replicas`);
  const { signal, cancel } = deadlineSignal(terminal.signal, timeoutMs, late);
  try {
    for await (const object of followObject(api, target, signal)) {
      if (object === undefined) throw new CliError(`"${target.name ?? ''}" was deleted`);
      const generation = numberAt(object, 'metadata', 'generation') ?? 0;
      const isSeen = (numberAt(object, 'status', 'observedGeneration') ?? generation) >= generation;
      if (isSeen && (numberAt(object, 'status', 'replicas') ?? 0) === replicas) return;
    }
  } finally {
    cancel();
  }
}

function wholeNumber(text: string | undefined, flag: string): number {
  if (text === undefined || !/^\d{1,9}$/.test(text))
    throw new CliError(`invalid ${flag} "${text ?? ''}": write a number of replicas, 0 or more`);
  return Number(text);
}
