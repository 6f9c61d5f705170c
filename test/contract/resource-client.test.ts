/** What every ResourceClient promises. Each implementation runs the same cases. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { KINDS } from '../../proto/index.ts';
import { resourceClientContract } from './resource-client-contract.ts';

resourceClientContract('MemoryResourceClient', async () => ({
  client: new MemoryResourceClient(),
  namespace: 'default',
  close: async () => undefined,
}));

describe('MemoryResourceClient faults', () => {
  let client: MemoryResourceClient;
  const abort = new AbortController();

  beforeEach(() => {
    client = new MemoryResourceClient();
  });
  afterEach(() => abort.abort());

  it('answers a watch from before forgotten history with Expired', async () => {
    const { resourceVersion } = await client.list(KINDS.ConfigMap);
    await client.create(KINDS.ConfigMap, { metadata: { name: 'a', namespace: 'default' } });
    client.expireHistory();
    const events = client.watch(KINDS.ConfigMap, resourceVersion)[Symbol.asyncIterator]();
    await expect(events.next()).rejects.toMatchObject({ reason: 'Expired' });
  });

  it('cuts open watches with ServiceUnavailable', async () => {
    const { resourceVersion } = await client.list(KINDS.ConfigMap);
    const events = client.watch(KINDS.ConfigMap, resourceVersion)[Symbol.asyncIterator]();
    const next = events.next();
    await new Promise((resolve) => setImmediate(resolve));
    client.disconnectWatches();
    await expect(next).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    expect(client.watchCount(KINDS.ConfigMap)).toBe(0);
  });

  it('freezes what it hands out', async () => {
    const made = await client.create(KINDS.ConfigMap, { metadata: { name: 'a', namespace: 'default' } });
    expect(() => {
      if (made.metadata !== undefined) made.metadata.name = 'b';
    }).toThrow(TypeError);
  });
});
