import { matchesLabels, parseLabelSelector } from '../../lib/selectors.ts';
import type { JsonObject, JsonValue } from '../manifest/json-value.ts';
import { isJsonObject } from '../manifest/json-value.ts';
import type { KustomizationFile } from './kustomization-file.ts';
import type { Resource } from './resource.ts';
import { isTreeMap, type Tree } from './tree.ts';

const FIELDS = ['group', 'version', 'kind', 'name', 'namespace', 'labelSelector', 'annotationSelector'];

/** A target: which resources a patch or replacement is for. Texts are anchored regular expressions. */
export function readTarget(
  file: KustomizationFile,
  value: JsonValue | undefined,
  path: string,
): (resource: Resource) => boolean {
  if (!isJsonObject(value)) throw file.error(path, 'a map is expected here');
  const target: JsonObject = value;
  file.checkKeys(target, path, FIELDS);
  const text = (field: string): string => file.text(target[field], `${path}.${field}`);
  const pattern = (field: string): RegExp | undefined => {
    const source = text(field);
    if (source === '') return undefined;
    try {
      return new RegExp(`^(?:${source})$`);
    } catch (err) {
      throw file.error(`${path}.${field}`, `"${source}" is not a regular expression`, err);
    }
  };
  const selector = (field: string): ((pairs: Tree | undefined) => boolean) => {
    const source = text(field);
    if (source === '') return () => true;
    const requirements = parseLabelSelector(source);
    return (pairs) => matchesLabels(requirements, isTreeMap(pairs) ? (pairs as Record<string, string>) : {});
  };
  const [group, version, kind] = [pattern('group'), pattern('version'), pattern('kind')];
  const [name, namespace] = [pattern('name'), pattern('namespace')];
  const [labels, annotations] = [selector('labelSelector'), selector('annotationSelector')];
  return (resource) =>
    (group?.test(resource.group) ?? true) &&
    (version?.test(resource.version) ?? true) &&
    (kind?.test(resource.kind) ?? true) &&
    (name === undefined || resource.names.some((one) => name.test(one))) &&
    (namespace === undefined || resource.namespaces.some((one) => namespace.test(one))) &&
    labels(resource.metadata.labels) &&
    annotations(resource.metadata.annotations);
}
