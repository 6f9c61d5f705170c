import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../proto/index.ts';
import { acceptNames, isOlder, takenNames } from './accepted-names.ts';
import { customDefinitions } from './custom-definition.ts';
import { type Definition, definition } from './test-definitions.ts';
import { compareVersions } from './version-order.ts';

test('versions are preferred as Kubernetes prefers them', () => {
  const names = ['foo10', 'v11alpha2', 'v1', 'v3beta1', 'v10', 'foo1', 'v10beta3', 'v2', 'v12alpha1', 'v11beta2'];
  expect(names.sort(compareVersions)).toEqual([
    ...['v10', 'v2', 'v1', 'v11beta2', 'v10beta3', 'v3beta1', 'v12alpha1', 'v11alpha2', 'foo1', 'foo10'],
  ]);
});

describe('names', () => {
  const named = (plural: string, more: JsonObject = {}): Definition =>
    definition({}, (spec) => void Object.assign(spec, { names: { plural, kind: plural.toUpperCase(), ...more } }));
  const NOW = '2026-01-01T00:00:00Z';
  const first = acceptNames(
    { ...named('as', { shortNames: ['s'] }), metadata: { name: 'as' } },
    { taken: takenNames({}, [], []) },
    NOW,
  );

  test('that nobody has are given', () => {
    expect(first.status).toMatchObject({
      acceptedNames: { plural: 'as', shortNames: ['s'] },
      conditions: [
        { type: 'NamesAccepted', status: 'True' },
        { type: 'Established', status: 'True' },
      ],
      storedVersions: ['v1'],
    });
  });

  test.each<[string, JsonObject, string]>([
    ['a short name', { shortNames: ['s'] }, 'ShortNamesConflict'],
    ['a short name that is a plural there', { shortNames: ['as'] }, 'ShortNamesConflict'],
    ['a kind', { kind: 'AS', listKind: 'Others' }, 'KindConflict'],
    ['a singular', { singular: 'as' }, 'SingularConflict'],
  ])('that another of the group has are not: %s', (_name, more, reason) => {
    const second = { ...named('bs', more), metadata: { name: 'bs' } };
    const { status } = acceptNames(second, { taken: takenNames(second, [first], []) }, NOW);
    expect(status?.conditions).toMatchObject([
      { status: 'False', reason },
      { status: 'False', reason: 'NotAccepted' },
    ]);
  });

  test('once served, a kind stays so although a new name of it is taken', () => {
    const second = acceptNames({ ...named('bs'), metadata: { name: 'bs' } }, { taken: takenNames({}, [], []) }, NOW);
    const renamed = { ...named('bs', { shortNames: ['s'] }), metadata: { name: 'bs' }, status: second.status };
    const { status } = acceptNames(renamed, { taken: takenNames(renamed, [first], []) }, '2027-01-01T00:00:00Z');
    expect(status?.conditions).toMatchObject([
      { status: 'False', lastTransitionTime: '2027-01-01T00:00:00Z' },
      { status: 'True', lastTransitionTime: NOW },
    ]);
  });
});

test('of two kinds that were given one name at the same moment, the older keeps it', () => {
  const made = (name: string): Definition =>
    acceptNames(
      {
        ...definition({}, (spec) => void Object.assign(spec, { names: { plural: name, kind: 'Same' } })),
        metadata: { name },
      },
      { taken: takenNames({}, [], []) },
      '2026-01-01T00:00:00Z',
    );
  const [first, second] = [made('as'), made('bs')];
  const again = (one: Definition, other: Definition): Definition => {
    const older = isOlder(other, one) ? { older: takenNames(one, [other], []) } : {};
    return acceptNames(one, { taken: takenNames(one, [other], []), ...older }, '2026-01-01T00:00:01Z');
  };
  expect(again(first, second).status).toEqual(first.status);
  expect(again(second, first).status).toMatchObject({
    acceptedNames: { plural: 'bs' },
    conditions: [
      { status: 'False', reason: 'ListKindConflict' },
      { status: 'False', reason: 'NotAccepted' },
    ],
  });
});

describe('the definitions made of it', () => {
  test('read any version that is stored as the one asked for', () => {
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const object = definition({}, (spec) => {
      spec.versions = [
        { name: 'v1beta1', served: true, storage: true, schema },
        { name: 'v1', served: true, schema },
        { name: 'v2alpha1', served: false, schema },
      ];
    });
    const made = customDefinitions(object);
    expect(made.map(({ type, storedAs }) => [type.version, storedAs?.type.version])).toEqual([
      ['v1', 'v1beta1'],
      ['v1beta1', undefined],
    ]);
    const bytes = made[1]?.type.message.encode({ apiVersion: 'x.example.com/v1beta1', kind: 'Thing', a: 1 }).finish();
    expect(made[0]?.type.message.decode(bytes ?? new Uint8Array())).toMatchObject({
      apiVersion: 'x.example.com/v1',
      a: 1,
    });
  });

  test('are none when no version is served, but for the deletion of what is there', () => {
    const object = definition({}, (spec) => {
      spec.versions = [{ name: 'v1', storage: true, schema: { openAPIV3Schema: { type: 'object' } } }];
    });
    expect(customDefinitions(object)).toEqual([]);
    object.metadata = { ...object.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
    expect(customDefinitions(object)).toMatchObject([{ custom: { terminating: true } }]);
  });
});
