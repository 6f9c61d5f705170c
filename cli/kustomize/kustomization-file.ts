import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { ManifestError, type ManifestProblem } from '../manifest/manifest-error.ts';
import { type ParsedDocument, parseYamlDocument } from '../manifest/parse-document.ts';
import { SourceText } from '../manifest/source-text.ts';
import { splitDocuments } from '../manifest/split-documents.ts';
import { nearest } from '../nearest.ts';
import type { Source } from './resource.ts';

const NAMES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'];

/** What a kustomization may say here. */
const SUPPORTED: readonly string[] = [
  'apiVersion',
  'bases',
  'commonAnnotations',
  'commonLabels',
  'components',
  'configMapGenerator',
  'generatorOptions',
  'images',
  'kind',
  'labels',
  'metadata',
  'namePrefix',
  'nameSuffix',
  'namespace',
  'patches',
  'patchesJson6902',
  'patchesStrategicMerge',
  'replacements',
  'replicas',
  'resources',
  'secretGenerator',
  'sortOptions',
];

/** What kustomize knows besides, and why it is refused. */
const REFUSED: Readonly<Record<string, string>> = {
  buildMetadata: 'origins are not written into objects',
  configurations: 'transformers cannot be configured',
  crds: 'references in custom objects cannot be configured',
  generators: 'generators are not run as programs',
  helmChartInflationGenerator: 'charts are not rendered; render them first and list the files as resources',
  helmCharts: 'charts are not rendered; render them first and list the files as resources',
  helmGlobals: 'charts are not rendered; render them first and list the files as resources',
  imageTags: 'use "images"',
  inventory: 'use "skiff apply --prune"',
  openapi: 'schemas of other kinds are not read',
  transformers: 'transformers are not run as programs',
  validators: 'validators are not run as programs',
  vars: 'use "replacements"',
};

/** One kustomization, read and checked for what is supported. */
export class KustomizationFile {
  /** As given on the command line and in the files, for messages. */
  readonly path: string;
  readonly folder: string;
  readonly isComponent: boolean;
  readonly value: JsonObject;
  readonly #document: ParsedDocument;

  private constructor(path: string, document: ParsedDocument, value: JsonObject) {
    this.path = path;
    this.folder = dirname(path);
    this.value = value;
    this.isComponent = value.kind === 'Component';
    this.#document = document;
  }

  /** Reads the kustomization of a folder. Throws a {@link ManifestError} with everything that is not supported, by name. */
  static async read(folder: string): Promise<KustomizationFile> {
    const found: string[] = [];
    for (const name of NAMES) if (await isFile(join(folder, name))) found.push(join(folder, name));
    const [path, second] = found;
    if (path === undefined) throw failure(folder, `there is no ${NAMES.slice(0, 2).join(', ')} or Kustomization in it`);
    if (second !== undefined) throw failure(folder, `there is more than one kustomization in it: ${found.join(', ')}`);
    const source = new SourceText(path, await readText(path));
    const spans = splitDocuments(source.text);
    const [span] = spans;
    if (span === undefined) throw failure(path, 'the kustomization is empty');
    if (spans.length > 1) throw failure(path, 'a kustomization is one document');
    const document = parseYamlDocument(source, span);
    const value = document.value;
    if (!isJsonObject(value)) throw failure(path, 'a kustomization is a map of settings');
    const file = new KustomizationFile(path, document, value);
    file.#check();
    return file;
  }

