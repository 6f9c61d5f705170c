import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from './json-value.ts';
import { ManifestError, type ManifestProblem } from './manifest-error.ts';
import type { FieldPosition, ParsedDocument } from './parse-document.ts';

/** One object a person wrote, and where. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  /** `metadata.name`; undefined when absent (it may be generated). */
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  /** The whole object. Parts may be shared with other objects of the file: never changed in place. */
  readonly value: JsonObject;
  /** Place of a field by its path within this object, such as `spec.containers[0].image`. */
  positionOf(path: string, of?: 'key' | 'value'): FieldPosition;
  /** The problem `message` at a field, ready to print. */
  problemAt(path: string, message: string, of?: 'key' | 'value'): ManifestProblem;
}

/**
 * The objects of one document: itself, or the items of a `List` (or `PodList` and the like), however nested. Throws a
 * {@link ManifestError} when it is not an object of a kind.
 */
export function manifestsOf(document: ParsedDocument): Manifest[] {
  return expand(document, document.value, '', undefined);
}

interface ListDefaults {
  readonly apiVersion: string;
  readonly kind: string | undefined;
}

function expand(document: ParsedDocument, value: JsonValue, path: string, list: ListDefaults | undefined): Manifest[] {
  if (!isJsonObject(value)) {
    throw failure(document, path, 'an object with apiVersion and kind is expected here');
  }
  const apiVersion = value.apiVersion ?? (list?.kind === undefined ? undefined : list.apiVersion);
  const kind = value.kind ?? list?.kind;
  if (list === undefined && isKustomization(document, value)) {
    throw failure(document, path, 'this is a kustomization, no object: give its folder with -k');
  }
  if (kind === undefined || kind === '' || kind === null) throw failure(document, path, 'the object has no "kind"');
  if (typeof kind !== 'string') throw failure(document, join(path, 'kind'), '"kind" must be text');
  if (apiVersion === undefined || apiVersion === '' || apiVersion === null) {
    throw failure(document, path, `the ${kind} has no "apiVersion"`);
  }
  if (typeof apiVersion !== 'string') throw failure(document, join(path, 'apiVersion'), '"apiVersion" must be text');
  const items = value.items;
  if (kind.endsWith('List') && (isJsonList(items) || kind === 'List')) {
    if (items === undefined || items === null) return [];
    if (!isJsonList(items)) throw failure(document, join(path, 'items'), '"items" must be a list');
    const itemKind = kind === 'List' ? undefined : kind.slice(0, -'List'.length);
    return items.flatMap((item, index) =>
      expand(document, item, `${join(path, 'items')}[${index}]`, { apiVersion, kind: itemKind }),
    );
  }
  return [manifestAt(document, { ...value, apiVersion, kind }, path)];
}

/** Whether the document is what `-k` is for: it says so, or it says nothing and has the name. */
function isKustomization({ source }: ParsedDocument, { apiVersion, kind }: JsonObject): boolean {
  if (typeof apiVersion === 'string') return apiVersion.startsWith('kustomize.config.k8s.io/');
  return kind === undefined && /(?:^|\/)(?:kustomization\.ya?ml|Kustomization)$/.test(source.name);
}

function manifestAt(
  document: ParsedDocument,
  identity: JsonObject & { readonly apiVersion: string; readonly kind: string },
  prefix: string,
): Manifest {
  const value: JsonObject = identity;
  const metadata = isJsonObject(value.metadata) ? value.metadata : {};
  for (const field of ['name', 'namespace']) {
    // `name: on` and `name: 1` are no texts in YAML; without this they would look as if they were missing.
    if (['number', 'bigint', 'boolean'].includes(typeof metadata[field])) {
      throw failure(document, join(prefix, `metadata.${field}`), `"metadata.${field}" must be text; quote it`);
    }
  }
  const positionOf = (path: string, of?: 'key' | 'value'): FieldPosition => document.positionOf(join(prefix, path), of);
  return {
    apiVersion: identity.apiVersion,
    kind: identity.kind,
    name: textOrNothing(metadata.name),
    namespace: textOrNothing(metadata.namespace),
    value,
    positionOf,
    problemAt(path, message, of) {
      const { line, column } = positionOf(path, of);
      const { source } = document;
      return { message, file: source.name, position: { line, column }, sourceLine: source.lineAt(line) };
    },
  };
}

function textOrNothing(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function join(prefix: string, path: string): string {
  return prefix === '' || path === '' ? prefix + path : `${prefix}.${path}`;
}

function failure(document: ParsedDocument, path: string, message: string): ManifestError {
  const { line, column } = document.positionOf(path);
  const sourceLine = document.source.lineAt(line);
  return new ManifestError([{ message, file: document.source.name, position: { line, column }, sourceLine }]);
}
