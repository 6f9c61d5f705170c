import { readFileSync } from 'node:fs';
import { CliError } from '../errors/cli-error.ts';
import { encodeJson, isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { compileCustomColumns, customColumnsFromFile } from './custom-columns.ts';
import { compilePath, compileTemplate } from './json-path.ts';
import { sortKeys } from './sort-keys.ts';
import { formatTable } from './text-table.ts';
import { formatYaml } from './yaml-output.ts';

/** A parsed `-o`. Tables are made from the server's rows; everything else from the objects themselves. */
export type OutputFormat =
  | { readonly type: 'table'; readonly wide: boolean }
  | { readonly type: 'name' }
  | { readonly type: 'objects'; readonly print: (objects: PrintedObjects) => string };

/** Objects to print: one that was asked for by name, or a list. */
export interface PrintedObjects {
  readonly items: readonly JsonObject[];
  /** One object was named, and is printed by itself rather than as a list of one. */
  readonly single: boolean;
}

/** How tables and lists are trimmed. */
export interface PrintOptions {
  readonly showManagedFields?: boolean;
  readonly noHeaders?: boolean;
}

const FORMATS =
  'json, yaml, name, wide, jsonpath=…, jsonpath-file=…, jsonpath-as-json=…, custom-columns=…, custom-columns-file=…';

/** Parses the value of `-o`; undefined means a table. Throws a {@link CliError} for unknown formats. */
export function parseOutput(text: string | undefined, options: PrintOptions = {}): OutputFormat {
  if (text === undefined || text === '') return { type: 'table', wide: false };
  const equals = text.indexOf('=');
  const format = equals === -1 ? text : text.slice(0, equals);
  const argument = equals === -1 ? undefined : text.slice(equals + 1);
  const trim = (objects: PrintedObjects): JsonObject => asOne(objects, options.showManagedFields === true);
  switch (format) {
    case 'wide':
      return { type: 'table', wide: true };
    case 'name':
      return { type: 'name' };
    case 'json':
      return { type: 'objects', print: (objects) => `${encodeJson(sortKeys(trim(objects)), 4)}\n` };
    case 'yaml':
      return { type: 'objects', print: (objects) => formatYaml(trim(objects)) };
    case 'jsonpath':
    case 'jsonpath-file': {
      const template = compileTemplate(required(argument, format));
      return { type: 'objects', print: (objects) => template(trim(objects)) };
    }
    case 'jsonpath-as-json': {
      const found = compilePath(required(argument, format));
      return { type: 'objects', print: (objects) => `${encodeJson(sortKeys(found(trim(objects))), 4)}\n` };
    }
    case 'go-template':
    case 'go-template-file':
    case 'template':
    case 'templatefile':
      throw new CliError(`the output format ${format} is not served: templates of Go are a language of their own`, {
        hint: "Use -o jsonpath='{…}' or -o custom-columns=… instead; {range .items[*]}…{end} repeats.",
      });
    case 'custom-columns':
    case 'custom-columns-file':
      return { type: 'objects', print: customColumns(required(argument, format), options.noHeaders === true) };
    default:
      throw new CliError(
        `unable to match a printer suitable for the output format "${text}", allowed formats are: ${FORMATS}`,
      );
  }
}

function required(argument: string | undefined, format: string): string {
  if (argument === undefined || argument === '')
    throw new CliError(`the output format ${format} needs a value: ${format}=…`);
  if (format === 'jsonpath' || format === 'jsonpath-as-json') return argument;
  if (format === 'custom-columns') return argument;
  try {
    const text = readFileSync(argument, 'utf8');
    return format === 'custom-columns-file' ? customColumnsFromFile(text) : text.trimEnd();
  } catch (err) {
    if (err instanceof Error && 'syscall' in err)
      throw new CliError(`Cannot read ${argument}: ${err.message}`, { cause: err });
    throw err;
  }
}

function customColumns(specification: string, noHeaders: boolean): (objects: PrintedObjects) => string {
  const columns = compileCustomColumns(specification);
  return ({ items }) =>
    formatTable([...(noHeaders ? [] : [columns.headers]), ...items.map((item) => columns.cells(item))]);
}

/** One object by itself, several as a `List`. */
function asOne({ items, single }: PrintedObjects, showManagedFields: boolean): JsonObject {
  const shown = showManagedFields ? items : items.map((item) => withoutManagedFields(item));
  const [only] = shown;
  if (single && only !== undefined) return only;
  return { apiVersion: 'v1', items: shown, kind: 'List', metadata: { resourceVersion: '' } };
}

/** The object without the record of who owns its fields, which is long and seldom wanted. */
export function withoutManagedFields(object: JsonObject): JsonObject {
  if (!isJsonObject(object.metadata) || object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata as Record<string, JsonValue>;
  return { ...object, metadata };
}
