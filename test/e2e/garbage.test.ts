/** What becomes of what an object owns when it is deleted, and what holds an object back. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, listPods, sleepers, waitReady } from '../harness/objects.ts';
import { waitFor } from '../harness/wait.ts';

vi.setConfig({ maxConcurrency: 6 });
const reason = clusterUnavailable();

interface Meta {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
    readonly ownerReferences?: readonly { readonly uid: string }[];
  };
}

describe.skipIf(reason !== undefined).concurrent(`deletion${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    await loadBusybox(cluster);
    mkdirSync(cluster.path('told'));
  });
  afterAll(() => cluster?.stop());

  /** A Deployment of two whose containers, told to end, go on until {@link letGo}. */
  async function slowDeployment(name: string): Promise<void> {
    const script = `trap "until [ -f /told/${name} ]; do sleep 0.1; done; exit 0" TERM; while :; do sleep 0.1; done`;
    const volumes = [{ name: 'told', hostPath: { path: cluster.path('told') } }];
    const container = { command: ['sh', '-c', script], volumeMounts: [{ name: 'told', mountPath: '/told' }] };
    await apply(cluster, sleepers(name, 2, { podSpec: { terminationGracePeriodSeconds: 100, volumes }, container }));
    await waitReady(cluster, `app=${name}`, 2);
  }
  const letGo = (name: string): void => writeFileSync(cluster.path('told', name), '');
  const exists = async (...what: string[]): Promise<boolean> => {
    const { code, stderr } = await cluster.skiff(['get', ...what]);
    if (code !== 0 && !stderr.includes('(NotFound)')) throw new Error(stderr);
    return code === 0;
  };
  const replicaSets = async (name: string): Promise<readonly Meta[]> =>
    (await cluster.json<{ items: readonly Meta[] }>('replicasets', '-l', `app=${name}`)).items;
  const configMap = (name: string, metadata: object = {}): string =>
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data: {} });
  async function makeOwner(name: string): Promise<object> {
    await apply(cluster, configMap(name));
    const { metadata } = await cluster.json<Meta>('configmap', name);
    return { apiVersion: 'v1', kind: 'ConfigMap', name, uid: metadata.uid };
  }

  test('in the background, unless told otherwise: the object goes at once, what it owns after it', async () => {
    await slowDeployment('back');
    expect((await cluster.ok(['delete', 'deployment', 'back'])).stdout).toBe('deployment.apps "back" deleted\n');
    expect(await listPods(cluster, 'app=back')).toHaveLength(2);
    letGo('back');
    await waitFor('what it owned to go', async () => {
      return (await listPods(cluster, 'app=back')).length === 0 && (await replicaSets('back')).length === 0;
    });
  });

  test('in the foreground: the object stays, being deleted, until all it owns is gone', async () => {
    await slowDeployment('front');
    const deleting = cluster.ok(['delete', 'deployment', 'front', '--cascade=foreground']);
    const seen = await waitFor('the Deployment to be marked', async () => {
      const found = await cluster.json<Meta>('deployment', 'front');
      return found.metadata.deletionTimestamp === undefined ? undefined : found;
    });
    expect(seen.metadata.finalizers).toEqual(['foregroundDeletion']);
    expect(await listPods(cluster, 'app=front')).toHaveLength(2);
    letGo('front');
    await deleting;
    expect(await exists('deployment', 'front')).toBe(false);
    expect(await listPods(cluster, 'app=front')).toHaveLength(0);
    expect(await replicaSets('front')).toHaveLength(0);
  });

  test('orphaned: what it owned stays, without an owner, and a Deployment of the same kind takes it in again', async () => {
    await apply(cluster, sleepers('orphan', 2));
    const before = (await waitReady(cluster, 'app=orphan', 2)).map((p) => p.metadata.uid).sort();
    await cluster.ok(['delete', 'deployment', 'orphan', '--cascade=orphan']);
    expect(await exists('deployment', 'orphan')).toBe(false);
    const [set, ...others] = await replicaSets('orphan');
    expect(others).toHaveLength(0);
    expect(set?.metadata.ownerReferences ?? []).toEqual([]);
    await apply(cluster, sleepers('orphan', 2));
    await cluster.ok(['rollout', 'status', 'deployment/orphan', '--timeout=30s']);
    const { metadata } = await cluster.json<Meta>('deployment', 'orphan');
    const [adopted] = await replicaSets('orphan');
    expect(adopted?.metadata.uid).toBe(set?.metadata.uid);
    expect(adopted?.metadata.ownerReferences?.map(({ uid }) => uid)).toEqual([metadata.uid]);
    expect((await waitReady(cluster, 'app=orphan', 2)).map((p) => p.metadata.uid).sort()).toEqual(before);
  });

  test('a ReplicaSet orphaned of its pods leaves them running', async () => {
    await apply(cluster, sleepers('kept', 1));
    const [pod] = await waitReady(cluster, 'app=kept', 1);
    await cluster.ok(['delete', 'deployment', 'kept', '--cascade=orphan']);
    await cluster.ok(['delete', 'replicaset', '-l', 'app=kept', '--cascade=orphan']);
    expect(await replicaSets('kept')).toHaveLength(0);
    const [left] = await waitReady(cluster, 'app=kept', 1);
    expect(left?.metadata.uid).toBe(pod?.metadata.uid);
    expect((left as unknown as Meta).metadata.ownerReferences ?? []).toEqual([]);
    await cluster.ok(['delete', 'pod', left?.metadata.name ?? '']);
  });

  test('a finalizer holds an object until somebody takes it off', async () => {
    await apply(cluster, configMap('held', { finalizers: ['example.com/hold'] }));
    const waited = await cluster.skiff(['delete', 'configmap', 'held', '--timeout=1s']);
    expect(waited.code).toBe(1);
    expect(waited.stderr).toMatch(/timed out/);
    const { metadata } = await cluster.json<Meta>('configmap', 'held');
    expect(metadata.deletionTimestamp).toMatch(/^\d{4}-/);
    expect(metadata.finalizers).toEqual(['example.com/hold']);
    const added = await cluster.skiff(['apply', '-f', '-'], {
      stdin: configMap('held', { finalizers: ['example.com/hold', 'example.com/more'] }),
    });
    expect(added.code).toBe(1);
    expect(added.stderr).toMatch(/no new finalizers can be added if the object is being deleted/i);

    const editor = cluster.path('editor.sh');
    writeFileSync(editor, '#!/bin/sh\nsed -i "/finalizers:/d; /example.com\\/hold$/d" "$1"\n');
    chmodSync(editor, 0o700);
    const deleting = cluster.ok(['delete', 'configmap', 'held']);
    expect(
      (await cluster.ok(['edit', 'configmap', 'held'], { env: { EDITOR: editor, KUBE_EDITOR: editor } })).stdout,
    ).toBe('configmap/held edited\n');
    await deleting;
    expect(await exists('configmap', 'held')).toBe(false);
  });

  test('what has owners goes when the last of them is gone', async () => {
    const [one, two] = [await makeOwner('owner-one'), await makeOwner('owner-two')];
    await apply(cluster, configMap('of-one', { ownerReferences: [one] }));
    await apply(cluster, configMap('of-both', { ownerReferences: [one, two] }));
    await cluster.ok(['delete', 'configmap', 'owner-one']);
    await waitFor('what it alone owned to go', async () => !(await exists('configmap', 'of-one')));
    const both = await waitFor('the absent owner to be struck out', async () => {
      const found = await cluster.json<Meta>('configmap', 'of-both');
      return found.metadata.ownerReferences?.length === 1 ? found : undefined;
    });
    expect(both.metadata.deletionTimestamp).toBeUndefined();
    await cluster.ok(['delete', 'configmap', 'owner-two']);
    await waitFor('what both owned to go', async () => !(await exists('configmap', 'of-both')));
  });

  test('an owner of the same name but another uid is no owner', async () => {
    const owner = await makeOwner('impostor');
    const stale = { ...owner, uid: '11111111-2222-3333-4444-555555555555' };
    await apply(cluster, configMap('deceived', { ownerReferences: [stale] }));
    await waitFor('it to be collected', async () => !(await exists('configmap', 'deceived')));
    expect(await exists('configmap', 'impostor')).toBe(true);
  });

  test('deletion tells what it did: several, by label, none found, dry run', async () => {
    await apply(
      cluster,
      [configMap('d1', { labels: { set: 'd' } }), configMap('d2', { labels: { set: 'd' } })].join('\n---\n'),
    );
    expect((await cluster.ok(['delete', 'configmap', '-l', 'set=d', '--dry-run=server'])).stdout).toBe(
      'configmap "d1" deleted (server dry run)\nconfigmap "d2" deleted (server dry run)\n',
    );
    expect((await cluster.ok(['delete', 'configmap', '-l', 'set=d'])).stdout).toBe(
      'configmap "d1" deleted\nconfigmap "d2" deleted\n',
    );
    const absent = await cluster.skiff(['delete', 'configmap', 'd1']);
    expect(absent).toMatchObject({ code: 1, stderr: 'Error from server (NotFound): configmaps "d1" not found\n' });
    expect((await cluster.ok(['delete', 'configmap', 'd1', '--ignore-not-found'])).stdout).toBe('');
    const unknown = await cluster.skiff(['delete', 'configmap', 'x', '--cascade=sideways']);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('sideways');
  });
});
