/** Services, names, Ingress and rolling updates on three machines, as clients inside and outside see them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterUnavailable, type TestCluster } from '../harness/cluster.ts';
import { busyboxArchive, imageArchive } from '../harness/images.ts';
import { type Load, startLoad } from '../harness/load.ts';
import { TestMachines } from '../harness/machines.ts';
import { apply, listPods, type PodJson, waitReady } from '../harness/objects.ts';
import { waitFor } from '../harness/wait.ts';

const reason = clusterUnavailable();
const EXAMPLES = join(import.meta.dirname, '../../../shared/manifests');
const GUESTBOOK = join(EXAMPLES, 'kubernetes+website/content/en/examples/application/guestbook');

/** A web server that says its name, in a Deployment behind a Service of type NodePort. */
function web(replicas: number, version = '1'): string {
  // It ends the moment it is told to, with whatever is under way: the most that could be lost.
  const script = `trap 'exit 0' TERM; mkdir -p /www; hostname >/www/index.html; httpd -f -p 8080 -h /www & wait`;
  return list([
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        replicas,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web', version } },
          spec: {
            containers: [
              {
                name: 'web',
                image: 'busybox:1.36',
                command: ['sh', '-c', script],
                ports: [{ name: 'http', containerPort: 8080 }],
                readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
              },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: {
        type: 'NodePort',
        selector: { app: 'web' },
        ports: [{ port: 80, targetPort: 'http', nodePort: 30080 }],
      },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'web' },
      spec: {
        rules: [
          {
            host: 'web.home',
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }],
            },
          },
        ],
      },
    },
  ]);
}

