import type { Command } from 'commander';
import type { apiv1 } from '../../proto/api.ts';
import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { type OutputFormat, parseOutput } from '../output/print-options.ts';
import type { ConnectionOptions } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { slashedName } from './identity.ts';

/** Options of every verb that writes. */
export interface WriteOptions extends ConnectionOptions {
  readonly dryRun?: string | true;
  readonly output?: string;
  readonly fieldManager?: string;
  readonly showManagedFields?: boolean;
}

/** How far a write goes. */
export type DryRun = 'none' | 'client' | 'server';

/** Declares the options of {@link WriteOptions} beyond the connection's. */
export function addWriteOptions(command: Command): Command {
  return command
    .option('--dry-run [strategy]', 'client: send nothing; server: do all but store; none')
    .option('-o, --output <format>', 'print the result as name, yaml, json, jsonpath=…')
    .option('--field-manager <name>', 'the name recorded as owner of the fields')
    .option('--show-managed-fields', 'keep metadata.managedFields in json and yaml');
}

/** Reads `--dry-run`. Throws a {@link CliError} for an unknown strategy. */
export function dryRunOf(options: WriteOptions): DryRun {
  const { dryRun } = options;
  if (dryRun === undefined || dryRun === 'none') return 'none';
  if (dryRun === true || dryRun === 'client' || dryRun === 'server') return dryRun === true ? 'client' : dryRun;
  throw new CliError(`Invalid dry-run value (${dryRun}). Must be "none", "server", or "client".`);
}

/** Tells what writes did: a line for each, or the objects in the form of `-o`, all at the end. */
export class WriteReport {
  readonly #terminal: Terminal;
  readonly #format: OutputFormat | undefined;
  readonly #suffix: string;
  readonly #objects: JsonObject[] = [];

  constructor(terminal: Terminal, options: WriteOptions) {
    this.#terminal = terminal;
    this.#format = options.output === undefined ? undefined : parseOutput(options.output, options);
    if (this.#format?.type === 'table')
      throw new CliError(`the output format "${options.output}" does not fit this command`);
    const dryRun = dryRunOf(options);
    this.#suffix = dryRun === 'client' ? ' (dry run)' : dryRun === 'server' ? ' (server dry run)' : '';
  }

  /** One write is done: `word` says what became of it, such as `created`. */
  done(word: string, identity: apiv1.ObjectIdentity, object: JsonObject): void {
    if (this.#format === undefined) this.#terminal.stdout.write(`${slashedName(identity)} ${word}${this.#suffix}\n`);
    else if (this.#format.type === 'name') this.#terminal.stdout.write(`${slashedName(identity)}\n`);
    else this.#objects.push(object);
  }

  /** Prints the objects, if they were asked for. `named` when exactly one was meant. */
  finish(): void {
    if (this.#format?.type !== 'objects' || this.#objects.length === 0) return;
    this.#terminal.stdout.write(this.#format.print({ items: this.#objects, single: this.#objects.length === 1 }));
  }
}

/** The field manager of a verb, unless another is named. */
export function writeFlags(options: WriteOptions, verb: string): { dryRun: boolean; fieldManager: string } {
  return { dryRun: dryRunOf(options) === 'server', fieldManager: options.fieldManager ?? `skiff-${verb}` };
}
