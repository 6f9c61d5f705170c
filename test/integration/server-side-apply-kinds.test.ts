/** Server-side apply of every kind, and of kinds that people add, through gRPC and a real etcd. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { allDefinitions } from '../../control-plane/resources/registry.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { apiv1, type JsonObject, KINDS } from '../../proto/index.ts';
import { exampleOf } from '../harness/example-objects.ts';
import { refusal } from '../harness/refusal.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { type Applied, Appliers, fieldsOf, owners } from './appliers.ts';

describe.skipIf(apiUnavailable() !== undefined)('server-side apply of kinds', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let appliers: Appliers;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    appliers = new Appliers(under.connect());
    client = under.client();
  });
  afterAll(() => under?.stop());

  const send: Appliers['send'] = (...args) => appliers.send(...args);
  const apply: Appliers['apply'] = (...args) => appliers.apply(...args);
  const at = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });

  test('follows the schema of a custom kind', async () => {
    const text = readFileSync(join(import.meta.dirname, '../../manifests/custom-resource-definition.yaml'), 'utf8');
    const [definition] = parseAllDocuments(text).map((document) => document.toJS() as JsonObject);
    await apply(definition ?? expect.fail('no definition'), '', { serverSide: false });
    const backup = (spec: JsonObject): JsonObject => ({
      apiVersion: 'storage.example.com/v1',
      kind: 'Backup',
      metadata: at('photos'),
      spec,
    });
    const full = { volume: 'photos', schedule: '0 3 * * *', keep: 3, options: { a: { x: 1 }, order: [1, 2] } };
    const made = await waitFor('the kind', () =>
      apply(backup({ ...full, targets: [{ name: 'disk', url: 'file:///disk' }] }), 'alice'),
    );
    expect(fieldsOf(made, 'alice')).toEqual({
      'f:spec': {
        'f:keep': {},
        'f:options': { 'f:a': { '.': {}, 'f:x': {} }, 'f:order': {} },
        'f:schedule': {},
        'f:targets': { 'k:{"name":"disk"}': { '.': {}, 'f:name': {}, 'f:url': {} } },
        'f:volume': {},
      },
    });
    const both = await apply(backup({ targets: [{ name: 'tape' }], options: { a: { y: 2 } } }), 'bob');
    expect(both.spec).toMatchObject({
      targets: [{ name: 'disk' }, { name: 'tape' }],
      options: { a: { x: 1, y: 2 }, order: [1, 2] },
      compression: 'zstd',
    });
    const refused = await refusal(apply(backup({ keep: 9, options: { order: [2] } }), 'bob'));
    expect(refused.message).toBe(
      'Apply failed with 2 conflicts: conflicts with "alice":\n- .spec.keep\n- .spec.options.order',
    );
    const left = await apply(backup({ volume: 'photos', schedule: '0 3 * * *' }), 'alice');
    // Without its own value the field has the schema's default again.
    expect(left.spec).toMatchObject({ keep: 7, targets: [{ name: 'tape' }], options: { a: { y: 2 } } });
    expect((left.spec as unknown as { options: JsonObject }).options).toEqual({ a: { y: 2 } });
  });

  const kinds = allDefinitions().map(
    (definition) => [`${definition.type.kind} of ${definition.type.apiVersion}`, definition] as const,
  );

  test.each(kinds)(
    '%s: is made, left alone the second time, shared, and goes on with one manager',
    async (_kind, definition) => {
      const example = await exampleOf(definition);
      const { name } = example.metadata as { name: string };
      const own = { ...(example.metadata as JsonObject), name: `ssa-${name}`.slice(0, 60) };
      const isNamedByRule = ['CustomResourceDefinition', 'APIService', 'Node', 'Namespace'].includes(
        definition.type.kind,
      );
      const config: JsonObject = isNamedByRule ? example : { ...example, metadata: own };
      const target = { apiVersion: definition.type.apiVersion, kind: definition.type.kind, namespace: 'default' };
      const first = await send(config, 'alice', { target, force: true });
      const second = await send(config, 'alice', { target });
      expect([second.action, second.resourceVersion]).toEqual([apiv1.Action.UNCHANGED, first.resourceVersion]);
      const shared = await apply(config, 'bob', { target });
      expect(owners(shared)).toEqual(expect.arrayContaining(['alice Apply', 'bob Apply']));
      expect(fieldsOf(shared, 'alice')).toEqual(fieldsOf(shared, 'bob'));
      const minimal = {
        apiVersion: config.apiVersion ?? '',
        kind: config.kind ?? '',
        metadata: { name: (config.metadata as JsonObject).name ?? '' },
      };
      const left = await send(minimal, 'alice', { target });
      const { metadata, ...rest } = JSON.parse(left.json?.toString() ?? '') as Applied;
      const { metadata: _before, ...same } = shared;
      expect(rest).toEqual(same);
      expect((metadata.managedFields ?? []).map(({ manager }) => manager)).not.toContain('alice');
    },
  );

  test('two managers who apply at once both get their fields', async () => {
    await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at('busy'), data: { start: '' } }, 'start');
    await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at('busy'), data: { [`k${i}`]: 'v' } }, `manager-${i}`),
      ),
    );
    const { data, metadata } = await client.get(KINDS.ConfigMap, at('busy'));
    expect(Object.keys(data ?? {})).toHaveLength(13);
    expect(metadata?.managedFields).toHaveLength(13);
    const raced = await Promise.allSettled(
      ['1', '2', '3', '4'].map((value) =>
        apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at('busy'), data: { one: value } }, `racer-${value}`),
      ),
    );
    expect(raced.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});
