import { nameHash } from '../create/name-hash.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { utf8Text } from '../manifest/utf8-text.ts';
import { type KustomizationFile, keyOfFile } from './kustomization-file.ts';
import { Resource } from './resource.ts';
import { isTreeMap, mapIn, type TreeMap } from './tree.ts';

const FIELDS = ['name', 'namespace', 'behavior', 'literals', 'files', 'envs', 'env', 'options'];
const OPTIONS = ['labels', 'annotations', 'disableNameSuffixHash', 'immutable'];

interface GeneratorOptions {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly disableNameSuffixHash: boolean;
  readonly immutable: boolean;
}

/** Makes the ConfigMaps and Secrets a kustomization generates, and merges them into `resources` as they say. */
export async function generate(file: KustomizationFile, resources: Resource[]): Promise<void> {
  const common = readOptions(file, file.value.generatorOptions, 'generatorOptions');
  for (const [kind, field] of [
    ['ConfigMap', 'configMapGenerator'],
    ['Secret', 'secretGenerator'],
  ] as const) {
    for (const [entry, path] of file.maps(field)) {
      file.checkKeys(entry, path, kind === 'Secret' ? [...FIELDS, 'type'] : FIELDS);
      const made = await generateOne(file, { kind, entry, path, common });
      absorb(file, resources, { made, behavior: file.text(entry.behavior, `${path}.behavior`), path });
    }
  }
}

function readOptions(file: KustomizationFile, value: JsonValue | undefined, path: string): GeneratorOptions {
  if (value !== undefined && value !== null && !isJsonObject(value)) throw file.error(path, 'a map is expected here');
  const options: JsonObject = isJsonObject(value) ? value : {};
  file.checkKeys(options, path, OPTIONS);
  return {
    labels: file.textMap(options.labels, `${path}.labels`),
    annotations: file.textMap(options.annotations, `${path}.annotations`),
    disableNameSuffixHash: options.disableNameSuffixHash === true,
    immutable: options.immutable === true,
  };
}

interface Generator {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly entry: JsonObject;
  readonly path: string;
  readonly common: GeneratorOptions;
}

