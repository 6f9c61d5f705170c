/**
 * A process with the DNS feature of an agent, to be run in a network namespace of its own: with an API in memory, or with one that
 * cannot be reached. Reads `{"id", "call", "args"}` as JSON lines and answers `{"id", "result"}`; ends with its input.
 */
import { Resolver } from 'node:dns/promises';
import { setMaxListeners } from 'node:events';
import { createInterface } from 'node:readline';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { systemClock } from '../../lib/clock.ts';
import { createClusterDns } from '../../node-agent/dns/dns-server.ts';
import { clusterView } from '../../node-agent/features/cluster-view.ts';
import { KINDS, type KubeObject } from '../../proto/index.ts';

interface Config {
  readonly bridge: string;
  readonly dataDir: string;
  readonly offline: boolean;
  readonly loopbackAfterMs: number;
}

interface Call {
  readonly id: number;
  readonly call: string;
  readonly args: readonly unknown[];
}

const { bridge, dataDir, offline, loopbackAfterMs } = JSON.parse(process.argv[2] ?? '{}') as Config;
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const client = new MemoryResourceClient();
const view = clusterView({ client, clock: systemClock, log: quiet });
const feature = createClusterDns(
  {
    place: {
      name: 'n1',
      ips: ['192.0.2.1'],
      podCidr: '10.42.0.0/24',
      clusterCidr: '10.42.0.0/16',
      serviceCidr: '10.43.0.0/16',
      clusterDomain: 'cluster.local',
      dnsAddress: '10.43.0.10',
      nodePorts: { first: 30_000, last: 32_767 },
      bridge,
      linkPrefix: 'x',
      runDir: dataDir,
      dataDir,
      labels: () => ({}),
    },
    view,
    client,
    events: { record: () => undefined },
    clock: systemClock,
    log: quiet,
    changed: () => undefined,
  },
  { checkMs: 300, loopbackAfterMs },
);
const stop = new AbortController();
setMaxListeners(0, stop.signal);
const running = Promise.all([feature.run(stop.signal), offline ? undefined : view.run(stop.signal)]);

const calls: Readonly<Record<string, (...args: never[]) => unknown>> = {
  condition: () => feature.conditions?.()[0],
  create: async (kind: keyof typeof KINDS, object: KubeObject) =>
    void (await client.create(KINDS[kind] as never, object as never)),
  resolve: async (name: string, server: string) => {
    const resolver = new Resolver({ timeout: 1000, tries: 1 });
    resolver.setServers([server]);
    try {
      return await resolver.resolve(name, 'A');
    } catch (err) {
      return err instanceof Error && 'code' in err ? err.code : String(err);
    }
  },
  stop: async () => {
    stop.abort();
    await running;
  },
  teardown: () => feature.teardown?.(),
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, call, args } = JSON.parse(line) as Call;
    Promise.resolve(calls[call]?.(...(args as never[])))
      .then((result) => process.stdout.write(`${JSON.stringify({ id, result: result ?? null })}\n`))
      .catch((err: unknown) => process.stdout.write(`${JSON.stringify({ id, error: String(err) })}\n`));
  })
  .on('close', () => process.exit(0));
