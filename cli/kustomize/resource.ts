import { parseFieldPath } from '../manifest/field-path.ts';
import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { ManifestProblem } from '../manifest/manifest-error.ts';
import { isTreeMap, mapIn, sameTree, type TreeMap, treeMapOf } from './tree.ts';

/** A text that a resource was made from: its own file, a patch, or an entry of a kustomization. */
export interface Source {
  /** What the text says, as far as it became part of the resource. */
  readonly value: JsonObject;
  readonly problemAt: Manifest['problemAt'];
  readonly positionOf: Manifest['positionOf'];
}

/** A name a resource once had; references and patches may still use it. */
interface Identity {
  readonly name: string;
  readonly namespace: string;
}

/** One object on its way through the kustomizations. */
export class Resource {
  readonly value: TreeMap;
  /** First the text it came from, then the patches in their order. */
  readonly sources: Source[];
  /** Whether a hash of its content is appended to its name at the end. */
  hashed = false;
  /** Earlier names, the oldest first. */
  readonly #before: Identity[] = [];

  constructor(source: Source) {
    this.value = treeMapOf(source.value);
    this.sources = [source];
  }

  get apiVersion(): string {
    return textOf(this.value.apiVersion);
  }

  get kind(): string {
    return textOf(this.value.kind);
  }

  get group(): string {
    const slash = this.apiVersion.indexOf('/');
    return slash === -1 ? '' : this.apiVersion.slice(0, slash);
  }

  get version(): string {
    return this.apiVersion.slice(this.apiVersion.indexOf('/') + 1);
  }

  get name(): string {
    return textOf(this.#metadata?.name);
  }

  get namespace(): string {
    return textOf(this.#metadata?.namespace);
  }

  /** The metadata, made if there is none. */
  get metadata(): TreeMap {
    return mapIn(this.value, 'metadata');
  }

  get #metadata(): TreeMap | undefined {
    return isTreeMap(this.value.metadata) ? this.value.metadata : undefined;
  }

  /** Remembers the present name and namespace before they are changed. */
  remember(): void {
    this.#before.push({ name: this.name, namespace: this.namespace });
  }

  /** All names it goes by, the present one first, then older ones from the latest on. */
  get names(): string[] {
    return [this.name, ...this.#before.map(({ name }) => name).reverse()];
  }

  /** All namespaces it was in, the present one first. */
  get namespaces(): string[] {
    return [this.namespace, ...this.#before.map(({ namespace }) => namespace).reverse()];
  }

  /** Whether it is, or was, called so, there. No namespace means `default`, as everywhere. */
  wasCalled(name: string, namespace: string): boolean {
    const same = (identity: Identity): boolean =>
      identity.name === name && (identity.namespace || 'default') === (namespace || 'default');
    return same({ name: this.name, namespace: this.namespace }) || this.#before.some(same);
  }

  /** As messages name it. */
  get label(): string {
    return `${this.kind} "${this.name}"`;
  }

  /** The finished object. Problems in it are told at the text that the field at fault came from. */
  toManifest(): Manifest {
    const { value, sources, apiVersion, kind } = this;
    const from = (path: string): { source: Source | undefined; path: string } => sourceOf(value, sources, path);
    return {
      apiVersion,
      kind,
      name: this.name === '' ? undefined : this.name,
      namespace: this.namespace === '' ? undefined : this.namespace,
      value,
      positionOf(path, of) {
        const found = from(path);
        return found.source?.positionOf(found.path, of) ?? { line: 1, column: 1, matched: 0 };
      },
      problemAt(path, message, of): ManifestProblem {
        const found = from(path);
        return found.source?.problemAt(found.path, message, of) ?? { file: 'kustomization', message };
      },
    };
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/**
 * The text that says most of `path`, and the path there: positions in lists may differ, elements are found again by what they
 * are. Of texts that say equally much, one with the very value counts more, and a later one more than an earlier.
 */
function sourceOf(
  result: JsonObject,
  sources: readonly Source[],
  path: string,
): { source: Source | undefined; path: string } {
  const steps = parseFieldPath(path);
  let best: { source: Source | undefined; path: string } = { source: sources[0], path };
  let bestScore = -1;
  for (const source of sources) {
    const found = follow(result, source.value, steps);
    const score = found.depth + (found.same ? 0.5 : 0);
    if (score < bestScore || (score === bestScore && !found.same)) continue;
    bestScore = score;
    best = { source, path: found.path };
  }
  return best;
}

function follow(
  result: JsonValue,
  text: JsonValue,
  steps: readonly (string | number)[],
): { depth: number; same: boolean; path: string } {
  let made: JsonValue | undefined = result;
  let said: JsonValue | undefined = text;
  let path = '';
  for (const [depth, step] of steps.entries()) {
    let here: string | number = step;
    if (typeof step === 'number' && isJsonList(made) && isJsonList(said)) {
      made = made[step];
      here = indexOfSame(said, made, step);
      said = said[here];
    } else if (isJsonObject(made) && isJsonObject(said)) {
      const name = String(step);
      made = made[name];
      said = Object.hasOwn(said, name) ? said[name] : undefined;
    } else return { depth, same: false, path };
    if (said === undefined) return { depth, same: false, path };
    path += typeof here === 'number' ? `[${here}]` : `["${here.replace(/["\\]/g, '\\$&')}"]`;
  }
  return { depth: steps.length, same: sameTree(made, said), path };
}

function indexOfSame(said: readonly JsonValue[], made: JsonValue | undefined, step: number): number {
  const equal = said.findIndex((item) => sameTree(item, made));
  if (equal !== -1) return equal;
  const name = isJsonObject(made) ? made.name : undefined;
  if (name === undefined) return step;
  return said.findIndex((item) => isJsonObject(item) && item.name === name);
}