  #check(): void {
    const problems = Object.keys(this.value).flatMap((key): ManifestProblem[] => {
      if (SUPPORTED.includes(key)) return [];
      if (Object.hasOwn(REFUSED, key)) {
        return isEmpty(this.value[key]) ? [] : [this.problem(key, `"${key}" is not supported: ${REFUSED[key]}`, 'key')];
      }
      const near = nearest(key, SUPPORTED);
      const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
      return [this.problem(key, `unknown field "${key}"${hint}`, 'key')];
    });
    const { kind, apiVersion } = this.value;
    if (kind !== undefined && kind !== 'Kustomization' && kind !== 'Component')
      problems.push(this.problem('kind', `the kind must be Kustomization or Component, not ${JSON.stringify(kind)}`));
    const group = typeof apiVersion === 'string' ? apiVersion.split('/')[0] : 'kustomize.config.k8s.io';
    if (group !== 'kustomize.config.k8s.io')
      problems.push(this.problem('apiVersion', `the apiVersion of a kustomization is kustomize.config.k8s.io/v1beta1`));
    if (problems.length > 0) throw new ManifestError(problems);
  }

  /** The problem `message` at a field of this file. */
  problem(path: string, message: string, of: 'key' | 'value' = 'value'): ManifestProblem {
    const { line, column } = this.#document.positionOf(path, of);
    const { source } = this.#document;
    return { message, file: source.name, position: { line, column }, sourceLine: source.lineAt(line) };
  }

  /** The same, ready to be thrown. */
  error(path: string, message: string, cause?: unknown): ManifestError {
    return new ManifestError([this.problem(path, message)], cause === undefined ? {} : { cause });
  }

  /** The part of this file at `path`, as the source of an object that is made of it or patched by it. */
  sourceAt(path: string, value: JsonObject): Source {
    const at = (): string => path;
    return {
      value,
      problemAt: (_, message) => this.problem(at(), message),
      positionOf: (_, of) => this.#document.positionOf(at(), of),
    };
  }

  /** A list of maps. */
  maps(field: string): readonly (readonly [JsonObject, string])[] {
    return this.#list(field).map((item, index) => {
      const path = `${field}[${index}]`;
      if (!isJsonObject(item)) throw this.error(path, 'a map is expected here');
      return [item, path] as const;
    });
  }

  /** A list of texts. */
  texts(field: string): readonly (readonly [string, string])[] {
    return this.#list(field).map((item, index) => {
      const path = `${field}[${index}]`;
      if (typeof item !== 'string' || item === '') throw this.error(path, 'text is expected here');
      return [item, path] as const;
    });
  }

  #list(field: string): readonly JsonValue[] {
    const value = this.value[field];
    if (value === undefined || value === null) return [];
    if (!isJsonList(value)) throw this.error(field, `"${field}" must be a list`);
    return value;
  }

  /** A map of texts. */
  textMap(value: JsonValue | undefined, path: string): Record<string, string> {
    if (value === undefined || value === null) return {};
    if (!isJsonObject(value)) throw this.error(path, 'a map is expected here');
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, this.text(item, `${path}["${key.replace(/["\\]/g, '\\$&')}"]`)]),
    );
  }

  /** One text of the file; empty when there is none. What YAML reads as a number or a boolean must be quoted. */
  text(value: JsonValue | undefined, path: string): string {
    if (value === undefined || value === null) return '';
    if (typeof value === 'string') return value;
    throw this.error(path, `text is expected here${typeof value === 'object' ? '' : '; quote it'}`);
  }

  /** Refuses keys of a map that are not among `known`. */
  checkKeys(value: JsonObject, path: string, known: readonly string[]): void {
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      const near = nearest(key, known);
      const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
      throw new ManifestError([this.problem(`${path}.${key}`, `unknown field "${key}"${hint}`, 'key')]);
    }
  }

  /**
   * The path of a file named here. Only files in or below the folder may be read, as in kustomize: a kustomization from
   * elsewhere must not put the reader's own files into a cluster.
   */
  async filePath(name: string, path: string): Promise<string> {
    const at = isAbsolute(name) ? name : join(this.folder, name);
    let [root, real] = [resolve(this.folder), resolve(at)];
    try {
      [root, real] = [await realpath(this.folder), await realpath(at)];
    } catch (err) {
      throw this.error(path, `${at}: there is no such file`, err);
    }
    const below = relative(root, real);
    if (below.startsWith('..') || isAbsolute(below))
      throw this.error(
        path,
        `${name} is not in or below the folder of the kustomization; files from elsewhere are not read`,
      );
    return at;
  }

  /** The bytes of a file named here. */
  async fileBytes(name: string, path: string): Promise<{ at: string; bytes: Buffer }> {
    const at = await this.filePath(name, path);
    try {
      return { at, bytes: await readFile(at) };
    } catch (err) {
      throw this.error(path, `${at} cannot be read: ${err instanceof Error ? err.message : String(err)}`, err);
    }
  }
}

function isEmpty(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || (isJsonList(value) && value.length === 0);
}

function failure(file: string, message: string): ManifestError {
  return new ManifestError([{ file, message }]);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function readText(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
}

/** Whether a name in `resources` means a folder. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** The key a file gets when none is named. */
export function keyOfFile(path: string): string {
  return basename(path);
}
