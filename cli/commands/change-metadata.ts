import type { Command } from 'commander';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { diffMap, type MapDifference, splitMapChange } from '../resources/change-map.ts';
import { collect } from '../resources/collect.ts';
import { mapAt } from '../resources/fields.ts';
import { findObjects } from '../resources/find-objects.ts';
import { slashedName } from '../resources/identity.ts';
import { targetsOf } from '../resources/targets-of.ts';
import { addWriteOptions, dryRunOf, type WriteOptions, WriteReport, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, type Session, withSession } from '../session.ts';
import type { Terminal } from '../terminal.ts';

interface ChangeOptions extends WriteOptions {
  readonly overwrite?: boolean;
  readonly all?: boolean;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly list?: boolean;
  readonly resourceVersion?: string;
}

/** What tells `label` and `annotate` apart. */
export interface MetadataMap {
  readonly verb: 'label' | 'annotate';
  readonly field: 'labels' | 'annotations';
  readonly noun: 'label' | 'annotation';
  /** What became of an object. */
  readonly word: (difference: MapDifference) => string;
}

/** Declares a verb that changes labels or annotations. */
export function configureMetadataVerb(command: Command, terminal: Terminal, map: MetadataMap): void {
  addWriteOptions(addConnectionOptions(command))
    .argument('[resources-and-changes...]', 'kind and names or kind/name, then key=value to set and key- to remove')
    .option('--overwrite', `change ${map.field} that have another value`)
    .option('--all', 'all objects of the kind')
    .option('-A, --all-namespaces', 'with -l or --all: of all namespaces')
    .option('-l, --selector <labels>', 'objects with these labels')
    .option('--field-selector <fields>', 'objects with these fields')
    .option('-f, --filename <file>', 'the objects of a file, folder, address or - for standard input', collect)
    .option('-R, --recursive', 'folders of folders too')
    .option('--list', `print the ${map.field} instead`)
    .option('--resource-version <version>', 'only if the object is at this version')
    .action((args: string[], options: ChangeOptions) =>
      withSession(terminal, options, (session) => changeMetadata(session, args, options, map)),
    );
}

async function changeMetadata(
  session: Session,
  args: readonly string[],
  options: ChangeOptions,
  map: MetadataMap,
): Promise<void> {
  const { names, change } = splitMapChange(args, map.noun);
  if (change.set.size + change.remove.size === 0 && options.list !== true) {
    throw new CliError(`at least one ${map.noun} update is required`);
  }
  const { stdout } = session.terminal;
  const report = new WriteReport(session.terminal, options);
  const all =
    options.all === true ||
    options.selector !== undefined ||
    options.fieldSelector !== undefined ||
    options.list === true;
  const errors: unknown[] = [];
  for (const target of await targetsOf(session.api, await findObjects(session, names, options), { all })) {
    try {
      const { object, identity } = await session.api.get(target);
      const current = new Map(mapAt(object, 'metadata', map.field));
      if (options.list === true) {
        stdout.write(`Listing ${map.field} for ${slashedName(identity)}:\n`);
        for (const [key, value] of current) stdout.write(` ${key}=${value}\n`);
        continue;
      }
      const difference = diffMap(change, current, options.overwrite === true);
      for (const key of difference.missing) stdout.write(`${map.noun} "${key}" not found.\n`);
      if (Object.keys(difference.patch).length === 0 || dryRunOf(options) === 'client') {
        report.done(map.word(difference), identity, object);
        continue;
      }
      const version = options.resourceVersion === undefined ? {} : { resourceVersion: options.resourceVersion };
      const patch = JSON.stringify({ metadata: { [map.field]: difference.patch, ...version } });
      const result = await session.api.patch(target, { type: 'merge', patch }, writeFlags(options, map.verb));
      report.done(map.word(difference), result.identity, result.object);
    } catch (err) {
      errors.push(err);
    }
  }
  report.finish();
  throwAll(errors);
}
