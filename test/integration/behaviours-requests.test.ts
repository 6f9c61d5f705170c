/** Watches and strict decoding as the behaviour list has them, over the real API (sig-api-machinery 54, 56 and 95 to 99), and limits. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiv1, type JsonObject } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { JsonApi, nameOf, namesOf, withMetadata } from './behaviours-api.ts';

describe.skipIf(apiUnavailable() !== undefined)('requests', () => {
  let under: ServerUnderTest;
  let api: JsonApi;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    api = new JsonApi(under.connect());
  });
  afterAll(() => under?.stop());

  const object = (apiVersion: string, kind: string, name: string, more: JsonObject = {}): JsonObject => ({
    apiVersion,
    kind,
    metadata: { name, namespace: 'default' },
    ...more,
  });
  const at = (resource: string, name: string): apiv1.Target => ({ resource, namespace: 'default', name });

  test('strict decoding names unknown and repeated fields, metadata too, in every verb (sig-api-machinery 54 and 56)', async () => {
    const send = (text: string) =>
      api.connection.unary(apiv1.ResourcesService.create, {
        target: { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default' },
        json: Buffer.from(text),
        output: apiv1.Output.JSON,
      });
    await expect(send('{"metadata":{"name":"x","unknownMeta":"1"},"unknown":"2"}')).rejects.toThrow(
      'unknown field "metadata.unknownMeta"',
    );
    await expect(send('{"metadata":{"name":"x","unknownMeta":"1"},"unknown":"2"}')).rejects.toThrow(
      'unknown field "unknown"',
    );
    await expect(send('{"metadata":{"name":"x","name":"y"}}')).rejects.toThrow('duplicate field "metadata.name"');
    const made = await api.create(object('v1', 'ConfigMap', 'strict'));
    await expect(api.update(withMetadata(made, { unknownMeta: '1' }))).rejects.toThrow(
      'unknown field "metadata.unknownMeta"',
    );
    await expect(api.patch(at('configmaps', 'strict'), { metadata: { unknownMeta: '1' } })).rejects.toThrow(
      'unknown field "metadata.unknownMeta"',
    );
  });

  test('each watcher sees every change of its selection and nothing else, all in one order (sig-api-machinery 97, 98 and 99)', async () => {
    const { version } = await api.list({ resource: 'configmaps' });
    const follow = (labelSelector: string, count: number) =>
      api.watch({ resource: 'configmaps' }, count, { resourceVersion: version, labelSelector });
    const seen = [follow('who=a', 5), follow('who=b', 3), follow('who in (a,b)', 6)];
    for (const who of ['a', 'b']) {
      await api.create(withMetadata(object('v1', 'ConfigMap', `of-${who}`), { labels: { who } }));
    }
    await api.patch(at('configmaps', 'of-a'), { data: { mutation: '1' } });
    // Changing sides: gone for one, new for the other, changed for who sees both.
    await api.patch(at('configmaps', 'of-a'), { metadata: { labels: { who: 'b' } } });
    await api.patch(at('configmaps', 'of-a'), { metadata: { labels: { who: 'a' } } });
    await api.delete(at('configmaps', 'of-a'));
    const lines = (await Promise.all(seen)).map((changes) =>
      changes.map(({ type, object: o }) => `${type} ${nameOf(o)}`),
    );
    expect(lines).toEqual([
      ['ADDED of-a', 'MODIFIED of-a', 'DELETED of-a', 'ADDED of-a', 'DELETED of-a'],
      ['ADDED of-b', 'ADDED of-a', 'DELETED of-a'],
      ['ADDED of-a', 'ADDED of-b', 'MODIFIED of-a', 'MODIFIED of-a', 'MODIFIED of-a', 'DELETED of-a'],
    ]);
  });

  test('watches begun at every version tell the same from there on (sig-api-machinery 95, 96 and 99)', async () => {
    const { version } = await api.list({ resource: 'configmaps' });
    const target = { resource: 'configmaps' };
    const names = Array.from({ length: 8 }, (_, i) => `ordered-${i}`);
    for (const name of names) {
      await api.create(withMetadata(object('v1', 'ConfigMap', name), { labels: { ordered: 'yes' } }));
    }
    await Promise.all(names.map((name) => api.patch(at('configmaps', name), { data: { a: 'b' } })));
    await api.deleteCollection({ ...target, namespace: 'default' }, 'ordered=yes');
    const all = await api.watch(target, 24, { resourceVersion: version, labelSelector: 'ordered=yes' });
    const versions = all.map((change) => Number(change.version));
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    for (const [i, { version: from }] of all.slice(0, -1).entries()) {
      const rest = await api.watch(target, all.length - i - 1, { resourceVersion: from, labelSelector: 'ordered=yes' });
      expect(rest).toEqual(all.slice(i + 1));
    }
  });

  test('successive objects of one name differ in their uid, and versions are whole numbers that grow (promises: resourceVersion)', async () => {
    const idOf = (json: JsonObject) => json.metadata as { uid: string; resourceVersion: string };
    const first = idOf(await api.create(object('v1', 'ConfigMap', 'again')));
    await expect(api.create(object('v1', 'ConfigMap', 'again'))).rejects.toMatchObject({ reason: 'AlreadyExists' });
    await api.delete(at('configmaps', 'again'));
    const second = idOf(await api.create(object('v1', 'ConfigMap', 'again')));
    expect(second.uid).not.toBe(first.uid);
    expect([first, second].every(({ resourceVersion }) => /^[1-9]\d*$/.test(resourceVersion))).toBe(true);
    expect(Number(second.resourceVersion)).toBeGreaterThan(Number(first.resourceVersion));
  });

  test('pages keep to the limit, count what remains, and are of one version (sig-api-machinery 87)', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `chunk-${String(i).padStart(2, '0')}`);
    await Promise.all(
      names.map((name) =>
        api.create(
          object('v1', 'PodTemplate', name, { template: { spec: { containers: [{ name: 'c', image: 'x' }] } } }),
        ),
      ),
    );
    const all = await api.list({ resource: 'podtemplates' });
    const found: JsonObject[] = [];
    let token = '';
    do {
      const page = await api.list({ resource: 'podtemplates' }, { limit: 17, continue: token });
      found.push(...page.items);
      expect(page.version).toBe(all.version);
      expect(page.remaining).toBe(names.length - found.length);
      token = page.continue;
      if (found.length === 17)
        await api.create(
          object('v1', 'PodTemplate', 'chunk-late', {
            template: { spec: { containers: [{ name: 'c', image: 'x' }] } },
          }),
        );
    } while (token !== '');
    expect(namesOf(found)).toEqual(names);
  });
});
