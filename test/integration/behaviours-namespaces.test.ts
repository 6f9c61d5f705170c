/** A namespace that goes takes everything in it along, whatever the kind (sig-api-machinery 71 and 72). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import { allDefinitions } from '../../control-plane/resources/registry.ts';
import type { JsonObject } from '../../proto/index.ts';
import { exampleOf } from '../harness/example-objects.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { JsonApi, withMetadata } from './behaviours-api.ts';

let under: ServerUnderTest | undefined;
beforeAll(async () => {
  if (apiUnavailable() === undefined) under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
});
afterAll(() => under?.stop());

test.skipIf(apiUnavailable() !== undefined)(
  'a namespace with an object of every kind is emptied and goes; its successor is empty (sig-api-machinery 71 and 72)',
  async () => {
    if (under === undefined) throw new Error('the server does not run');
    const api = new JsonApi(under.connect());
    const namespace: JsonObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'doomed' } };
    await api.create(namespace);
    const kinds = allDefinitions().filter(({ type, storedAs }) => type.namespaced && storedAs === undefined);
    for (const definition of kinds) {
      const example = withMetadata(await exampleOf(definition), { namespace: 'doomed' });
      const about = example.involvedObject as JsonObject | undefined;
      await api.create(
        about === undefined ? example : { ...example, involvedObject: { ...about, namespace: 'doomed' } },
      );
    }
    const left = async (): Promise<readonly string[]> => {
      const lists = kinds.map(async ({ type: { apiVersion, kind } }) => {
        const { items } = await api.list({ apiVersion, kind, namespace: 'doomed' });
        return items.map(() => kind);
      });
      return (await Promise.all(lists)).flat();
    };
    expect(new Set(await left())).toEqual(new Set(kinds.map(({ type }) => type.kind)));

    await api.delete({ resource: 'namespaces', name: 'doomed' });
    expect(await api.get({ resource: 'namespaces', name: 'doomed' })).toMatchObject({
      status: { phase: 'Terminating' },
    });
    await waitFor('the namespace to go', () =>
      api.get({ resource: 'namespaces', name: 'doomed' }).then(
        () => false,
        (err: unknown) => (err as { reason?: string }).reason === 'NotFound',
      ),
    );
    expect(await left()).toEqual([]);
    await api.create(namespace);
    expect((await left()).filter((kind) => kind !== 'ServiceAccount')).toEqual([]);
  },
);
