import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { parseYamlDocument } from '../manifest/parse-document.ts';
import { SourceText } from '../manifest/source-text.ts';
import type { KustomizationFile } from './kustomization-file.ts';
import type { Resource } from './resource.ts';
import { readTarget } from './selection.ts';
import { isTreeMap, type Tree, type TreeMap, treeOf } from './tree.ts';

/** Copies values from field to field as `replacements` say. */
export async function replace(file: KustomizationFile, resources: readonly Resource[]): Promise<void> {
  for (const [entry, path] of file.maps('replacements')) {
    file.checkKeys(entry, path, ['path', 'source', 'sourceValue', 'targets']);
    for (const one of await entriesOf(file, entry, path)) replaceOne(file, resources, { entry: one, path });
  }
}

async function entriesOf(file: KustomizationFile, entry: JsonObject, path: string): Promise<readonly JsonObject[]> {
  if (entry.path === undefined) return [entry];
  const { at, bytes } = await file.fileBytes(file.text(entry.path, `${path}.path`), `${path}.path`);
  const source = new SourceText(at, bytes.toString('utf8'));
  const { value } = parseYamlDocument(source, { start: 0, end: source.text.length });
  const list: readonly JsonValue[] = isJsonList(value) ? value : [value];
  return list.map((item) => {
    if (!isJsonObject(item)) throw file.error(path, `${at} is not a replacement or a list of them`);
    return item;
  });
}

interface Entry {
  readonly entry: JsonObject;
  readonly path: string;
}

function replaceOne(file: KustomizationFile, resources: readonly Resource[], { entry, path }: Entry): void {
  const value = sourceValue(file, resources, { entry, path });
  const targets = isJsonList(entry.targets) ? entry.targets : [];
  if (targets.length === 0) throw file.error(`${path}.targets`, 'a replacement needs targets');
  for (const [index, target] of targets.entries()) {
    const at = `${path}.targets[${index}]`;
    if (!isJsonObject(target)) throw file.error(at, 'a map is expected here');
    file.checkKeys(target, at, ['select', 'reject', 'fieldPaths', 'options']);
    const select = readTarget(file, target.select, `${at}.select`);
    const rejects = isJsonList(target.reject) ? target.reject : [];
    const reject = rejects.map((one, i) => readTarget(file, one, `${at}.reject[${i}]`));
    const options = optionsOf(file, target.options, `${at}.options`);
    const fieldPaths = isJsonList(target.fieldPaths) ? target.fieldPaths : ['metadata.name'];
    for (const resource of resources) {
      if (!select(resource) || reject.some((one) => one(resource))) continue;
      for (const [i, fieldPath] of fieldPaths.entries()) {
        const steps = stepsOf(file.text(fieldPath, `${at}.fieldPaths[${i}]`));
        const set = setAt(resource.value, steps, { value, ...options });
        if (set === 0) throw file.error(`${at}.fieldPaths[${i}]`, `there is no such field in ${resource.label}`);
      }
    }
  }
}

interface Options {
  readonly delimiter: string;
  readonly index: number;
  readonly create: boolean;
}

function optionsOf(file: KustomizationFile, value: JsonValue | undefined, path: string): Options {
  const options = isJsonObject(value) ? value : {};
  file.checkKeys(options, path, ['delimiter', 'index', 'create']);
  return {
    delimiter: file.text(options.delimiter, `${path}.delimiter`),
    index: typeof options.index === 'number' ? options.index : 0,
    create: options.create === true,
  };
}

