/**
 * Pods scheduled and bound per second with everything persisted: the real API over its own etcd (fsync on), simulated nodes.
 * Run: `node build/run.mjs bench/scheduler-persisted.ts [nodes] [pods]`.
 */
import { cpus } from 'node:os';
import { LocalResourceClient } from '../control-plane/api/local-client.ts';
import { runScheduler } from '../control-plane/scheduler/run-scheduler.ts';
import { KINDS, type KubeObject, type ResourceType } from '../proto/index.ts';
import { ServerUnderTest } from '../test/integration/api-server-under-test.ts';

const NODES = Number(process.argv[2] ?? 5000);
const PODS = Number(process.argv[3] ?? 20_000);
const AT_ONCE = 256;
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

// Every node has a range of addresses: more than the default has room for.
const under = await ServerUnderTest.start({}, ['--cluster-cidr', '10.64.0.0/10']);
const client = new LocalResourceClient(under.server.services, 'system:kube-scheduler');

async function createAll<T extends KubeObject>(
  type: ResourceType<T>,
  count: number,
  make: (i: number) => T,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let i = next++; i < count; i = next++) await client.create(type, make(i));
    }),
  );
}

const allocatable = { cpu: '32', memory: '256Gi', pods: '110' };
await createAll(KINDS.Node, NODES, (i) => ({ metadata: { name: `node-${i}` }, status: { allocatable } }));
const containers = [
  { name: 'main', image: 'example.test/app:1', resources: { requests: { cpu: '100m', memory: '100Mi' } } },
];
const createStartMs = performance.now();
await createAll(KINDS.Pod, PODS, (i) => ({
  metadata: { name: `pod-${i}`, namespace: 'default' },
  spec: { containers },
}));
const createSeconds = (performance.now() - createStartMs) / 1000;

const abort = new AbortController();
let bound = 0;
let startMs = 0;
const bind = client.bind.bind(client);
const finished = new Promise<void>((resolve) => {
  client.bind = async (bindings, signal) => {
    const results = await bind(bindings, signal);
    bound += results.filter((err) => err === undefined).length;
    if (bound >= PODS) resolve();
    return results;
  };
});
const onReady = (): void => {
  startMs = performance.now();
};
const running = runScheduler(client, { log: quiet, onReady }, abort.signal);
await finished;
const seconds = (performance.now() - startMs) / 1000;
abort.abort();
await running;
await under.stop();
const rate = (count: number, time: number): string => Math.round(count / time).toLocaleString('en');
process.stdout.write(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'cpu'}\n`);
process.stdout.write(`created ${PODS} pods at ${rate(PODS, createSeconds)}/s\n`);
process.stdout.write(
  `bound ${PODS} pods on ${NODES} nodes in ${seconds.toFixed(2)} s, ${rate(PODS, seconds)} pods/s\n`,
);
