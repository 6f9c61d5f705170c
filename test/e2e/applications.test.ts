import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { imageArchive, loadBusybox, loadNginx } from '../harness/images.ts';
import { apply, isReady, listPods, sleepers, waitReady } from '../harness/objects.ts';
import { waitFor } from '../harness/wait.ts';

const reason = clusterUnavailable();
const project = join(import.meta.dirname, '../..');
const voting = join(project, '../shared/manifests/dockersamples+example-voting-app/k8s-specifications');
const examples = join(project, '../shared/manifests/kubernetes+website/content/en/examples');

describe.skipIf(reason !== undefined)(`real applications${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    await loadBusybox(cluster);
    await loadNginx(cluster, ['nginx:1.14.2', 'nginx:1.16.1']);
  });
  afterAll(() => cluster?.stop());

  async function load(...images: readonly string[]): Promise<void> {
    await cluster.ok(['image', 'load', imageArchive(...images), '--socket', cluster.path('run/skiff/agent.sock')]);
  }

  /** What the pod answers to a web request from the node. */
  async function fetchPage(ip: string, port: number): Promise<string> {
    const result = await cluster.command(['busybox', 'wget', '-q', '-O', '-', `http://${ip}:${port}/`]);
    if (result.code !== 0) throw new Error(result.stderr);
    return result.stdout;
  }

  test('manifests/hello runs a real web server whose page comes from its ConfigMap', async () => {
    await cluster.ok(['apply', '-f', join(project, 'manifests/hello')]);
    await cluster.ok(['rollout', 'status', 'deployment/hello', '--timeout=60s']);
    const pods = await waitReady(cluster, 'app=hello', 2);
    for (const pod of pods) expect(await fetchPage(pod.status.podIP ?? '', 8080)).toContain('Hello from Skiff');
  });

  const documentation: readonly [string, string, string, number][] = [
    ['application/deployment.yaml', 'nginx-deployment', 'app=nginx', 2],
    ['controllers/nginx-deployment.yaml', 'nginx-deployment', 'app=nginx', 3],
  ];
  test.skipIf(!existsSync(examples)).each(documentation)(
    "the documentation's %s becomes ready and answers, unmodified",
    async (file, name, selector, count) => {
      const path = join(examples, file);
      expect((await cluster.ok(['apply', '-f', path])).stdout).toMatch(
        new RegExp(`deployment.apps/${name} (created|configured)`),
      );
      const pods = await waitReady(cluster, selector, count);
      expect(await fetchPage(pods[0]?.status.podIP ?? '', 80)).toContain('nginx');
      expect((await cluster.ok(['apply', '-f', path])).stdout).toBe(`deployment.apps/${name} unchanged\n`);
    },
  );

  test('a new image rolls without dropping below the allowed count, and undo goes back', async () => {
    const web = (image: string): string => sleepers('web', 4, { container: { image }, spec: { minReadySeconds: 1 } });
    await apply(cluster, web('busybox:1.36'));
    await waitReady(cluster, 'app=web', 4);
    let lowest = 4;
    let highest = 4;
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) {
        const pods = await listPods(cluster, 'app=web');
        lowest = Math.min(lowest, pods.filter(isReady).length);
        highest = Math.max(highest, pods.filter((p) => p.metadata.deletionTimestamp === undefined).length);
      }
    })();
    expect(await apply(cluster, web('busybox:latest'))).toBe('deployment.apps/web configured\n');
    await cluster.ok(['rollout', 'status', 'deployment/web', '--timeout=90s'], { timeoutMs: 100_000 });
    watching.abort();
    await watch;
    expect(lowest).toBeGreaterThanOrEqual(3);
    expect(highest).toBeLessThanOrEqual(5);
    const images = async (): Promise<Set<string>> =>
      new Set((await waitReady(cluster, 'app=web', 4)).map((p) => p.spec.containers[0]?.image ?? ''));
    expect([...(await images())]).toEqual(['busybox:latest']);
    expect((await cluster.ok(['rollout', 'history', 'deployment/web'])).stdout).toMatch(/^1 .*\n2 /m);
    expect((await cluster.ok(['rollout', 'undo', 'deployment/web'])).stdout).toBe('deployment.apps/web rolled back\n');
    await cluster.ok(['rollout', 'status', 'deployment/web', '--timeout=90s'], { timeoutMs: 100_000 });
    expect([...(await images())]).toEqual(['busybox:1.36']);
  });

  test('scale to 50 and to 0', async () => {
    await apply(cluster, sleepers('many', 1));
    await waitReady(cluster, 'app=many', 1);
    expect((await cluster.ok(['scale', 'deployment/many', '--replicas=50'])).stdout).toBe(
      'deployment.apps/many scaled\n',
    );
    const pods = await waitReady(cluster, 'app=many', 50, 90_000);
    expect(new Set(pods.map((p) => p.status.podIP)).size).toBe(50);
    await cluster.ok(['scale', 'deployment/many', '--replicas=0']);
    await waitFor('all pods to go', async () => (await listPods(cluster, 'app=many')).length === 0, {
      timeoutMs: 60_000,
    });
  });

  test('a field removed from the file is removed from the object', async () => {
    const map = (data: object): string =>
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'fields' }, data });
    await apply(cluster, map({ a: '1', b: '2' }));
    await cluster.ok(['label', 'configmap', 'fields', 'kept=yes']);
    expect(await apply(cluster, map({ a: '1' }))).toBe('configmap/fields configured\n');
    const live = await cluster.json<{ data: object; metadata: { labels: object } }>('configmap', 'fields');
    expect(live.data).toEqual({ a: '1' });
    expect(live.metadata.labels).toEqual({ kept: 'yes' });
  });

  test('logs, exec and describe look inside', async () => {
    const [pod] = await waitReady(cluster, 'app=hello', 2);
    const name = pod?.metadata.name ?? '';
    await fetchPage(pod?.status.podIP ?? '', 8080);
    expect((await cluster.ok(['exec', name, '--', 'cat', '/www/index.html'])).stdout).toBe(
      readFileSync(join(project, 'manifests/hello/hello.yaml'), 'utf8')
        .match(/ {4}<!doctype[\s\S]*?apply again\.<\/p>\n/)?.[0]
        .replaceAll(/^ {4}/gm, ''),
    );
    expect((await cluster.skiff(['exec', name, '--', 'sh', '-c', 'exit 7'])).code).toBe(7);
    expect((await cluster.ok(['exec', name, '-i', '--', 'cat'], { stdin: 'through and back' })).stdout).toBe(
      'through and back',
    );
    expect((await cluster.ok(['logs', 'deploy/hello', '--tail=5'])).code).toBe(0);
    const described = (await cluster.ok(['describe', 'pod', name])).stdout;
    expect(described).toContain('Controlled By:');
    expect(described).toContain('Started');
  });

  test.skipIf(!existsSync(voting))(
    'the voting example carries votes from one node port through Redis and PostgreSQL to another',
    async () => {
      for (const images of ['postgres', 'voting-app', 'docker.io/library/redis:alpine']) await load(images);
      await cluster.ok(['apply', '-f', voting]);
      // Their images have no tag, so they would be pulled each time; here they are loaded.
      for (const name of ['vote', 'worker', 'result']) {
        const containers = [{ name, imagePullPolicy: 'IfNotPresent' }];
        const patch = JSON.stringify({ spec: { template: { spec: { containers } } } });
        await cluster.ok(['patch', 'deployment', name, '-p', patch]);
      }
      for (const name of ['db', 'redis', 'vote', 'worker', 'result']) {
        await cluster.ok(['rollout', 'status', `deployment/${name}`, '--timeout=60s'], { timeoutMs: 70_000 });
      }
      const outside = '198.51.100.7';
      await cluster.command(['ip', 'addr', 'add', `${outside}/32`, 'dev', 'lo']);
      const page = async (port: number, query = ''): Promise<string> =>
        (await cluster.command(['curl', '-sS', '-m', '5', `http://${outside}:${port}/cgi-bin/page${query}`])).stdout;
      for (const vote of ['a', 'b', 'a']) {
        await waitFor(`vote ${vote} to be taken`, async () =>
          (await page(31_000, `?vote=${vote}`)).includes(`voted ${vote}`),
        );
      }
      await waitFor('the votes to be counted', async () => (await page(31_001)) === 'a 2\nb 1\n');
      await cluster.ok(['delete', '-f', voting]);
    },
  );

  test('deleting a Deployment removes its pods; deleting a namespace removes everything in it', async () => {
    await cluster.ok(['delete', 'deployment', 'hello']);
    await waitFor('the pods to go', async () => (await listPods(cluster, 'app=hello')).length === 0);
    await apply(cluster, JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'room' } }));
    await cluster.ok(['apply', '-n', 'room', '-f', '-'], { stdin: sleepers('inside', 2) });
    await waitFor(
      'two ready pods',
      async () => (await listPods(cluster, 'app=inside', 'room')).filter(isReady).length === 2,
    );
    await cluster.ok(['delete', 'namespace', 'room'], { timeoutMs: 90_000 });
    expect((await cluster.skiff(['get', 'namespace', 'room'])).stderr).toContain('namespaces "room" not found');
  });
});
