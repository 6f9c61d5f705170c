/** The cases of the ResourceClient contract; an implementation passes when all hold. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectEvent, ResourceClient } from '../../lib/client/resource-client.ts';
import { compareVersions } from '../../lib/resource-version.ts';
import { type appsv1, type corev1, type JsonObject, KINDS, type KubeObject } from '../../proto/index.ts';

/** A client under test and how to be rid of it. The namespace must exist and be empty. */
export interface ClientUnderTest {
  readonly client: ResourceClient;
  readonly namespace: string;
  readonly close: () => Promise<void>;
}

const template: corev1.PodTemplateSpec = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'example.test/web:1' }] },
};

/** Runs the contract over what `open` makes, freshly for each case. */
export function resourceClientContract(name: string, open: () => Promise<ClientUnderTest>): void {
  describe(`${name} keeps the ResourceClient contract`, () => {
    let it0: ClientUnderTest;
    let client: ResourceClient;
    let namespace: string;
    let abort: AbortController;

    beforeEach(async () => {
      it0 = await open();
      ({ client, namespace } = it0);
      abort = new AbortController();
    });

    afterEach(async () => {
      abort.abort();
      await it0.close();
    });

    const configMap = (mapName: string, data: Record<string, string> = {}): corev1.ConfigMap => ({
      metadata: { name: mapName, namespace, labels: { app: mapName } },
      data,
    });
    const pod = (podName: string): corev1.Pod => ({
      metadata: { name: podName, namespace },
      spec: { containers: [{ name: 'web', image: 'example.test/web:1' }] },
    });
    const replicaSet = (setName: string): appsv1.ReplicaSet => ({
      metadata: { name: setName, namespace },
      spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template },
    });

    /** Events until `enough` says so. */
    async function eventsUntil<T extends KubeObject>(
      events: AsyncIterable<readonly ObjectEvent<T>[]>,
      enough: (seen: ObjectEvent<T>[]) => boolean,
    ): Promise<ObjectEvent<T>[]> {
      const seen: ObjectEvent<T>[] = [];
      for await (const batch of events) {
        seen.push(...batch.filter((e) => e.type !== 'BOOKMARK'));
        if (enough(seen)) break;
      }
      return seen;
    }

    const summary = (events: readonly ObjectEvent<KubeObject>[]): string[] =>
      events.map((e) => (e.type === 'BOOKMARK' ? e.type : `${e.type} ${e.object.metadata?.name}`));

    it('creates an object with uid, time and version, and reads the same back', async () => {
      const made = await client.create(KINDS.ConfigMap, configMap('a', { k: 'v' }));
      expect(made.metadata?.uid).toMatch(/.+/);
      expect(made.metadata?.creationTimestamp).toMatch(/Z$/);
      expect(await client.get(KINDS.ConfigMap, { namespace, name: 'a' })).toEqual(made);
    });

    it('refuses a second object of the same name', async () => {
      await client.create(KINDS.ConfigMap, configMap('a'));
      await expect(client.create(KINDS.ConfigMap, configMap('a'))).rejects.toMatchObject({ reason: 'AlreadyExists' });
    });

    it('makes a name from generateName', async () => {
      const made = await client.create(KINDS.ConfigMap, { metadata: { generateName: 'a-', namespace } });
      expect(made.metadata?.name).toMatch(/^a-[a-z0-9]{5}$/);
    });

    it('says NotFound for what is not there', async () => {
      const at = { namespace, name: 'none' };
      await expect(client.get(KINDS.ConfigMap, at)).rejects.toMatchObject({ reason: 'NotFound' });
      await expect(client.update(KINDS.ConfigMap, configMap('none'))).rejects.toMatchObject({ reason: 'NotFound' });
      await expect(client.delete(KINDS.ConfigMap, at)).rejects.toMatchObject({ reason: 'NotFound' });
    });

    it('refuses an update of an older version and takes one without version', async () => {
      const first = await client.create(KINDS.ConfigMap, configMap('a', { k: '1' }));
      await client.update(KINDS.ConfigMap, { ...first, data: { k: '2' } });
      const stale = { ...first, data: { k: '3' } };
      await expect(client.update(KINDS.ConfigMap, stale)).rejects.toMatchObject({ reason: 'Conflict' });
      const blind = await client.update(KINDS.ConfigMap, configMap('a', { k: '4' }));
      expect(blind.data).toEqual({ k: '4' });
    });

    it('does not write what changes nothing', async () => {
      const first = await client.create(KINDS.ConfigMap, configMap('a', { k: '1' }));
      const again = await client.update(KINDS.ConfigMap, first);
      expect(again.metadata?.resourceVersion).toBe(first.metadata?.resourceVersion);
    });

    it('counts the generation on spec changes only', async () => {
      const made = await client.create(KINDS.ReplicaSet, replicaSet('web'));
      expect(made.metadata?.generation).toBe(1);
      const labelled = await client.update(KINDS.ReplicaSet, {
        ...made,
        metadata: { ...made.metadata, labels: { a: 'b' } },
      });
      expect(labelled.metadata?.generation).toBe(1);
      const scaled = await client.update(KINDS.ReplicaSet, { ...labelled, spec: { ...labelled.spec, replicas: 5 } });
      expect(scaled.metadata?.generation).toBe(2);
    });

    it('keeps status and spec apart', async () => {
      const made = await client.create(KINDS.ReplicaSet, { ...replicaSet('web'), status: { replicas: 9 } });
      expect(made.status?.replicas ?? 0).toBe(0);
      const both = { ...made, spec: { ...made.spec, replicas: 5 }, status: { replicas: 3 } };
      const status = await client.update(KINDS.ReplicaSet, both, { subresource: 'status' });
      expect([status.spec?.replicas, status.status?.replicas]).toEqual([1, 3]);
      const spec = await client.update(KINDS.ReplicaSet, { ...status, spec: both.spec, status: { replicas: 7 } });
      expect([spec.spec?.replicas, spec.status?.replicas]).toEqual([5, 3]);
    });

    it('merges a patch and removes what it sets to null', async () => {
      await client.create(KINDS.ConfigMap, configMap('a', { k: '1', l: '2' }));
      const body = { data: { k: null, m: '3' } };
      const patched = await client.patch(KINDS.ConfigMap, { namespace, name: 'a' }, { type: 'merge', body });
      expect(patched.data).toEqual({ l: '2', m: '3' });
    });

    it('applies a JSON patch whole or not at all', async () => {
      await client.create(KINDS.ConfigMap, configMap('a', { k: '1' }));
      const at = { namespace, name: 'a' };
      const body = [
        { op: 'replace', path: '/data/k', value: '2' },
        { op: 'test', path: '/data/k', value: 'other' },
      ];
      await expect(client.patch(KINDS.ConfigMap, at, { type: 'json', body })).rejects.toMatchObject({
        reason: 'Invalid',
      });
      expect((await client.get(KINDS.ConfigMap, at)).data).toEqual({ k: '1' });
    });

    it('lists by namespace and labels, at a version to watch from', async () => {
      await client.create(KINDS.ConfigMap, configMap('a'));
      await client.create(KINDS.ConfigMap, configMap('b'));
      const list = await client.list(KINDS.ConfigMap, { namespace, labelSelector: 'app in (b,c)' });
      expect(list.items.map((o) => o.metadata?.name)).toEqual(['b']);
      expect(list.resourceVersion).toMatch(/^\d+$/);
    });

    it('selects pods by field', async () => {
      await client.create(KINDS.Pod, pod('a'));
      await client.create(KINDS.Pod, { ...pod('b'), spec: { ...pod('b').spec, nodeName: 'n1' } });
      const list = await client.list(KINDS.Pod, { namespace, fieldSelector: 'spec.nodeName=n1' });
      expect(list.items.map((o) => o.metadata?.name)).toEqual(['b']);
    });

    it('watches every change after a version, in order, each with a newer version', async () => {
      const { resourceVersion } = await client.list(KINDS.ConfigMap, { namespace });
      const made = await client.create(KINDS.ConfigMap, configMap('a', { k: '1' }));
      await client.update(KINDS.ConfigMap, { ...made, data: { k: '2' } });
      const events = client.watch(KINDS.ConfigMap, resourceVersion, { namespace, signal: abort.signal });
      const later = eventsUntil(events, (seen) => seen.length >= 3);
      await client.delete(KINDS.ConfigMap, { namespace, name: 'a' });
      const seen = await later;
      expect(summary(seen)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
      const versions = [resourceVersion, ...seen.map((e) => e.resourceVersion)];
      versions.slice(1).forEach((v, i) => {
        expect(compareVersions(v, versions[i] ?? '')).toBeGreaterThan(0);
      });
    });

    it('resumes a watch from any version it gave, with nothing lost or repeated', async () => {
      const { resourceVersion } = await client.list(KINDS.ConfigMap, { namespace });
      for (const name0 of ['a', 'b', 'c', 'd']) await client.create(KINDS.ConfigMap, configMap(name0));
      const options = { namespace, signal: abort.signal };
      const all = await eventsUntil(client.watch(KINDS.ConfigMap, resourceVersion, options), (s) => s.length >= 4);
      const from = all[1]?.resourceVersion ?? '';
      const rest = await eventsUntil(client.watch(KINDS.ConfigMap, from, options), (s) => s.length >= 2);
      expect(summary(rest)).toEqual(['ADDED c', 'ADDED d']);
    });

    it('shows a watch with a selector what begins and what stops to match', async () => {
      const { resourceVersion } = await client.list(KINDS.ConfigMap, { namespace });
      const made = await client.create(KINDS.ConfigMap, configMap('a'));
      const other = await client.update(KINDS.ConfigMap, {
        ...made,
        metadata: { ...made.metadata, labels: { app: 'x' } },
      });
      await client.update(KINDS.ConfigMap, { ...other, metadata: { ...other.metadata, labels: { app: 'a' } } });
      const options = { namespace, labelSelector: 'app=a', signal: abort.signal };
      const seen = await eventsUntil(client.watch(KINDS.ConfigMap, resourceVersion, options), (s) => s.length >= 3);
      expect(summary(seen)).toEqual(['ADDED a', 'DELETED a', 'ADDED a']);
    });

    it('ends a watch when its signal aborts', async () => {
      const { resourceVersion } = await client.list(KINDS.ConfigMap, { namespace });
      const ended = eventsUntil(
        client.watch(KINDS.ConfigMap, resourceVersion, { namespace, signal: abort.signal }),
        () => false,
      );
      abort.abort();
      expect(await ended).toEqual([]);
    });

    it('keeps an object with finalizers until the last is removed', async () => {
      const held = configMap('a');
      await client.create(KINDS.ConfigMap, {
        ...held,
        metadata: { ...held.metadata, finalizers: ['example.test/hold'] },
      });
      const at = { namespace, name: 'a' };
      await client.delete(KINDS.ConfigMap, at);
      const marked = await client.get(KINDS.ConfigMap, at);
      expect(marked.metadata?.deletionTimestamp).toMatch(/Z$/);
      await client.update(KINDS.ConfigMap, { ...marked, metadata: { ...marked.metadata, finalizers: [] } });
      await expect(client.get(KINDS.ConfigMap, at)).rejects.toMatchObject({ reason: 'NotFound' });
    });

    it('removes an unbound pod at once and leaves a bound one its grace', async () => {
      await client.create(KINDS.Pod, pod('a'));
      const bound = { ...pod('b'), spec: { ...pod('b').spec, nodeName: 'n1' } };
      await client.create(KINDS.Pod, bound);
      await client.delete(KINDS.Pod, { namespace, name: 'a' });
      await expect(client.get(KINDS.Pod, { namespace, name: 'a' })).rejects.toMatchObject({ reason: 'NotFound' });
      const b = { namespace, name: 'b' };
      await client.delete(KINDS.Pod, b, { gracePeriodSeconds: 7 });
      expect((await client.get(KINDS.Pod, b)).metadata?.deletionGracePeriodSeconds).toBe(7);
      await client.delete(KINDS.Pod, b, { gracePeriodSeconds: 60 });
      expect((await client.get(KINDS.Pod, b)).metadata?.deletionGracePeriodSeconds).toBe(7);
      await client.delete(KINDS.Pod, b, { gracePeriodSeconds: 0 });
      await expect(client.get(KINDS.Pod, b)).rejects.toMatchObject({ reason: 'NotFound' });
    });

    it('deletes only the uid and version it is asked to', async () => {
      const made = await client.create(KINDS.ConfigMap, configMap('a'));
      const at = { namespace, name: 'a' };
      await expect(client.delete(KINDS.ConfigMap, at, { uid: 'other' })).rejects.toMatchObject({ reason: 'Conflict' });
      await expect(client.delete(KINDS.ConfigMap, at, { resourceVersion: '999999999' })).rejects.toMatchObject({
        reason: 'Conflict',
      });
      await client.delete(KINDS.ConfigMap, at, { uid: made.metadata?.uid ?? '' });
    });

    it('marks an object with the finalizer of its propagation policy', async () => {
      await client.create(KINDS.ReplicaSet, replicaSet('web'));
      const at = { namespace, name: 'web' };
      const orphaning = await client.delete(KINDS.ReplicaSet, at, { propagationPolicy: 'Orphan' });
      expect(orphaning.metadata?.finalizers).toEqual(['orphan']);
      const foreground = await client.delete(KINDS.ReplicaSet, at, { propagationPolicy: 'Foreground' });
      expect(foreground.metadata?.finalizers).toEqual(['foregroundDeletion']);
    });

    it('binds many pods in one call and tells which it could not', async () => {
      const [a, b] = [await client.create(KINDS.Pod, pod('a')), await client.create(KINDS.Pod, pod('b'))];
      const bindings = [a, b].map((p) => ({
        namespace,
        name: p.metadata?.name ?? '',
        uid: p.metadata?.uid ?? '',
        node: 'n1',
      }));
      const results = await client.bind([...bindings, { namespace, name: 'none', uid: 'x', node: 'n1' }]);
      expect(results.map((e) => (e as { reason?: string } | undefined)?.reason)).toEqual([
        undefined,
        undefined,
        'NotFound',
      ]);
      const bound = await client.get(KINDS.Pod, { namespace, name: 'a' });
      expect(bound.spec?.nodeName).toBe('n1');
      expect(bound.status?.conditions).toMatchObject([{ type: 'PodScheduled', status: 'True' }]);
      const [again] = await client.bind(bindings.slice(0, 1));
      expect(again).toMatchObject({ reason: 'Conflict' });
    });

    it('applies in the name of managers: shares, refuses, takes over, removes what a manager drops', async () => {
      const config = (data: JsonObject): JsonObject => ({ metadata: { name: 'a', namespace }, data });
      const at = { namespace, name: 'a' };
      const data = async (): Promise<Record<string, string> | undefined> =>
        (await client.get(KINDS.ConfigMap, at)).data;
      const made = await client.apply(KINDS.ConfigMap, config({ a: '1', b: '1' }), { fieldManager: 'one' });
      expect(made.data).toEqual({ a: '1', b: '1' });
      await client.apply(KINDS.ConfigMap, config({ a: '1', c: '2' }), { fieldManager: 'two' });
      expect(await data()).toEqual({ a: '1', b: '1', c: '2' });
      const refused = client.apply(KINDS.ConfigMap, config({ a: '1', b: '3' }), { fieldManager: 'two' });
      await expect(refused).rejects.toMatchObject({
        reason: 'Conflict',
        message: 'Apply failed with 1 conflict: conflict with "one": .data.b',
        causes: [{ field: '.data.b', reason: 'FieldManagerConflict', message: 'conflict with "one"' }],
      });
      await client.apply(KINDS.ConfigMap, config({ a: '1', b: '3' }), { fieldManager: 'two', force: true });
      expect(await data()).toEqual({ a: '1', b: '3' });
      await client.apply(KINDS.ConfigMap, config({}), { fieldManager: 'one' });
      expect(await data()).toEqual({ a: '1', b: '3' });
      await client.apply(KINDS.ConfigMap, config({ b: '3' }), { fieldManager: 'two', dryRun: true });
      expect(await data()).toEqual({ a: '1', b: '3' });
      const last = await client.apply(KINDS.ConfigMap, config({ b: '3' }), { fieldManager: 'two' });
      expect(last.data).toEqual({ b: '3' });
      const again = await client.apply(KINDS.ConfigMap, config({ b: '3' }), { fieldManager: 'two' });
      expect(again.metadata?.resourceVersion).toBe(last.metadata?.resourceVersion);
      const nobody = client.apply(KINDS.ConfigMap, config({}), { fieldManager: '' });
      await expect(nobody).rejects.toMatchObject({ reason: 'Invalid' });
    });

    it('writes nothing on a dry run', async () => {
      await client.create(KINDS.ConfigMap, configMap('a'), { dryRun: true });
      await expect(client.get(KINDS.ConfigMap, { namespace, name: 'a' })).rejects.toMatchObject({ reason: 'NotFound' });
    });
  });
}
