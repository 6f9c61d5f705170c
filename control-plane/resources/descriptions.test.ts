import { expect, test } from 'vitest';
import { joinPath, messageSchema } from '../../proto/index.ts';
import { allDefinitions } from './registry.ts';

/** The fields below a message that `explain` has nothing to say about, without what lies below fields that have no effect. */
function undescribed(name: string, path: string, above: readonly string[]): string[] {
  if (above.includes(name)) return [];
  const schema = messageSchema(name);
  const own = schema.description === '' ? [`${path} (${name})`] : [];
  return schema.fields.reduce((found, field) => {
    const at = joinPath(path, field.name);
    if (field.description === '') found.push(at);
    if (field.isMessage && field.unsupported === undefined)
      found.push(...undescribed(field.type, at, [...above, name]));
    return found;
  }, own);
}

test('every field that has an effect is described', () => {
  const found = allDefinitions().flatMap(({ type }) => undescribed(type.messageName, type.singular, []));
  expect(found).toEqual([]);
});

test('a field without effect says so as the end of a sentence', () => {
  const seen = new Set<string>();
  const check = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const field of messageSchema(name).fields) {
      if (field.unsupported !== undefined) expect(`${name}.${field.name}: ${field.unsupported}`).toMatch(/: \w.*[^.]$/);
      if (field.isMessage) check(field.type);
    }
  };
  for (const { type } of allDefinitions()) check(type.messageName);
});
