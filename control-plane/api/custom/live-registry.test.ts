import { describe, expect, test } from 'vitest';
import { hasReason } from '../../../lib/errors.ts';
import { customDefinitions } from '../../resources/custom/custom-definition.ts';
import type { AnyDefinition } from '../services.ts';
import { LiveKindRegistry } from './live-registry.ts';

/** The definitions of a kind in `<group>.example.com`, the last version stored. */
function kind(
  group: string,
  plural: string,
  options: { versions?: string[]; shortNames?: string[] } = {},
): AnyDefinition[] {
  const { versions = ['v1'], shortNames = [] } = options;
  const names = { plural, singular: plural.slice(0, -1), kind: plural.toUpperCase(), shortNames };
  const made = customDefinitions({
    metadata: { name: `${plural}.${group}.example.com` },
    spec: {
      group: `${group}.example.com`,
      scope: 'Namespaced',
      names,
      versions: versions.map((name, i) => ({ name, served: true, storage: i === versions.length - 1 })),
    },
    status: { acceptedNames: names },
  });
  return made as unknown as AnyDefinition[];
}

describe('the registry of kinds', () => {
  test('learns and forgets kinds, and tells of it', () => {
    const registry = new LiveKindRegistry();
    const builtIn = registry.definitions.length;
    let changes = 0;
    const stop = registry.onChange(() => {
      changes += 1;
    });
    registry.setCustom(kind('a', 'things', { shortNames: ['th'] }));
    expect(registry.definitions).toHaveLength(builtIn + 1);
    for (const name of ['things', 'thing', 'th', 'THINGS', 'things.a.example.com', 'things.v1.a.example.com']) {
      expect(registry.resolveResource(name).type.kind).toBe('THINGS');
    }
    expect(registry.findStored('a.example.com/things/')?.type.kind).toBe('THINGS');
    registry.setCustom([]);
    expect(() => registry.resolveResource('things')).toThrow(/doesn't have a resource type "things"/);
    expect(registry.findDefinition('a.example.com/v1', 'THINGS')).toBeUndefined();
    expect(changes).toBe(2);
    stop();
    registry.setCustom([]);
    expect(changes).toBe(2);
  });

  test('never gives a name of a kind built in to another, nor that of an earlier one', () => {
    const registry = new LiveKindRegistry();
    registry.setCustom([
      ...kind('a', 'pods', { shortNames: ['po', 'x'] }),
      ...kind('b', 'pods', { shortNames: ['x'] }),
    ]);
    expect(registry.resolveResource('pods').type.apiVersion).toBe('v1');
    expect(registry.resolveResource('po').type.apiVersion).toBe('v1');
    expect(registry.resolveResource('x').type.group).toBe('a.example.com');
    expect(registry.resolveResource('pods.b.example.com').type.group).toBe('b.example.com');
  });

  test('names the preferred version where none is given, whichever is stored', () => {
    const registry = new LiveKindRegistry();
    registry.setCustom(kind('a', 'things', { versions: ['v1', 'v2', 'v1beta1'] }));
    expect(registry.resolveResource('things').type.version).toBe('v2');
    expect(registry.resolveResource('things.v1beta1.a.example.com').type.version).toBe('v1beta1');
    expect(registry.findStored('a.example.com/things/')?.type.version).toBe('v1beta1');
    expect(registry.findDefinition('a.example.com/v1', 'THINGS')?.storedAs?.type.version).toBe('v1beta1');
  });

  test('refuses what nobody defined', () => {
    expect.assertions(1);
    try {
      new LiveKindRegistry().resolveResource('thing');
    } catch (err) {
      expect(hasReason(err, 'NotFound')).toBe(true);
    }
  });
});
