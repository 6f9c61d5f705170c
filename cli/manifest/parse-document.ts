import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { bindAlias, locate, parseFieldPath } from './field-path.ts';
import { isJsonList, isJsonObject, type JsonValue } from './json-value.ts';
import { ManifestError, type ManifestProblem, problemAt } from './manifest-error.ts';
import { resolveNumber, resolvePlain, ScalarError } from './resolve-scalar.ts';
import { findTooDeep } from './scan-depth.ts';
import type { Position, SourceText } from './source-text.ts';
import type { DocumentSpan } from './split-documents.ts';

/** The most JSON one document may mean, in bytes; what the server accepts. */
export const MAX_DOCUMENT_BYTES = 3 * 1024 * 1024;

/** Where a field stands in its file. */
export interface FieldPosition extends Position {
  /** How many of the path's steps were found; fewer than it has when a field is missing and its parent is meant. */
  readonly matched: number;
}

/** One YAML or JSON document as plain JSON, with the way back from a field path to its place in the text. */
export interface ParsedDocument {
  readonly value: JsonValue;
  readonly source: SourceText;
  /** What is strange but means something. */
  readonly warnings: readonly ManifestProblem[];
  /** Place of the field, or of its nearest existing parent. `of: 'key'` points at the name rather than at the value. */
  positionOf(path: string, of?: 'key' | 'value'): FieldPosition;
}

/**
 * Reads one document of `source` as Kubernetes reads YAML (see `resolve-scalar.ts`). JSON is YAML and is read the same way.
 * Of equal keys the last counts, as in Kubernetes, with a warning. Throws a {@link ManifestError} holding every problem found:
 * syntax, the key `__proto__`, infinities, aliases that expand without bound, nesting or size beyond the limits.
 */
