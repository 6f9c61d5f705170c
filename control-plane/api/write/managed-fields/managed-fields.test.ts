import { describe, expect, it } from 'vitest';
import { ApiError, hasReason } from '../../../../lib/errors.ts';
import type { apiextensionsv1, JsonObject } from '../../../../proto/index.ts';
import { fieldSetOf } from '../../../merge/field-set-of.ts';
import { fromFieldsV1, toFieldsV1 } from '../../../merge/fields-v1.ts';
import type { Owner } from '../../../merge/owners.ts';
import { compileSchema } from '../../../resources/custom/schema-node.ts';
import { applyConflict } from './conflict-error.ts';
import { customKindNode } from './custom-node.ts';
import { isReset, type ManagedFieldsEntry, readEntries, writeEntries } from './entries.ts';
import { checkFieldManager, managerOf, requireFieldManager } from './field-manager.ts';

const entry = (more: Partial<ManagedFieldsEntry> = {}): ManagedFieldsEntry => ({
  apiVersion: 'v1',
  fieldsType: 'FieldsV1',
  fieldsV1: '{"f:data":{"f:a":{}}}',
  manager: 'me',
  operation: 'Update',
  time: '2026-01-01T00:00:00Z',
  ...more,
});

describe('entries of managedFields', () => {
  it('are written as they were read, appliers first, then by time', () => {
    const entries = [
      entry({ operation: 'Apply', manager: 'b', time: '2026-01-02T00:00:00Z' }),
      entry({ time: '2026-01-01T00:00:00Z', subresource: 'status' }),
      entry({ time: '2026-01-01T00:00:01Z', manager: 'a' }),
    ];
    expect(writeEntries(readEntries([...entries].reverse()) ?? [])).toEqual(entries);
  });

  it.each<[title: string, entries: ManagedFieldsEntry[] | undefined]>([
    ['none', undefined],
    ['no entry', []],
    ['an operation there is not', [entry({ operation: 'Delete' })]],
    ['no version', [entry({ apiVersion: '' })]],
    ['fields of another type', [entry({ fieldsType: 'FieldsV2' })]],
    ['fields that are no JSON', [entry({ fieldsV1: '{' })]],
    ['fields that are no set', [entry(), entry({ fieldsV1: '{"data":{}}' })]],
  ])('cannot be read from %s', (_title, entries) => {
    expect(readEntries(entries)).toBeUndefined();
  });

  it('are reset by one empty entry and nothing else', () => {
    expect([[{}], [], undefined, [entry()], [{}, {}], [{ manager: 'x' }]].map((one) => isReset(one))).toEqual([
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('the name of a manager', () => {
  it('is the one given, else the user, cut to what fits', () => {
    const caller = { user: 'system:node:pi4', groups: [], internal: false };
    const request = { target: undefined as never, caller, dryRun: false };
    expect(managerOf({ ...request, fieldManager: 'me' })).toBe('me');
    expect(managerOf(request)).toBe('system:node:pi4');
    expect(managerOf({ ...request, caller: { ...caller, user: `${'x'.repeat(127)}äöü` } })).toBe('x'.repeat(127));
  });

  it.each<[name: string, problem: string]>([
    ['', 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'],
    ['x'.repeat(129), 'fieldManager: Too long: may not be more than 128 bytes'],
    ['a\u0000', 'invalid character at position 1: should only contain printable characters'],
  ])('%j is refused', (name, problem) => {
    expect(() => requireFieldManager(name)).toThrow(problem);
  });

  it('may be any printable text, or none for an update', () => {
    expect(['', 'my tool/v1 (ü)'].map((name) => checkFieldManager('UpdateOptions', name))).toEqual([
      '',
      'my tool/v1 (ü)',
    ]);
    expect(checkFieldManager('CreateOptions')).toBe('');
  });
});

describe('a conflict', () => {
  const owner = (manager: string, more: Partial<Owner> = {}): Owner => ({
    manager,
    operation: 'Apply',
    apiVersion: 'apps/v1',
    subresource: '',
    time: undefined,
    fields: fromFieldsV1({}) ?? expect.fail('no set'),
    ...more,
  });

  it('says who owns what, grouped by manager', () => {
    const hpa = owner('hpa', { operation: 'Update', subresource: 'scale' });
    const error = applyConflict([
      { owner: hpa, path: ['f:spec', 'f:replicas'] },
      { owner: owner('bob'), path: ['f:spec', 'f:containers', 'k:{"name":"web"}', 'f:image'] },
      { owner: hpa, path: ['f:spec', 'f:paused'] },
    ]);
    expect(hasReason(error, 'Conflict')).toBe(true);
    expect(error.message).toBe(
      'Apply failed with 3 conflicts: conflicts with "bob":\n- .spec.containers[name="web"].image\n' +
        'conflicts with "hpa" with subresource "scale" using apps/v1:\n- .spec.replicas\n- .spec.paused',
    );
    expect(error.causes[1]).toEqual({
      field: '.spec.containers[name="web"].image',
      reason: 'FieldManagerConflict',
      message: 'conflict with "bob"',
    });
    expect(error).toBeInstanceOf(ApiError);
  });
});

describe('the schema of a custom kind', () => {
  const text = { type: 'string' };
  const list = (more: apiextensionsv1.JSONSchemaProps): apiextensionsv1.JSONSchemaProps => ({ type: 'array', ...more });
  const schema: apiextensionsv1.JSONSchemaProps = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          plain: list({ items: { schema: text } }),
          set: list({ items: { schema: text }, 'x-kubernetes-list-type': 'set' }),
          keyed: list({
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['port', 'protocol'],
            items: {
              schema: {
                type: 'object',
                properties: { port: { type: 'integer' }, protocol: { ...text, default: '"TCP"' } },
              },
            },
          }),
          labels: { type: 'object', additionalProperties: { schema: text } },
          whole: { type: 'object', properties: { a: text }, 'x-kubernetes-map-type': 'atomic' },
          free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          any: { 'x-kubernetes-preserve-unknown-fields': true },
          size: { 'x-kubernetes-int-or-string': true },
          template: {
            type: 'object',
            'x-kubernetes-embedded-resource': true,
            properties: { spec: { type: 'object' } },
          },
        },
      },
    },
  };
  const node = customKindNode(compileSchema(schema));

  it.each<[spec: JsonObject, fields: JsonObject]>([
    [{ plain: ['a'] }, { 'f:plain': {} }],
    [{ set: ['a'] }, { 'f:set': { 'v:"a"': {} } }],
    [{ keyed: [{ port: 1 }] }, { 'f:keyed': { 'k:{"port":1,"protocol":"TCP"}': { '.': {}, 'f:port': {} } } }],
    [{ labels: { a: 'b' } }, { 'f:labels': { 'f:a': {} } }],
    [{ whole: { a: 'b' } }, { 'f:whole': {} }],
    [{ free: { a: { b: [1] } } }, { 'f:free': { 'f:a': { '.': {}, 'f:b': {} } } }],
    [{ any: { a: 1 } }, { 'f:any': { 'f:a': {} } }],
    [{ any: [1] }, { 'f:any': {} }],
    [{ size: '5' }, { 'f:size': {} }],
    [
      { template: { kind: 'X', metadata: { finalizers: ['f'] } } },
      { 'f:template': { 'f:kind': {}, 'f:metadata': { 'f:finalizers': { 'v:"f"': {} } } } },
    ],
  ])('makes of %j the fields %j', (spec, fields) => {
    expect(toFieldsV1(fieldSetOf(node, { spec }))).toEqual({ 'f:spec': fields });
  });

  it('leaves the metadata to the schema of all objects', () => {
    expect(toFieldsV1(fieldSetOf(node, { metadata: { finalizers: ['a'] } }))).toEqual({
      'f:metadata': { 'f:finalizers': { 'v:"a"': {} } },
    });
    expect(customKindNode(compileSchema(schema))).not.toBe(node);
  });
});
