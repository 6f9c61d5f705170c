import { hasReason } from '../../../lib/errors.ts';
import { type apiextensionsv1, KINDS, type KubeObject } from '../../../proto/index.ts';
import { loadRules, rulesAreLoaded } from '../../resources/custom/cel-engine.ts';
import { customDefinitions } from '../../resources/custom/custom-definition.ts';
import { carriesRules } from '../../resources/custom/validate-rules.ts';
import { validateObject } from '../../resources/validate-object.ts';
import { decodeJson, parseJson } from '../request/decode.ts';
import type { AnyDefinition, KindRegistry } from '../services.ts';

/**
 * The registry with the kinds of definitions that a dry run takes as being there. Kinds that are served already are used as they
 * are, and a definition that is not valid makes none: that is told when it is applied itself.
 */
export async function withAssumedKinds(
  registry: KindRegistry,
  definitions: readonly Uint8Array[],
): Promise<KindRegistry> {
  const made: AnyDefinition[] = [];
  for (const json of definitions) made.push(...(await kindsOf(registry, json)));
  return {
    definitions: registry.definitions,
    findDefinition: (apiVersion, kind) =>
      registry.findDefinition(apiVersion, kind) ??
      made.find(({ type }) => type.apiVersion === apiVersion && type.kind === kind),
    resolveResource: (text) => registry.resolveResource(text),
    findStored: (prefix) => registry.findStored(prefix),
    refresh: (signal) => registry.refresh(signal),
  };
}

async function kindsOf(registry: KindRegistry, json: Uint8Array): Promise<readonly AnyDefinition[]> {
  const { apiVersion, kind, messageName } = KINDS.CustomResourceDefinition;
  const own = registry.findDefinition(apiVersion, kind);
  if (own === undefined) return [];
  const definition = readDefinition(own, json, messageName);
  if (definition === undefined) return [];
  if (!rulesAreLoaded() && carriesRules(definition)) await loadRules();
  return customDefinitions(definition) as unknown as readonly AnyDefinition[];
}

function readDefinition(
  own: AnyDefinition,
  json: Uint8Array,
  messageName: string,
): apiextensionsv1.CustomResourceDefinition | undefined {
  let object: KubeObject;
  try {
    object = decodeJson<KubeObject>(messageName, parseJson(json));
  } catch (err) {
    if (hasReason(err, 'BadRequest')) return undefined;
    throw err;
  }
  own.setDefaults?.(object);
  return validateObject(own, object).length > 0 ? undefined : object;
}
