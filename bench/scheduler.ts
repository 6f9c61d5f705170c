/**
 * Pods scheduled and bound per second over simulated nodes, against the API in memory (what etcd adds is measured by the
 * persisted benchmark). Run: `node build/run.mjs bench/scheduler.ts [nodes] [pods]`.
 */
import { cpus, totalmem } from 'node:os';
import { runScheduler } from '../control-plane/scheduler/run-scheduler.ts';
import { MemoryResourceClient } from '../lib/client/memory-resource-client.ts';
import { type corev1, KINDS } from '../proto/index.ts';

const NODES = Number(process.argv[2] ?? 5000);
const PODS = Number(process.argv[3] ?? 30_000);

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

interface Scenario {
  readonly name: string;
  readonly pod: (index: number) => corev1.PodSpec;
}

const container = (cpu: string, memory: string): corev1.Container => ({
  name: 'main',
  image: 'example.test/app:1',
  resources: { requests: { cpu, memory } },
});

const SCENARIOS: readonly Scenario[] = [
  { name: 'one template', pod: () => ({ containers: [container('100m', '100Mi')] }) },
  { name: '50 templates in turn', pod: (i) => ({ containers: [container(`${100 + (i % 50)}m`, '100Mi')] }) },
  {
    name: 'node affinity and tolerations',
    pod: () => ({
      containers: [container('100m', '100Mi')],
      nodeSelector: { zone: 'z1' },
      tolerations: [{ key: 'dedicated', operator: 'Exists' }],
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 10, preference: { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] } },
          ],
        },
      },
    }),
  },
];

function node(index: number): corev1.Node {
  return {
    metadata: { name: `node-${index}`, labels: { zone: `z${index % 3}`, disk: index % 2 === 0 ? 'ssd' : 'hdd' } },
    spec: index % 10 === 0 ? { taints: [{ key: 'dedicated', value: 'batch', effect: 'NoSchedule' }] } : {},
    status: { allocatable: { cpu: '32', memory: '256Gi', pods: '110' } },
  };
}

async function measure(scenario: Scenario): Promise<void> {
  const client = new MemoryResourceClient({ freeze: false });
  for (let i = 0; i < NODES; i += 1) await client.create(KINDS.Node, node(i));
  for (let i = 0; i < PODS; i += 1) {
    await client.create(KINDS.Pod, { metadata: { name: `pod-${i}`, namespace: 'default' }, spec: scenario.pod(i) });
  }
  const abort = new AbortController();
  let bound = 0;
  let startMs = 0;
  const original = client.bind.bind(client);
  const finished = new Promise<void>((resolve) => {
    client.bind = async (bindings, signal) => {
      const results = await original(bindings, signal);
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
  const rate = Math.round(PODS / seconds).toLocaleString('en');
  process.stdout.write(`${scenario.name}: ${PODS} pods on ${NODES} nodes in ${seconds.toFixed(2)} s, ${rate} pods/s\n`);
}

const [cpu] = cpus();
process.stdout.write(
  `node ${process.version}, ${cpus().length} × ${cpu?.model ?? 'cpu'}, ${Math.round(totalmem() / 2 ** 30)} GiB\n`,
);
for (const scenario of SCENARIOS) await measure(scenario);