export function parseYamlDocument(source: SourceText, span: DocumentSpan): ParsedDocument {
  if (span.end - span.start > MAX_DOCUMENT_BYTES) {
    throw new ManifestError([
      problemAt(source, span.start, `the document has ${megabytes(span.end - span.start)}; the limit is 3 MiB`),
    ]);
  }
  const tooDeep = findTooDeep(source, span.start, span.end);
  if (tooDeep !== undefined) throw new ManifestError([tooDeep]);
  const text = source.text.slice(span.start, span.end);
  const document = parseDocument(text, {
    schema: 'failsafe',
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const syntax = document.errors[0];
  if (syntax !== undefined) {
    // What follows the first syntax error is mostly its echo.
    throw new ManifestError([problemAt(source, span.start + syntax.pos[0], explainSyntax(syntax, text))]);
  }
  const reader = new TreeReader(source, span.start);
  const value = reader.read(document.contents);
  if (reader.problems.length > 0) throw new ManifestError(reader.problems);
  return {
    value,
    source,
    warnings: reader.warnings,
    positionOf(path, of = 'value') {
      const found = locate(document.contents, parseFieldPath(path));
      const offset = (of === 'key' ? (found.key ?? found.value) : found.value) ?? 0;
      return { ...source.positionAt(span.start + offset), matched: found.matched };
    },
  };
}

/** Plain words for the parser's codes that people meet most. */
function explainSyntax(error: YAMLError, text: string): string {
  const at = text.slice(error.pos[0], error.pos[0] + 1);
  if (error.code === 'TAB_AS_INDENT') return 'a tab cannot indent YAML; use blanks';
  if (error.code === 'BLOCK_AS_IMPLICIT_KEY') {
    return 'a second "key: value" on one line, or a line indented too far; quote the text if it holds ": "';
  }
  if (error.code === 'MULTILINE_IMPLICIT_KEY') return 'a key must be on one line; is a ":" missing after it?';
  if (error.code === 'BAD_SCALAR_START') return `text cannot start with "${at}" unless it is quoted`;
  return error.message.charAt(0).toLowerCase() + error.message.slice(1);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** A value and about how many bytes of JSON it makes, aliases written out. */
interface Sized {
  readonly value: JsonValue;
  readonly bytes: number;
}

const NULL: Sized = { value: null, bytes: 4 };

/**
 * Turns a syntax tree into JSON values. An alias reuses the value of its anchor rather than copying it, so expansion costs
 * no memory here; its size is still counted, because it is written out when sent.
 */
class TreeReader {
  readonly problems: ManifestProblem[] = [];
  readonly warnings: ManifestProblem[] = [];
  readonly #source: SourceText;
  readonly #base: number;
  readonly #anchors = new Map<string, { node: Node; sized: Sized | undefined }>();

  constructor(source: SourceText, base: number) {
    this.#source = source;
    this.#base = base;
  }

  read(root: Node | null): JsonValue {
    const { value, bytes } = this.#node(root);
    if (bytes > MAX_DOCUMENT_BYTES && this.problems.length === 0) {
      this.#fail(root, `the document means ${megabytes(bytes)} with its aliases written out; the limit is 3 MiB`);
    }
    return value;
  }

  #node(node: Node | null): Sized {
    if (node === null) return NULL;
    if (isAlias(node)) {
      const anchor = this.#anchors.get(node.source);
      if (anchor === undefined)
        return this.#fail(node, `the alias *${node.source} has no anchor &${node.source} before it`);
      if (anchor.sized === undefined) return this.#fail(node, `the anchor &${node.source} contains itself`);
      bindAlias(node, anchor.node);
      return anchor.sized;
    }
    const name = isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined;
    const entry: { node: Node; sized: Sized | undefined } = { node, sized: undefined };
    if (name !== undefined) this.#anchors.set(name, entry);
    entry.sized = this.#content(node);
    return entry.sized;
  }

  #content(node: Node): Sized {
    if (isSeq<Node | null>(node)) {
      const items = node.items.map((item) => this.#node(item));
      return { value: items.map((item) => item.value), bytes: items.reduce((sum, item) => sum + item.bytes + 1, 2) };
    }
    if (isMap<Node | null, Node | null>(node)) return this.#map(node);
    if (!isScalar(node)) return NULL;
    const value = this.#scalar(node);
    return { value, bytes: typeof value === 'string' ? value.length + 2 : 5 };
  }

  #map(node: YAMLMap<Node | null, Node | null>): Sized {
    const seen = new Map<string, Node>();
    const merged = new Map<string, Sized>();
    const own = new Map<string, Sized>();
    for (const pair of node.items) {
      if (isScalar(pair.key) && pair.key.type === 'PLAIN' && pair.key.value === '<<') {
        this.#merge(pair, merged);
        continue;
      }
      const key = this.#key(pair.key, node);
      const value = this.#node(pair.value);
      if (key === undefined || pair.key === null) continue;
      const first = seen.get(key);
      if (first !== undefined) {
        const at = this.#source.positionAt(this.#base + (first.range?.[0] ?? 0));
        const message = `the key "${key}" is already there on line ${at.line}; this one counts`;
        this.warnings.push(problemAt(this.#source, this.#base + (pair.key.range?.[0] ?? 0), message));
      }
      seen.set(key, pair.key);
      own.set(key, value);
    }
    const all = new Map([...merged, ...own]);
    let bytes = 2;
    const value: Record<string, JsonValue> = {};
    for (const [key, sized] of all) {
      value[key] = sized.value;
      bytes += key.length + 4 + sized.bytes;
    }
    return { value, bytes };
  }

  /** Adds what `<<` brings in: of several maps the first wins. */
  #merge(pair: Pair<Node | null, Node | null>, into: Map<string, Sized>): void {
    const { value } = this.#node(pair.value);
    for (const source of isJsonList(value) ? value : [value]) {
      if (!isJsonObject(source)) {
        this.#fail(pair.value ?? pair.key, '"<<" takes a map or a list of maps');
        return;
      }
      for (const [key, child] of Object.entries(source)) {
        if (!into.has(key)) into.set(key, { value: child, bytes: sizeOf(child) });
      }
    }
  }

  /** Kubernetes' keys are strings: numbers and booleans become their text, nothing else is allowed. */
  #key(node: Node | null, map: Node): string | undefined {
    if (node === null) return this.#refuse(map, 'a key is missing before ":"');
    const { value } = this.#node(node);
    if (value === null) return this.#refuse(node, 'a key cannot be null; quote it if it is text');
    if (typeof value === 'object') return this.#refuse(node, 'a key must be text, not a list or a map');
    const key = String(value);
    if (key === '__proto__') return this.#refuse(node, 'the key "__proto__" is not allowed');
    return key;
  }

  #scalar(node: Scalar): JsonValue {
    const text = this.#withoutAddedBreak(node, typeof node.value === 'string' ? node.value : (node.source ?? ''));
    try {
      return tagged(node, text);
    } catch (err) {
      if (!(err instanceof ScalarError)) throw err;
      this.#fail(node, err.message);
      return null;
    }
  }

  /** The library ends a block with a line break even where the file ends without one. */
  #withoutAddedBreak(node: Scalar, text: string): string {
    const isBlock = node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED';
    if (!isBlock || !text.endsWith('\n') || this.#source.text.endsWith('\n')) return text;
    const end = this.#base + (node.range?.[1] ?? 0);
    return end >= this.#source.text.length ? text.slice(0, -1) : text;
  }

  #fail(node: Node | null, message: string): Sized {
    this.problems.push(problemAt(this.#source, this.#base + (node?.range?.[0] ?? 0), message));
    return NULL;
  }

  #refuse(node: Node | null, message: string): undefined {
    this.#fail(node, message);
  }
}

/** The value of a scalar under its explicit tag, if it has one that means something in JSON. */
function tagged(node: Scalar, text: string): JsonValue {
  const tag = node.tag?.replace('tag:yaml.org,2002:', '!!');
  const whole = (): number | bigint => {
    const number = resolveNumber(text);
    if (number === undefined) throw new ScalarError(`"${text}" is not a number, as its tag ${tag} says`);
    return number;
  };
  switch (tag) {
    case '!!int':
    case '!!float':
      return whole();
    case '!!bool':
    case '!!null':
      return resolvePlain(text);
    case '!!binary':
      return Buffer.from(node.source ?? text, 'base64').toString('utf8');
    case undefined:
      return node.type === 'PLAIN' ? resolvePlain(text) : text;
    default:
      return text;
  }
}

const sizes = new WeakMap<object, number>();

/** About how many bytes of JSON a value makes. Shared parts are measured once. */
function sizeOf(value: JsonValue): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return 5;
  const known = sizes.get(value);
  if (known !== undefined) return known;
  let bytes = 2;
  for (const [key, child] of Object.entries(value)) {
    bytes += (Array.isArray(value) ? 1 : key.length + 4) + sizeOf(child as JsonValue);
  }
  sizes.set(value, bytes);
  return bytes;
}
