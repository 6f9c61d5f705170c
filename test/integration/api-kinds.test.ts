/** Create, read, list, watch, update, patch, apply and delete over every registered kind: a new kind is tested by being there. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AnyDefinition, allDefinitions } from '../../control-plane/resources/registry.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { hasReason } from '../../lib/errors.ts';
import { apiv1, fromJson, type JsonObject, type KubeObject, type ResourceType, toJson } from '../../proto/index.ts';
import { exampleOf } from '../harness/example-objects.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const unavailable = apiUnavailable();

describe.skipIf(unavailable !== undefined)('every kind', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let connection: GrpcConnection;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
    client = new GrpcResourceClient(connection);
  });
  afterAll(() => under?.stop());

  const kinds = allDefinitions().map(
    (definition) => [`${definition.type.kind} of ${definition.type.apiVersion}`, definition] as const,
  );

  /** The kind's example, labelled as this suite's own. Another version of a kind gets a name of its own where it may. */
  async function minimal(definition: AnyDefinition): Promise<JsonObject> {
    const json = await exampleOf(definition);
    const metadata = json.metadata as JsonObject;
    const labels = { ...(metadata.labels as JsonObject | undefined), suite: 'kinds' };
    return { ...json, metadata: { ...metadata, labels } };
  }

  function typed(type: ResourceType, json: JsonObject): KubeObject {
    const { value, issues } = fromJson<KubeObject>(type.messageName, json);
    expect(issues).toEqual([]);
    return value;
  }

  test.each(kinds)('%s: create, get, list, watch, update, patch, apply and delete', async (_kind, definition) => {
    const { type } = definition;
    const example = await minimal(definition);
    const { name, labels } = example.metadata as { name: string; labels: JsonObject };
    const at = { name, ...(type.namespaced ? { namespace: 'default' } : {}) };
    const before = await client.list(type);
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const batch of client.watch(type, before.resourceVersion, { signal: stop.signal })) {
        for (const event of batch) {
          if (event.type === 'BOOKMARK' || event.object.metadata?.name !== name) continue;
          seen.push(event.type);
          if (event.type === 'DELETED') return;
        }
      }
    })();

    const created = await client.create(type, typed(type, example));
    expect(created.metadata).toMatchObject({ name, labels });
    expect(created.metadata?.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(created.metadata?.creationTimestamp).toMatch(/^\d{4}-.*Z$/);
    await expect(client.create(type, typed(type, example))).rejects.toMatchObject({
      reason: 'AlreadyExists',
    });

    const read = await client.get(type, at);
    expect(read).toEqual(created);
    const listed = await client.list(type, { labelSelector: 'suite=kinds' });
    expect(listed.items.map((item) => item.metadata?.name)).toContain(name);

    const same = await client.update(type, read);
    expect(same.metadata?.resourceVersion).toBe(created.metadata?.resourceVersion);
    const updated = await client.update(type, { ...read, metadata: { ...read.metadata, annotations: { note: 'a' } } });
    expect(Number(updated.metadata?.resourceVersion)).toBeGreaterThan(Number(created.metadata?.resourceVersion));
    await expect(client.update(type, read)).rejects.toMatchObject({ reason: 'Conflict' });

    const patched = await client.patch(type, at, { type: 'merge', body: { metadata: { annotations: { note: 'b' } } } });
    expect(patched.metadata?.annotations).toMatchObject({ note: 'b' });

    const config = {
      ...example,
      metadata: { ...(example.metadata as object), annotations: { by: 'apply' } },
    };
    const apply = async (json: JsonObject): Promise<apiv1.ObjectReply> =>
      connection.unary(apiv1.ResourcesService.apply, {
        json: Buffer.from(JSON.stringify(json)),
        output: apiv1.Output.JSON,
      });
    expect((await apply(config)).action).toBe(apiv1.Action.CONFIGURED);
    const again = await apply(config);
    expect(again.action).toBe(apiv1.Action.UNCHANGED);
    const live = JSON.parse(again.json?.toString() ?? '') as { metadata: { annotations: Record<string, string> } };
    expect(live.metadata.annotations).toMatchObject({ by: 'apply', note: 'b' });
    const without = await apply(example);
    expect(without.action).toBe(apiv1.Action.CONFIGURED);
    expect((JSON.parse(without.json?.toString() ?? '') as typeof live).metadata.annotations).not.toHaveProperty('by');

    const table = await connection.unary(apiv1.ResourcesService.list, {
      target: { apiVersion: type.apiVersion, kind: type.kind },
      output: apiv1.Output.TABLE,
      labelSelector: 'suite=kinds',
    });
    expect(table.table?.rows).toHaveLength(1);
    expect(table.table?.rows?.[0]?.cells).toHaveLength(table.table?.columns?.length ?? -1);

    await client.delete(type, at, { gracePeriodSeconds: 0 });
    if (type.kind === 'Namespace') {
      // Held by its own finalizer until somebody has emptied it.
      const held = await client.get(type, at);
      expect(toJson(type.messageName, held)).toMatchObject({ status: { phase: 'Terminating' } });
      stop.abort();
      await watching;
      expect(seen).toEqual(['ADDED', 'MODIFIED', 'MODIFIED', 'MODIFIED', 'MODIFIED', 'MODIFIED']);
      return;
    }
    const held = await client.get(type, at).catch(() => undefined);
    if (held !== undefined) {
      // Held by a finalizer until a controller has seen to what belongs to it.
      expect(held.metadata?.deletionTimestamp).toBeDefined();
      expect(held.metadata?.finalizers).not.toHaveLength(0);
      await client.update(type, { ...held, metadata: { ...held.metadata, finalizers: [] } });
    }
    await expect(client.get(type, at)).rejects.toSatisfy((err) => hasReason(err, 'NotFound'));
    await watching;
    const marked = held === undefined ? [] : ['MODIFIED'];
    expect(seen).toEqual(['ADDED', 'MODIFIED', 'MODIFIED', 'MODIFIED', 'MODIFIED', ...marked, 'DELETED']);
  });
});
