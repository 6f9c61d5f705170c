import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, busyboxPod, type PodJson, sleepers } from '../harness/objects.ts';
import { waitFor } from '../harness/wait.ts';

const reason = clusterUnavailable();

describe.skipIf(reason !== undefined)(`bad input gets a precise answer${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    await loadBusybox(cluster);
    mkdirSync(cluster.path('in'), { recursive: true });
  });
  afterAll(() => cluster?.stop());

  function file(name: string, text: string): string {
    const path = cluster.path('in', name);
    writeFileSync(path, text);
    return path;
  }

  async function refused(name: string, text: string): Promise<string> {
    const path = file(name, text);
    const result = await cluster.skiff(['apply', '-f', path]);
    expect(result.code, result.stdout + result.stderr).not.toBe(0);
    return result.stderr.replaceAll(path, 'FILE');
  }

  const pod = (spec: string, name = 'p'): string =>
    `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\nspec:\n${spec}`;

  test('an unknown field: file, line, column, caret and the nearest name', async () => {
    const message = await refused('unknown.yaml', pod('  containers:\n    - name: c\n      imagee: busybox\n'));
    expect(message).toContain('FILE:8:7: ');
    expect(message).toContain('unknown field "spec.containers[0].imagee"');
    expect(message).toMatch(/^ *8 \| +imagee: busybox$/m);
    expect(message).toMatch(/^ *\| +\^/m);
    expect(message).toContain('did you mean "image"');
  });

  test('a wrong type', async () => {
    const text = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  replicas: three\n';
    const message = await refused('type.yaml', text);
    expect(message).toContain('FILE:5:');
    expect(message).toContain('spec.replicas');
    expect(message).toContain('expected an integer, got the string "three"');
  });

  test('a bad quantity', async () => {
    const spec =
      '  containers:\n    - name: c\n      image: busybox\n      resources:\n        limits:\n          memory: 64Mb\n';
    const message = await refused('quantity.yaml', pod(spec));
    expect(message).toContain('FILE:11:');
    expect(message).toContain('spec.containers[0].resources.limits.memory');
    expect(message).toMatch(/expected a quantity such as .*got the string "64Mb"/);
  });

  test('a name over its limit', async () => {
    const message = await refused('name.yaml', pod('  containers: [{name: c, image: busybox}]\n', 'x'.repeat(254)));
    expect(message).toContain('metadata.name');
    expect(message).toContain('must be no more than 253');
  });

  test('a changed selector names old and new', async () => {
    await apply(cluster, sleepers('fixed', 0));
    const changed = JSON.parse(sleepers('fixed', 0)) as { spec: { selector: object; template: { metadata: object } } };
    changed.spec.selector = { matchLabels: { app: 'other' } };
    changed.spec.template.metadata = { labels: { app: 'other' } };
    const message = await refused('selector.json', JSON.stringify(changed));
    expect(message).toContain('spec.selector');
    expect(message).toContain('field is immutable');
    expect(message).toContain('other');
    expect(message).toContain('fixed');
  });

  test('an unknown kind, with the nearest', async () => {
    const message = await refused('kind.yaml', 'apiVersion: apps/v1\nkind: Deploymnet\nmetadata: {name: x}\n');
    expect(message).toContain('no matches for kind "Deploymnet" in version "apps/v1"');
    expect(message).toContain('Deployment');
  });

  test('a removed apiVersion names the one to use', async () => {
    const message = await refused(
      'old.yaml',
      'apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: x}\n',
    );
    expect(message).toContain('extensions/v1beta1');
    expect(message).toContain('apps/v1');
  });

  test('a tab in YAML', async () => {
    const message = await refused('tab.yaml', 'apiVersion: v1\nkind: Pod\nmetadata:\n\tname: x\n');
    expect(message).toContain('FILE:4:');
    expect(message.toLowerCase()).toContain('tab');
  });

  test('an empty file', async () => {
    expect(await refused('empty.yaml', '# nothing here\n')).toMatch(/there are no objects in it/);
  });

  test('a file over 3 MB', async () => {
    const data = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  k: "${'x'.repeat(3_300_000)}"\n`;
    expect(await refused('big.yaml', data)).toMatch(/too large|larger than|limit/i);
  });

  test('a file that is not there', async () => {
    const result = await cluster.skiff(['apply', '-f', cluster.path('in/nothing.yaml')]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('nothing.yaml');
  });

  const waiting = (name: string, why: string): Promise<PodJson> =>
    waitFor(`pod ${name} to wait with ${why}`, async () => {
      const p = await cluster.json<PodJson>('pod', name);
      return p.status.containerStatuses?.[0]?.state.waiting?.reason === why ? p : undefined;
    });

  test('a missing image with pull policy Never', async () => {
    const container = { image: 'nothing.local/none:1', imagePullPolicy: 'Never' };
    await apply(cluster, busyboxPod('never', 'true', { container }));
    const p = await waiting('never', 'ErrImageNeverPull');
    expect(p.status.containerStatuses?.[0]?.state.waiting?.message).toContain('nothing.local/none:1');
    expect((await cluster.ok(['describe', 'pod', 'never'])).stdout).toContain('ErrImageNeverPull');
  });

  test('an image that cannot be pulled', async () => {
    await apply(cluster, busyboxPod('unreachable', 'true', { container: { image: '127.0.0.1:1/none:1' } }));
    await waiting('unreachable', 'ImagePullBackOff');
    expect((await cluster.ok(['get', 'events'])).stdout).toMatch(/Failed to pull image "127\.0\.0\.1:1\/none:1"/);
  });

  test('a missing ConfigMap', async () => {
    const container = { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'absent', key: 'a' } } }] };
    await apply(cluster, busyboxPod('noconfig', 'true', { container }));
    const p = await waiting('noconfig', 'CreateContainerConfigError');
    expect(p.status.containerStatuses?.[0]?.state.waiting?.message).toContain('configmap "absent" not found');
  });

  test('no node fits, with counts per reason', async () => {
    const container = { resources: { requests: { memory: '10Ti' } } };
    await apply(cluster, busyboxPod('huge', 'true', { container }));
    const message = await waitFor('the pod to be unschedulable', async () => {
      const p = await cluster.json<PodJson>('pod', 'huge');
      return p.status.conditions?.find((c) => c.type === 'PodScheduled' && c.reason === 'Unschedulable')?.message;
    });
    expect(message).toContain('0/1 nodes are available: 1 Insufficient memory');
    expect((await cluster.ok(['describe', 'pod', 'huge'])).stdout).toContain('0/1 nodes are available');
  });

  test('a server that is not running', async () => {
    const result = await cluster.skiff(['get', 'pods', '--server', '127.0.0.1:9']);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('The connection to the server 127.0.0.1:9 was refused');
  });

  test('a certificate of another cluster', async () => {
    const other = await TestCluster.start();
    try {
      const result = await cluster.skiff(['get', 'pods', '--config', other.configFile]);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/certificate/i);
    } finally {
      await other.stop();
    }
  });

  test('a missing host tool is named with its package', async () => {
    const argv = cluster.skiffArgv(['up', '--no-demo', '--root', cluster.path('elsewhere')]);
    const result = await cluster.command(['env', 'PATH=/nowhere', ...argv]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('etcd-server');
    expect(result.stderr).toContain('crun');
  });
});
