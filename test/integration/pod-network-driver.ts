/**
 * The pod network of one node as a process in that node's namespace: bridge, routes to other nodes, rules, and the check; without
 * containers and without a server. Reads `{"id", "method", "args"}` as JSON lines, answers `{"id", "result"}` or `{"id", "error"}`.
 */
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { Informer } from '../../lib/informer.ts';
import type { NodePlace } from '../../node-agent/features/node-feature.ts';
import { userCniFolder } from '../../node-agent/network/cni-config.ts';
import { createCniNetwork } from '../../node-agent/network/cni-network.ts';
import type { PodNetworkRequest } from '../../node-agent/network/pod-network.ts';
import { PodRoutes } from '../../node-agent/network/routes/pod-routes.ts';
import { NftTable } from '../../node-agent/rules/nft-table.ts';
import { type corev1, KINDS } from '../../proto/index.ts';

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

const { root, place, port } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly root: string;
  readonly place: NodePlace;
  readonly port: number;
};
/** Time passes faster for waits of a second and more, and faster still for long ones: resyncs and checks come soon. */
const clock: Clock = {
  ...systemClock,
  setTimer: (callback, delayMs) => {
    const faster = delayMs >= 10_000 ? 60 : delayMs >= 1_000 ? 20 : 1;
    return systemClock.setTimer(callback, delayMs / faster);
  },
};
const stop = new AbortController();
const log = { debug: () => undefined, info: () => undefined, warn: note, error: note };
const problems: string[] = [];
const client = new MemoryResourceClient();
const nodes = new Informer<corev1.Node>({ client, type: KINDS.Node });
const table = new NftTable({ name: place.linkPrefix, clock });
const network = createCniNetwork({
  root,
  podCidr: place.podCidr,
  clusterCidr: place.clusterCidr,
  serviceCidr: place.serviceCidr,
  nodeIps: place.ips,
  prefix: place.linkPrefix,
  table,
});
const cniConfigDir = userCniFolder(root);
const options = { place, view: { nodes }, table, clock, log, changed: () => undefined, cniConfigDir };
const routes = new PodRoutes(options);
let running: Promise<unknown> | undefined;

function note(fields: object, message: string): void {
  const { err } = fields as { readonly err?: unknown };
  problems.push(`${message}: ${err instanceof Error ? err.message : JSON.stringify(fields)}`);
}

const methods: Readonly<Record<string, (...args: never[]) => unknown>> = {
  start: () => network.start(),
  setup: (request: PodNetworkRequest) => network.setup(request),
  async nodes(wanted: readonly corev1.Node[]) {
    const { items } = await client.list(KINDS.Node);
    for (const node of items) {
      const name = node.metadata?.name ?? '';
      // A Node's range never changes: who has another one was made anew.
      const stays = wanted.some(
        ({ metadata, spec }) => metadata?.name === name && spec?.podCIDR === node.spec?.podCIDR,
      );
      if (!stays) await client.delete(KINDS.Node, { name });
    }
    const { items: left } = await client.list(KINDS.Node);
    for (const node of wanted) {
      const there = left.find(({ metadata }) => metadata?.name === node.metadata?.name);
      const made = there ?? (await client.create(KINDS.Node, node));
      await client.update(KINDS.Node, { ...made, status: node.status }, { subresource: 'status' });
    }
  },
  run() {
    running = Promise.all([nodes.run(stop.signal), routes.run(stop.signal)]);
  },
  listen: () =>
    new Promise<void>((resolve) => void createServer((socket) => socket.destroy()).listen(port, '0.0.0.0', resolve)),
  conditions: () => routes.conditions(),
  problems: () => problems.splice(0),
  async stop() {
    stop.abort();
    await running;
  },
  teardown: async () => {
    await new PodRoutes(options).teardown();
    await network.stop();
  },
};

const say = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

async function answer({ id, method, args }: Call): Promise<void> {
  try {
    say({ id, result: (await methods[method]?.(...(args as never[]))) ?? null });
  } catch (err) {
    say({ id, error: err instanceof Error ? err.message : String(err) });
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => void answer(JSON.parse(line) as Call))
  .on('close', () => process.exit(0));
say({ id: 0, result: 'ready' });
