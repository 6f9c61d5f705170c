import { expect, test } from 'vitest';
import { allKinds, type MessageSchema, messageSchema } from '../../proto/index.ts';
import { isBuiltInGroup, mergeKeyOf } from './merge-keys.ts';

/** Sets only where ownership is kept track of: patches replace them. */
const REPLACED = ['endpoints/addresses', 'onExitCodes/values', 'spec/volumeLifecycleModes'];

/** Every list below a message that people write, as `around/field`, with how the schema says it merges. */
function lists(schema: MessageSchema, around: string, seen: Set<string>, found: Map<string, Set<string>>): void {
  if (seen.has(`${schema.name} ${around}`)) return;
  seen.add(`${schema.name} ${around}`);
  for (const field of schema.fields) {
    if (field.name === 'status') continue;
    if (field.cardinality === 'list') {
      const rule = field.list === 'map' ? (field.mergeKeys[0] ?? '') : field.list;
      const at = `${around}/${field.name}`;
      found.set(at, (found.get(at) ?? new Set()).add(rule));
    }
    if (field.isMessage) lists(messageSchema(field.type), field.name, seen, found);
  }
}

test('lists merge as the schema says, every list of every kind', () => {
  const wrong: string[] = [];
  for (const type of allKinds()) {
    const found = new Map<string, Set<string>>();
    lists(messageSchema(type.messageName), '', new Set(), found);
    for (const [at, rules] of found) {
      if (REPLACED.includes(at)) continue;
      const [around = '', field = ''] = at.split('/');
      const known = mergeKeyOf(around, field) ?? 'atomic';
      if (!rules.has(known) || rules.size > 1)
        wrong.push(`${type.kind} ${at}: ${known}, in the schema ${[...rules].join(' and ')}`);
    }
    expect(isBuiltInGroup(type.group)).toBe(true);
  }
  expect(wrong).toEqual([]);
  expect(isBuiltInGroup('example.com') || isBuiltInGroup('gateway.networking.k8s.io')).toBe(false);
});