async function generateOne(file: KustomizationFile, { kind, entry, path, common }: Generator): Promise<Resource> {
  const own = readOptions(file, entry.options, `${path}.options`);
  const name = file.text(entry.name, `${path}.name`);
  if (name === '') throw file.error(path, `the ${kind} has no name`);
  const namespace = file.text(entry.namespace, `${path}.namespace`);
  const labels = { ...common.labels, ...own.labels };
  const annotations = { ...common.annotations, ...own.annotations };
  const content = await contentOf(file, entry, path);
  const value: TreeMap = {
    apiVersion: 'v1',
    kind,
    metadata: {
      name,
      ...(namespace === '' ? {} : { namespace }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
  };
  if (kind === 'Secret') value.type = file.text(entry.type, `${path}.type`) || 'Opaque';
  for (const [key, bytes] of content) {
    const text = kind === 'ConfigMap' ? utf8Text(bytes) : undefined;
    if (text !== undefined) mapIn(value, 'data')[key] = text;
    else mapIn(value, kind === 'Secret' ? 'data' : 'binaryData')[key] = wrappedBase64(bytes);
  }
  if (common.immutable || own.immutable) value.immutable = true;
  const resource = new Resource(file.sourceAt(path, value));
  resource.hashed = !(common.disableNameSuffixHash || own.disableNameSuffixHash);
  return resource;
}

async function contentOf(file: KustomizationFile, entry: JsonObject, path: string): Promise<Map<string, Buffer>> {
  const content = new Map<string, Buffer>();
  const add = (key: string, value: Buffer, at: string): void => {
    if (!/^[-._a-zA-Z0-9]+$/.test(key))
      throw file.error(at, `"${key}" cannot be a key: use letters, digits, -, _ and .`);
    if (content.has(key)) throw file.error(at, `the key "${key}" is there already`);
    content.set(key, value);
  };
  const envs = [
    ...listOf(file, entry.envs, `${path}.envs`),
    ...(entry.env === undefined ? [] : [[file.text(entry.env, `${path}.env`), `${path}.env`] as const]),
  ];
  for (const [name, at] of envs) {
    const { bytes } = await file.fileBytes(name, at);
    for (const [key, value] of envPairs(bytes.toString('utf8'))) add(key, Buffer.from(value), at);
  }
  for (const [source, at] of listOf(file, entry.files, `${path}.files`)) {
    const equals = source.indexOf('=');
    const name = equals === -1 ? source : source.slice(equals + 1);
    const { bytes } = await file.fileBytes(name, at);
    add(equals === -1 ? keyOfFile(name) : source.slice(0, equals), bytes, at);
  }
  for (const [literal, at] of listOf(file, entry.literals, `${path}.literals`)) {
    const equals = literal.indexOf('=');
    if (equals <= 0) throw file.error(at, `write the literal as key=value, not "${literal}"`);
    add(literal.slice(0, equals), Buffer.from(unquoted(literal.slice(equals + 1))), at);
  }
  return content;
}

function listOf(file: KustomizationFile, value: JsonValue | undefined, path: string): (readonly [string, string])[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw file.error(path, 'a list is expected here');
  return (value as readonly JsonValue[]).map((item, index) => [
    file.text(item, `${path}[${index}]`),
    `${path}[${index}]`,
  ]);
}

function unquoted(value: string): string {
  const [quote] = value;
  const isQuoted = (quote === '"' || quote === "'") && value.length > 1 && value.endsWith(quote);
  return isQuoted ? value.slice(1, -1) : value;
}

function envPairs(text: string): (readonly [string, string])[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .flatMap((whole): (readonly [string, string])[] => {
      const line = whole.replace(/\r$/, '').trimStart();
      if (line === '' || line.startsWith('#')) return [];
      const equals = line.indexOf('=');
      // A key alone has the empty value: nothing is taken from the environment.
      return [equals === -1 ? [line, ''] : [line.slice(0, equals), line.slice(equals + 1)]];
    });
}

const BASE64_LINE = 70;

/** In lines, because kustomize makes its hash of them; {@link finishGenerated} takes the line ends out. */
function wrappedBase64(bytes: Buffer): string {
  const text = bytes.toString('base64');
  if (text.length < BASE64_LINE) return text;
  return (text.match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? []).map((line) => `${line}\n`).join('');
}

function absorb(
  file: KustomizationFile,
  resources: Resource[],
  { made, behavior, path }: { readonly made: Resource; readonly behavior: string; readonly path: string },
): void {
  const same = resources.filter((one) => one.kind === made.kind && one.wasCalled(made.name, made.namespace));
  const [live] = same;
  if (behavior !== 'merge' && behavior !== 'replace') {
    if (behavior !== '' && behavior !== 'create')
      throw file.error(`${path}.behavior`, `the behavior is create, merge or replace, not "${behavior}"`);
    if (live !== undefined)
      throw file.error(path, `there is a ${made.label} already; say "behavior: merge" or "replace"`);
    resources.push(made);
    return;
  }
  if (live === undefined) throw file.error(path, `there is no ${made.label} to ${behavior}`);
  live.sources.push(...made.sources);
  live.hashed ||= made.hashed;
  for (const field of ['data', 'binaryData']) {
    const [given, old] = [made.value[field], live.value[field]];
    const kept = behavior === 'merge' && isTreeMap(old) ? old : {};
    const all = { ...kept, ...(isTreeMap(given) ? given : {}) };
    if (Object.keys(all).length === 0) delete live.value[field];
    else live.value[field] = all;
  }
  if (made.value.immutable === true) live.value.immutable = true;
  for (const field of ['labels', 'annotations']) {
    const given = made.metadata[field];
    if (isTreeMap(given)) Object.assign(mapIn(live.metadata, field), given);
  }
}

/** Appends the hash of its content to the name of each generated object that wants one. References must follow afterwards. */
export function appendHashes(resources: readonly Resource[]): void {
  for (const resource of resources) {
    if (!resource.hashed) continue;
    const { kind, name, value } = resource;
    const { data = '', binaryData, stringData, type = '' } = value;
    // kustomize leaves the name out of it, so that prefixes do not change the hash.
    const content: TreeMap = { kind, name: '', data };
    if (kind === 'ConfigMap' && isTreeMap(binaryData)) content.binaryData = binaryData;
    if (kind === 'Secret') content.type = type;
    if (kind === 'Secret' && isTreeMap(stringData)) content.stringData = stringData;
    resource.remember();
    resource.metadata.name = `${name}-${nameHash(content)}`;
  }
}

/** Takes the line ends out of encoded bytes: they mean nothing, and only the hash needed them. */
export function finishGenerated(resources: readonly Resource[]): void {
  for (const { kind, value } of resources) {
    const field = kind === 'Secret' ? value.data : kind === 'ConfigMap' ? value.binaryData : undefined;
    if (!isTreeMap(field)) continue;
    for (const [key, text] of Object.entries(field))
      if (typeof text === 'string') field[key] = text.replaceAll('\n', '');
  }
}