function sourceValue(file: KustomizationFile, resources: readonly Resource[], { entry, path }: Entry): Tree {
  if (entry.sourceValue !== undefined) return treeOf(entry.sourceValue);
  const { source } = entry;
  if (!isJsonObject(source)) throw file.error(path, 'a replacement needs a source');
  const { fieldPath, fieldPaths, options, ...target } = source;
  if (fieldPaths !== undefined) throw file.error(`${path}.source`, 'a source has one fieldPath');
  const found = resources.filter(readTarget(file, target, `${path}.source`));
  const [only] = found;
  if (only === undefined) throw file.error(`${path}.source`, 'no object is meant by this source');
  if (found.length > 1) {
    throw file.error(`${path}.source`, `several objects are meant: ${found.map((one) => one.label).join(', ')}`);
  }
  const steps = stepsOf(file.text(fieldPath, `${path}.source.fieldPath`) || 'metadata.name');
  const [holder] = holdersOf(only.value, steps.slice(0, -1), false);
  const last = steps.at(-1) ?? '';
  const value = holder === undefined ? undefined : childOf(holder, last)[0]?.value;
  if (value === undefined) throw file.error(`${path}.source.fieldPath`, `there is no such field in ${only.label}`);
  const { delimiter, index } = optionsOf(file, options, `${path}.source.options`);
  if (delimiter === '') return treeOf(value);
  const parts = String(value as string).split(delimiter);
  const part = parts[index];
  if (part === undefined) throw file.error(`${path}.source.options`, `the value has ${parts.length} parts`);
  return part;
}

/** Steps of `spec.containers.[name=web].env.0`, with `\.` for a dot in a name. */
function stepsOf(path: string): string[] {
  const steps = path.match(/\[[^\]]*\]|(?:\\.|[^.\\[])+/g) ?? [];
  return steps.map((step) => step.replaceAll(/\\(.)/g, '$1'));
}

interface Child {
  readonly key: string | number;
  readonly value: Tree;
}

/** What a step leads to: a key, a position, `*` for all, or `[key=value]` for the elements that are so. */
function childOf(node: Tree, step: string): Child[] {
  if (Array.isArray(node)) {
    const [, key, wanted] = /^\[([^=]*)=(.*)\]$/.exec(step) ?? [];
    return node.flatMap((value, index): Child[] => {
      const isMeant =
        key === undefined
          ? step === '*' || step === String(index) || (step === '-' && index === node.length - 1)
          : key === ''
            ? value === wanted
            : isTreeMap(value) && String(value[key] as string) === wanted;
      return isMeant ? [{ key: index, value }] : [];
    });
  }
  if (!isTreeMap(node)) return [];
  if (step === '*') return Object.entries(node).map(([key, value]) => ({ key, value }));
  return Object.hasOwn(node, step) ? [{ key: step, value: node[step] ?? null }] : [];
}

function holdersOf(root: TreeMap, steps: readonly string[], create: boolean): Tree[] {
  let nodes: Tree[] = [root];
  for (const step of steps) {
    nodes = nodes.flatMap((node) => {
      const found = childOf(node, step).map(({ value }) => value);
      if (found.length > 0 || !create || !isTreeMap(node)) return found;
      const made: TreeMap = {};
      node[step] = made;
      return [made];
    });
  }
  return nodes;
}

/** Sets the value at every place the steps lead to; gives how many there were. */
function setAt(root: TreeMap, steps: readonly string[], change: Options & { readonly value: Tree }): number {
  const last = steps.at(-1) ?? '';
  let places = 0;
  for (const holder of holdersOf(root, steps.slice(0, -1), change.create)) {
    const children = childOf(holder, last);
    if (children.length === 0 && change.create && isTreeMap(holder)) children.push({ key: last, value: '' });
    for (const { key, value: old } of children) {
      const value = change.delimiter === '' ? treeOf(change.value) : withPart(old, change);
      if (Array.isArray(holder)) holder[Number(key)] = value;
      else if (isTreeMap(holder)) holder[key] = value;
      places++;
    }
  }
  return places;
}

function withPart(old: Tree, { delimiter, index, value }: Options & { readonly value: Tree }): string {
  const parts = String(old as string).split(delimiter);
  const part = String(value as string);
  if (index < 0) parts.unshift(part);
  else if (index >= parts.length) parts.push(part);
  else parts[index] = part;
  return parts.join(delimiter);
}
