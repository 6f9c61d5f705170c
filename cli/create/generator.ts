import type { Command } from 'commander';
import type { JsonObject } from '../manifest/json-value.ts';
import type { WriteOptions } from '../resources/write-report.ts';
import type { Session } from '../session.ts';
import type { Terminal } from '../terminal.ts';

/** What a generator makes its object from. */
export interface GeneratorInput<Options> {
  readonly name: string;
  /** The words after `--`. */
  readonly command: readonly string[];
  readonly options: Options & WriteOptions;
  readonly terminal: Terminal;
  /** Asks the server, for what can only be made from what is there. */
  readonly ask: <T>(body: (session: Session) => Promise<T>) => Promise<T>;
}

/** One way to make an object from arguments: `skiff create <path> NAME …`. */
export interface Generator<Options = object> {
  /** The words after `create`: one, or a family and its member, such as `secret generic`. */
  readonly path: readonly string[];
  /** Other names of the last word. */
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Whether the object lives in a namespace. */
  readonly namespaced: boolean;
  /** Whether words after `--` mean something. */
  readonly takesCommand?: boolean;
  /** Pairs of what it does and how it is typed. */
  readonly examples: readonly (readonly [string, string])[];
  /** Declares the generator's own options. */
  declare(command: Command): void;
  /** The object, without a namespace. Throws a CliError for options that make none. */
  build(input: GeneratorInput<Options>): JsonObject | Promise<JsonObject>;
}
