/** For tests of this folder: definitions made of the part that matters. */
import { expect } from 'vitest';
import { type apiextensionsv1, fromJson, type JsonObject, KINDS } from '../../../proto/index.ts';
import { customResourceDefinition } from '../custom-resource-definition.ts';
import { definitionOf } from '../registry.ts';
import { validateObject } from '../validate-object.ts';
import { compileSchema, type SchemaNode } from './schema-node.ts';

/** A definition as it is typed. */
export type Definition = apiextensionsv1.CustomResourceDefinition;
const { messageName } = KINDS.CustomResourceDefinition;
const crdKind = definitionOf(KINDS.CustomResourceDefinition) as unknown as Parameters<typeof validateObject>[0];

/** A defaulted definition whose root schema has these members besides its type. */
export function definition(root: JsonObject, change: (spec: JsonObject) => void = () => undefined): Definition {
  const spec: JsonObject = {
    group: 'x.example.com',
    scope: 'Namespaced',
    names: { plural: 'things', kind: 'Thing' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', ...root } } }],
  };
  change(spec);
  const { value, issues } = fromJson<Definition>(messageName, { metadata: { name: 'things.x.example.com' }, spec });
  expect(issues).toEqual([]);
  customResourceDefinition.setDefaults?.(value);
  return value;
}

/** What is wrong with a definition, each problem as `field: message`. */
export function problems(object: Definition): string[] {
  return validateObject(crdKind, object).map(({ field, message }) => `${field}: ${message}`);
}

/** The schema of an object whose field `x` has this one. */
export function nodeOf(x: JsonObject): SchemaNode {
  const object = definition({ properties: { x } });
  expect(problems(object)).toEqual([]);
  return compileSchema(object.spec?.versions?.[0]?.schema?.openAPIV3Schema ?? {});
}