/** Objects as one manifest. */
function list(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

describe.skipIf(reason !== undefined)(`the network of three machines${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let machines: TestMachines;
  let server: TestCluster;

  beforeAll(async () => {
    machines = await TestMachines.start({ machines: 3 });
    server = machines.server;
    await machines.load(busyboxArchive());
  });
  afterAll(() => machines?.stop());

  /** What a command prints in the network of a machine. */
  async function on(index: number, ...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await machines.machine(index).command(argv);
    return code === 0 ? stdout.trim() : `failed with ${code}: ${stderr}`;
  }

  async function inPod(pod: PodJson, script: string): Promise<string> {
    const { stdout, stderr } = await server.skiff(['exec', pod.metadata.name, '--', 'sh', '-c', script]);
    return `${stdout}${stderr}`.trim();
  }

  test('twenty pods and their service are reached by address, node port and name, from every machine and from pods on each', async () => {
    await apply(server, web(20));
    const pods = await waitReady(server, 'app=web', 20);
    expect(new Set(pods.map(({ spec }) => spec.nodeName)).size).toBe(3);
    const all = pods.map(({ status }) => status.podIP ?? '').join(' ');
    const named = pods.map(({ metadata }) => metadata.name);
    for (const index of machines.all.keys()) {
      const said = await on(index, 'sh', '-c', `for ip in ${all}; do curl -sS -m 5 http://$ip:8080/; done`);
      expect(said.split('\n')).toEqual(named);
    }
    const { spec } = await server.json<{ spec: { clusterIP: string } }>('service', 'web');
    const names = new Set(pods.map(({ metadata }) => metadata.name));
    for (const [index] of machines.all.entries()) {
      await waitFor(`the service on machine ${index}`, async () =>
        names.has(await on(index, 'curl', '-sS', '-m', '3', `http://${spec.clusterIP}/`)),
      );
      for (const other of machines.all.keys()) {
        const url = `http://${machines.address(other)}:30080/`;
        expect(names).toContain(await on(index, 'curl', '-sS', '-m', '3', url));
      }
    }
    for (const node of ['node-1', 'node-2', 'node-3']) {
      const pod = pods.find((candidate) => candidate.spec.nodeName === node);
      if (pod === undefined) throw new Error(`no pod on ${node}`);
      const direct = await inPod(pod, `for ip in ${all}; do wget -q -O - http://$ip:8080/; done`);
      expect(direct.split('\n')).toEqual(named);
      expect(await inPod(pod, 'nslookup web.default.svc.cluster.local')).toContain(`Address: ${spec.clusterIP}`);
      // Often enough to meet itself: a pod is reached through its own service too.
      const asked = await inPod(
        pod,
        `for i in $(seq 20); do printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 web 80 | tail -n 1; done | sort | uniq -c | wc -l`,
      );
      expect(Number(asked)).toBeGreaterThan(2);
    }
  });

  test('no request is lost while all pods are replaced, nor when some go for good', async () => {
    await server.ok(['scale', 'deploy/web', '--replicas', '6']);
    await waitFor('fourteen pods to go', async () => (await listPods(server, 'app=web')).length === 6);
    const { spec } = await server.json<{ spec: { clusterIP: string } }>('service', 'web');
    const loads: Load[] = [
      startLoad(machines.machine(1).netns, `http://${spec.clusterIP}/`, 100),
      startLoad(machines.machine(2).netns, `http://${machines.address(0)}:30080/`, 100),
    ];
    await apply(server, web(6, '2'));
    await server.ok(['rollout', 'status', 'deploy/web', '--timeout', '60s'], { timeoutMs: 70_000 });
    await server.ok(['scale', 'deploy/web', '--replicas', '2']);
    await waitFor('four pods to go', async () => (await waitReady(server, 'app=web', 2)).length === 2);
    const reports = await Promise.all(loads.map((load) => load.stop()));
    for (const { failed, sent } of reports) {
      expect({ failures: failed.length, first: failed[0], last: failed.at(-1) }).toEqual({ failures: 0 });
      expect(sent).toBeGreaterThan(200);
    }
    // Before and after.
    expect(Object.keys(reports[0]?.servers ?? {}).length).toBeGreaterThan(6);
  });

  test('Ingress serves the same on port 80 of every machine, and says where', async () => {
    const addresses = await waitFor('the addresses of the Ingress', async () => {
      const { status } = await server.json<IngressJson>('ingress', 'web');
      const found = (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
      return found.length === 3 ? found : undefined;
    });
    expect(addresses).toEqual([0, 1, 2].map((index) => machines.address(index)).sort());
    for (const address of addresses) {
      expect(await on(1, 'curl', '-sS', '-m', '3', '-H', 'Host: web.home', `http://${address}/`)).toMatch(/^web-/);
      expect(await on(1, 'curl', '-sS', '-m', '3', `http://${address}/`)).toContain('no Ingress has a rule');
    }
  });

  const without = existsSync(GUESTBOOK) ? undefined : 'needs the shared examples';
  test.skipIf(without !== undefined)(
    `the guestbook of the documentation works unchanged${without === undefined ? '' : ` (skipped: ${without})`}`,
    async () => {
      await machines.load(imageArchive('docker.io/library/redis:6.0.5', 'gcr.io/google_samples/gb-redis-follower:v2'));
      await machines.load(imageArchive('guestbook'));
      const files = ['redis-leader', 'redis-follower', 'frontend'].flatMap((name) => [
        join(GUESTBOOK, `${name}-deployment.yaml`),
        join(GUESTBOOK, `${name}-service.yaml`),
      ]);
      await server.ok(['apply', ...files.flatMap((file) => ['-f', file])]);
      for (const name of ['redis-leader', 'redis-follower', 'frontend']) {
        await server.ok(['rollout', 'status', `deploy/${name}`, '--timeout', '60s'], { timeoutMs: 70_000 });
      }
      // From outside: by a port of every node, then by a name.
      const patch = { spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 30_100 }] } };
      await server.ok(['patch', 'service', 'frontend', '-p', JSON.stringify(patch)]);
      const backend = { service: { name: 'frontend', port: { number: 80 } } };
      const paths = [{ path: '/', pathType: 'Prefix', backend }];
      const ingress = {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: 'guestbook' },
        spec: { rules: [{ host: 'guestbook.home', http: { paths } }] },
      };
      await apply(server, list([ingress]));
      const book = (query: string): string => `/guestbook.php?${query}`;
      const byPort = (query: string): Promise<string> =>
        on(1, 'curl', '-sS', '-m', '5', `http://${machines.address(2)}:30100${book(query)}`);
      const byName = (query: string): Promise<string> =>
        on(2, 'curl', '-sS', '-m', '5', '-H', 'Host: guestbook.home', `http://${machines.address(0)}${book(query)}`);
      await waitFor('the guestbook to take an entry', async () =>
        (await byPort('cmd=set&key=messages&value=,hello')).includes('Updated'),
      );
      await waitFor('the entry to be read', async () => (await byPort('cmd=get&key=messages')).includes(',hello'));
      await waitFor('the entry to be read by name', async () =>
        (await byName('cmd=get&key=messages')).includes(',hello'),
      );
    },
  );

  test('a machine that is cut off is left out soon, and the others go on', async () => {
    await server.ok(['scale', 'deploy/web', '--replicas', '6']);
    await waitReady(server, 'app=web', 6);
    const { spec } = await server.json<{ spec: { clusterIP: string } }>('service', 'web');
    const load = startLoad(machines.machine(1).netns, `http://${spec.clusterIP}/`, 50);
    const beganMs = Date.now();
    machines.cut(2);
    const replaced = await waitFor(
      'the pods of the lost machine to run elsewhere',
      async () => {
        const { items } = await server.json<{ items: readonly PodJson[] }>('pods', '-l', 'app=web');
        const there = items.filter(
          ({ spec: podSpec, metadata, status }) =>
            podSpec.nodeName !== 'node-3' &&
            metadata.deletionTimestamp === undefined &&
            status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
        );
        return there.length === 6 ? Date.now() - beganMs : undefined;
      },
      { timeoutMs: 40_000 },
    );
    expect(replaced).toBeLessThan(25_000);
    const { failed } = await load.stop();
    // New connections are sent there only until the node is not ready any more.
    const last = Math.max(0, ...failed.map(({ atMs }) => atMs));
    expect(last).toBeLessThan(16_000);
    machines.heal(2);
    await machines.untilReady('node-1', 'node-2', 'node-3');
    await waitFor('what ran there to be gone', async () => {
      const { items } = await server.json<{ items: readonly PodJson[] }>('pods', '-l', 'app=web');
      return items.length === 6;
    });
  });

  test('the agents have not complained', () => {
    for (const machine of machines.all) {
      const log = readFileSync(machine.path('var/log/skiff/agent.log'), 'utf8');
      expect(log.split('\n').filter((line) => line.includes('"level":"error"'))).toEqual([]);
    }
  });
});

interface IngressJson {
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip: string }[] } };
}
