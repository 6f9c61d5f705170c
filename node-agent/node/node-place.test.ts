import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { systemClock } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import { KINDS } from '../../proto/index.ts';
import { clusterFacts, readFacts, type SettingsConnection, writeFacts } from './node-place.ts';

const quiet = (): void => undefined;
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };

const SETTINGS = {
  clusterCidr: '10.42.0.0/16',
  serviceCidr: '10.43.0.0/16',
  clusterDomain: 'cluster.local',
  dnsAddress: '10.43.0.10',
  nodePortFirst: 30_000,
  nodePortLast: 32_767,
};

const FACTS = {
  podCidr: '10.42.7.0/24',
  clusterCidr: '10.42.0.0/16',
  serviceCidr: '10.43.0.0/16',
  clusterDomain: 'cluster.local',
  dnsAddress: '10.43.0.10',
  nodePorts: { first: 30_000, last: 32_767 },
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skiff-place-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A server that is away for the first `failures` calls. */
function connection(failures = 0): SettingsConnection & { calls: number } {
  const state = {
    calls: 0,
    unary: async () => {
      state.calls += 1;
      if (state.calls <= failures) throw new ApiError('ServiceUnavailable', 'nobody there');
      return SETTINGS as never;
    },
  };
  return state;
}

function options(client: MemoryResourceClient, connected: SettingsConnection) {
  const file = join(dir, 'agent/place.json');
  return { connection: connected, client, clock: systemClock, log, node: 'pi', labels: { disk: 'ssd' }, file };
}

describe('the place of a node', () => {
  test('is its range, from its Node, and what all nodes share; the server is asked until it answers', async () => {
    const client = new MemoryResourceClient();
    await client.create(KINDS.Node, { metadata: { name: 'pi' }, spec: { podCIDR: '10.42.7.0/24' } });
    const server = connection(1);
    expect(await clusterFacts(options(client, server), new AbortController().signal)).toEqual(FACTS);
    expect(server.calls).toBe(2);
  });

  test('is kept, so that an agent starts without a server', async () => {
    const client = new MemoryResourceClient();
    const given = options(client, connection(Number.POSITIVE_INFINITY));
    writeFacts(given.file, 'pi', FACTS);
    expect(await clusterFacts(given, new AbortController().signal)).toEqual(FACTS);
    expect(readFacts(given.file, 'another')).toBeUndefined();
    writeFileSync(given.file, '{"version":1,');
    expect(readFacts(given.file, 'pi')).toBeUndefined();
  });

  test('begins with a Node that bears the labels of the options', async () => {
    const client = new MemoryResourceClient();
    const stop = new AbortController();
    const asking = clusterFacts(options(client, connection()), stop.signal);
    for (;;) {
      const { items } = await client.list(KINDS.Node);
      if (items[0] !== undefined) {
        expect(items[0].metadata?.labels).toEqual({ disk: 'ssd' });
        break;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Without a range it is not taken for complete.
    stop.abort(new Error('enough'));
    await expect(asking).rejects.toThrow('enough');
  });
});
