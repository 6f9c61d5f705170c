import { applyPatch, type Operation } from 'rfc6902';
import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { ManifestError } from '../manifest/manifest-error.ts';
import { type ParsedDocument, parseYamlDocument } from '../manifest/parse-document.ts';
import { SourceText } from '../manifest/source-text.ts';
import { splitDocuments } from '../manifest/split-documents.ts';
import type { KustomizationFile } from './kustomization-file.ts';
import { isBuiltInGroup } from './merge-keys.ts';
import type { Resource, Source } from './resource.ts';
import { readTarget } from './selection.ts';
import { PatchError, strategicMerge } from './strategic-merge.ts';
import { treeOf } from './tree.ts';

/** One document of a patch, with its place. */
interface PatchPart {
  readonly value: JsonValue;
  readonly source: (value: JsonObject) => Source;
  readonly error: (path: string, message: string, cause?: unknown) => ManifestError;
}

/** Applies `patches`, `patchesStrategicMerge` and `patchesJson6902` of a kustomization; gives the resources that remain. */
export async function patch(file: KustomizationFile, resources: readonly Resource[]): Promise<Resource[]> {
  let left = [...resources];
  for (const [text, path] of file.texts('patchesStrategicMerge')) {
    const parts = text.includes('\n') ? inlineParts(file, text, path) : await fileParts(file, text, path);
    for (const part of parts) left = patchByItsName(left, part);
  }
  for (const [entry, path] of file.maps('patches')) {
    file.checkKeys(entry, path, ['path', 'patch', 'target', 'options']);
    left = applyEntry(file, left, { entry, path, parts: await partsOf(file, entry, path) });
  }
  for (const [entry, path] of file.maps('patchesJson6902')) {
    file.checkKeys(entry, path, ['path', 'patch', 'target', 'options']);
    if (entry.target === undefined) throw file.error(path, 'a JSON patch needs a target');
    left = applyEntry(file, left, { entry, path, parts: await partsOf(file, entry, path) });
  }
  return left;
}

async function partsOf(file: KustomizationFile, entry: JsonObject, path: string): Promise<PatchPart[]> {
  const [name, text] = [file.text(entry.path, `${path}.path`), file.text(entry.patch, `${path}.patch`)];
  if ((name === '') === (text === '')) throw file.error(path, 'a patch has either "path" or "patch"');
  return name === '' ? inlineParts(file, text, `${path}.patch`) : fileParts(file, name, `${path}.path`);
}

async function fileParts(file: KustomizationFile, name: string, path: string): Promise<PatchPart[]> {
  const { at, bytes } = await file.fileBytes(name, path);
  const source = new SourceText(at, bytes.toString('utf8').replace(/^\uFEFF/, ''));
  return splitDocuments(source.text).map((span) => {
    const document = parseYamlDocument(source, span);
    const problem = (field: string, message: string, of?: 'key' | 'value') => {
      const { line, column } = document.positionOf(field, of);
      return { message, file: source.name, position: { line, column }, sourceLine: source.lineAt(line) };
    };
    return {
      value: document.value,
      source: (value) => ({ value, problemAt: problem, positionOf: (field, of) => document.positionOf(field, of) }),
      error: (field, message, cause) => new ManifestError([problem(field, message)], { cause }),
    };
  });
}

/** A patch written into the kustomization: its places are those of the whole text. */
function inlineParts(file: KustomizationFile, text: string, path: string): PatchPart[] {
  const source = new SourceText(file.path, text);
  let documents: ParsedDocument[];
  try {
    documents = splitDocuments(text).map((span) => parseYamlDocument(source, span));
  } catch (err) {
    throw file.error(
      path,
      `the patch cannot be read: ${err instanceof ManifestError ? err.problems[0]?.message : String(err)}`,
      err,
    );
  }
  return documents.map(({ value }) => ({
    value,
    source: (made) => file.sourceAt(path, made),
    error: (_, message, cause) => file.error(path, message, cause),
  }));
}

interface Entry {
  readonly entry: JsonObject;
  readonly path: string;
  readonly parts: readonly PatchPart[];
}

