import type { Command } from 'commander';
import { CliError } from '../errors/cli-error.ts';
import { encodeJson, isJsonObject, type JsonObject } from '../manifest/json-value.ts';
import { textAt } from '../resources/fields.ts';
import { localIdentity } from '../resources/identity.ts';
import { addWriteOptions, dryRunOf, type WriteOptions, WriteReport, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, withSession } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples } from '../verb.ts';
import type { Generator } from './generator.ts';
import { withLastApplied } from './last-applied.ts';

/** Options that every generator has. */
export interface CreateOptions extends WriteOptions {
  readonly saveConfig?: boolean;
}

/** Declares `--save-config`. */
export function addSaveConfig(command: Command): Command {
  return command.option('--save-config', 'note the configuration in the object, for a later apply');
}

/** Declares one subcommand for each generator. */
export function addGenerators(parent: Command, terminal: Terminal, generators: readonly Generator[]): void {
  for (const generator of generators) {
    const word = generator.path.at(-1) ?? '';
    const child = familyOf(parent, generator.path).command(word).description(generator.summary);
    if (generator.aliases !== undefined) child.aliases([...generator.aliases]);
    child.argument('[name]').argument(generator.takesCommand === true ? '[command...]' : '[more...]');
    child.usage(generator.takesCommand === true ? '<name> [options] [-- command...]' : '<name> [options]');
    generator.declare(child);
    addSaveConfig(addWriteOptions(addConnectionOptions(child)));
    addExamples(child, generator.examples);
    child.action((name: string | undefined, rest: string[]) =>
      runGenerator(generator, terminal, child, [...(name === undefined ? [] : [name]), ...rest]),
    );
  }
}

/** The command that a generator's last word stands below: `create` itself, or a family such as `create secret`. */
function familyOf(parent: Command, path: readonly string[]): Command {
  let command = parent;
  for (const word of path.slice(0, -1)) {
    const known = command.commands.find((child) => child.name() === word);
    command = known ?? command.command(word).description(`Create a ${word}; see its own commands`).helpCommand(false);
    if (known === undefined && word === 'service') command.alias('svc');
  }
  return command;
}

async function runGenerator(
  generator: Generator,
  terminal: Terminal,
  child: Command,
  words: readonly string[],
): Promise<void> {
  const { names, command } = splitAtDashes(child, words);
  const [name] = names;
  if (name === undefined || name === '' || names.length !== 1)
    throw new CliError(`exactly one NAME is required, got ${names.length}`);
  if (command.length > 0 && generator.takesCommand !== true)
    throw new CliError(`a ${generator.path.join(' ')} runs no command: leave out "-- ${command.join(' ')}"`);
  const options = optionsOf(child);
  const report = new WriteReport(terminal, options);
  const built = await generator.build({
    name,
    command,
    options,
    terminal,
    ask: (body) => withSession(terminal, options, body),
  });
  const placed = generator.namespaced ? inNamespace(built, options.namespace) : built;
  await createObject(terminal, options.saveConfig === true ? withLastApplied(placed) : placed, options, report);
  report.finish();
}

/** Options typed before the subcommand mean the same as those after it. */
function optionsOf(child: Command): CreateOptions {
  const options: Record<string, unknown> = { ...child.opts<CreateOptions>() };
  for (let above = child.parent; above !== null; above = above.parent) {
    for (const [key, value] of Object.entries(above.opts())) {
      if (above.getOptionValueSource(key) === 'cli') options[key] ??= value;
    }
  }
  return options;
}

/** Creates one object as `--dry-run` says and notes it in the report. */
export async function createObject(
  terminal: Terminal,
  object: JsonObject,
  options: WriteOptions,
  report: WriteReport,
): Promise<void> {
  const [apiVersion, kind] = [textAt(object, 'apiVersion'), textAt(object, 'kind')];
  const name = textAt(object, 'metadata', 'name');
  if (dryRunOf(options) === 'client') {
    report.done('created', localIdentity({ apiVersion, kind, name }), object);
    return;
  }
  await withSession(terminal, options, async ({ api, namespace }) => {
    const result = await api.create({ apiVersion, kind, namespace }, encodeJson(object), writeFlags(options, 'create'));
    report.done('created', result.identity, result.object);
  });
}

/** The object in the namespace given with `-n`; without one, the server's request decides. */
export function inNamespace(object: JsonObject, namespace: string | undefined): JsonObject {
  if (namespace === undefined) return object;
  const metadata = isJsonObject(object.metadata) ? object.metadata : {};
  return { ...object, metadata: { ...metadata, namespace } };
}

/** Divides a command's words into those before and after `--`. */
export function splitAtDashes(
  command: Command,
  words: readonly string[],
): { names: readonly string[]; command: readonly string[] } {
  let root = command;
  while (root.parent !== null) root = root.parent;
  const typed = 'rawArgs' in root && Array.isArray(root.rawArgs) ? root.rawArgs : [];
  const dashes = typed.indexOf('--');
  const after = dashes === -1 ? 0 : typed.length - dashes - 1;
  return { names: words.slice(0, words.length - after), command: words.slice(words.length - after) };
}
