import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { textAt } from '../resources/fields.ts';
import type { Session } from '../session.ts';

/** The nodes named, or those with the labels. Throws `NotFound`, and a {@link CliError} when neither is given. */
export async function findNodes(
  { api }: Session,
  names: readonly string[],
  choice: { readonly selector?: string; readonly all?: boolean },
): Promise<JsonObject[]> {
  const bare = names.map((name) => name.replace(/^(?:nodes?|no)\//, ''));
  if (bare.length > 0 && choice.selector !== undefined)
    throw new CliError('error: cannot specify both a node name and a --selector option');
  if (bare.length === 0 && choice.selector === undefined && choice.all !== true)
    throw new CliError('USAGE: name a node, or choose nodes with --selector');
  if (bare.length === 0) return [...(await api.list({ resource: 'nodes' }, { labelSelector: choice.selector })).items];
  const nodes: JsonObject[] = [];
  for (const name of bare) nodes.push((await api.get({ resource: 'nodes', name })).object);
  return nodes;
}

/** Name of an object. */
export function nameOf(object: JsonObject): string {
  return textAt(object, 'metadata', 'name');
}
