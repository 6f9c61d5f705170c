/** The examples in `manifests/`, one file per kind: the generic tests take their objects from there, so a new kind brings its own. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { encodeJson } from '../../cli/manifest/json-value.ts';
import { readManifests } from '../../cli/manifest/read-manifests.ts';
import type { AnyDefinition } from '../../control-plane/resources/registry.ts';
import { fromJson, type JsonObject, type KubeObject, toJson } from '../../proto/index.ts';

/** Where the examples are. */
export const EXAMPLES = join(import.meta.dirname, '../../manifests');

/** Every example file, below {@link EXAMPLES}. */
export function exampleFiles(): string[] {
  return readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('images/'))
    .sort()
    .map((name) => join(EXAMPLES, name));
}

/** Name of the file that has the example of a kind: `config-map.yaml`. */
export function exampleName(kind: string): string {
  return `${kind.replaceAll(/(?<=[a-z])([A-Z])|(?<=[A-Z])([A-Z])(?=[a-z])/g, '-$1$2').toLowerCase()}.yaml`;
}

/**
 * The example object of a kind, in the version of the definition: a version that is not the stored one is made from the
 * example of the stored one. In the namespace `default` unless the kind has none.
 */
export async function exampleOf(definition: AnyDefinition): Promise<JsonObject> {
  const stored = definition.storedAs?.type ?? definition.type;
  const file = join(EXAMPLES, exampleName(stored.kind));
  const manifests = await readManifests([file], { stdin: Readable.from([]), warn: () => {} });
  const found = manifests.find(({ apiVersion, kind }) => apiVersion === stored.apiVersion && kind === stored.kind);
  if (found === undefined) throw new Error(`${file} has no ${stored.kind} of ${stored.apiVersion}`);
  const json = JSON.parse(encodeJson(found.value)) as JsonObject;
  const { namespace: _namespace, ...metadata } = json.metadata as JsonObject;
  const placed = { ...json, metadata: { ...metadata, ...(stored.namespaced ? { namespace: 'default' } : {}) } };
  if (definition.storedAs === undefined) return placed;
  const { value } = fromJson<KubeObject>(stored.messageName, placed);
  const { apiVersion, kind, messageName } = definition.type;
  return toJson(messageName, { ...definition.storedAs.fromStored(value), apiVersion, kind });
}