function applyEntry(
  file: KustomizationFile,
  resources: readonly Resource[],
  { entry, path, parts }: Entry,
): Resource[] {
  let left = [...resources];
  const options = isJsonObject(entry.options) ? entry.options : {};
  const keeps = { name: options.allowNameChange !== true, kind: options.allowKindChange !== true };
  const target = entry.target === undefined ? undefined : readTarget(file, entry.target, `${path}.target`);
  for (const part of parts) {
    if (isJsonList(part.value)) {
      if (target === undefined) throw part.error('', 'a JSON patch needs a target');
      for (const resource of left.filter(target)) patchByOperations(resource, part, part.value);
    } else if (target === undefined) left = patchByItsName(left, part);
    else left = left.filter((resource) => !target(resource) || mergeInto(resource, part, keeps));
  }
  return left;
}

/** A patch that says itself which object it is for. */
function patchByItsName(resources: readonly Resource[], part: PatchPart): Resource[] {
  const { value } = part;
  const metadata = isJsonObject(value) && isJsonObject(value.metadata) ? value.metadata : {};
  const { name, namespace } = metadata;
  if (!isJsonObject(value) || typeof value.kind !== 'string' || typeof name !== 'string')
    throw part.error('', 'the patch does not say which object it is for: give it kind and metadata.name, or a target');
  const group =
    typeof value.apiVersion === 'string' && value.apiVersion.includes('/') ? value.apiVersion.split('/')[0] : '';
  const same = resources.filter((one) => one.kind === value.kind && one.group === group && one.names.includes(name));
  const there = same.filter((one) => one.wasCalled(name, typeof namespace === 'string' ? namespace : ''));
  const found = there.length > 0 ? there : typeof namespace === 'string' ? [] : same;
  const [only] = found;
  if (only === undefined) throw part.error('metadata.name', `there is no ${value.kind} "${name}" to patch`);
  if (found.length > 1)
    throw part.error('metadata.name', `several objects are or were called ${value.kind} "${name}"; use a target`);
  return mergeInto(only, part, { name: true, kind: true }) ? [...resources] : resources.filter((one) => one !== only);
}

/** Merges; gives false when the patch deletes the object. Which object it is stays unless that was allowed. */
function mergeInto(
  resource: Resource,
  part: PatchPart,
  keeps: { readonly name: boolean; readonly kind: boolean },
): boolean {
  if (!isJsonObject(part.value)) throw part.error('', 'a patch is a map, or a list of operations');
  const { apiVersion, kind, name, namespace } = resource;
  try {
    if (!strategicMerge(resource.value, part.value, isBuiltInGroup(resource.group))) return false;
  } catch (err) {
    if (err instanceof PatchError)
      throw part.error('', `the patch does not fit ${resource.label}: ${err.message}`, err);
    throw err;
  }
  if (keeps.kind) Object.assign(resource.value, { apiVersion, kind });
  if (keeps.name) resource.metadata.name = name;
  if (keeps.name && namespace !== '') resource.metadata.namespace = namespace;
  if (keeps.name && namespace === '') delete resource.metadata.namespace;
  resource.sources.push(part.source(part.value));
  return true;
}

const OPERATIONS = ['add', 'remove', 'replace', 'move', 'copy', 'test'];

function patchByOperations(resource: Resource, part: PatchPart, operations: readonly JsonValue[]): void {
  for (const [index, operation] of operations.entries()) {
    const at = `[${index}]`;
    const given: JsonObject = isJsonObject(operation) ? operation : {};
    const { op = '', path } = given;
    if (typeof path !== 'string' || typeof op !== 'string' || !OPERATIONS.includes(op))
      throw part.error(at, `an operation has "path" and an "op" of ${OPERATIONS.join(', ')}`);
    const [problem] = applyPatch(resource.value, [treeOf(operation) as unknown as Operation]);
    if (problem) {
      const why = problem.name === 'TestError' ? 'the value there is another' : 'there is no such place';
      throw part.error(at, `cannot ${op} ${path} of ${resource.label}: ${why}`, problem);
    }
  }
  resource.sources.push(part.source({}));
}
