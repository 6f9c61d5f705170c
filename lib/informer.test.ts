import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type corev1, KINDS } from '../proto/index.ts';
import { MemoryResourceClient } from './client/memory-resource-client.ts';
import { FakeClock } from './clock.ts';
import { Informer } from './informer.ts';

describe('Informer', () => {
  let client: MemoryResourceClient;
  let clock: FakeClock;
  let abort: AbortController;
  let informer: Informer<corev1.ConfigMap>;
  let running: Promise<void>;
  let seen: string[];

  const map = (name: string, value: string): corev1.ConfigMap => ({
    metadata: { name, namespace: 'default' },
    data: { value },
  });
  const put = async (name: string, value: string): Promise<void> => {
    await client.update(KINDS.ConfigMap, map(name, value));
  };
  const start = (): void => {
    running = informer.run(abort.signal);
  };

  beforeEach(() => {
    clock = new FakeClock();
    client = new MemoryResourceClient({ clock });
    abort = new AbortController();
    seen = [];
    informer = new Informer({
      client,
      type: KINDS.ConfigMap,
      clock,
      backoff: { initialMs: 100, maxMs: 1000 },
      indexers: { value: (o) => [o.data?.value ?? ''] },
    });
    informer.addHandler({
      onAdd: (o, initial) => void seen.push(`add ${o.metadata?.name}=${o.data?.value}${initial ? ' initial' : ''}`),
      onUpdate: (a, b) => void seen.push(`update ${b.metadata?.name} ${a.data?.value}→${b.data?.value}`),
      onDelete: (o) => void seen.push(`delete ${o.metadata?.name}=${o.data?.value}`),
    });
  });

  afterEach(async () => {
    abort.abort();
    await running;
    expect(client.watchCount(KINDS.ConfigMap)).toBe(0);
  });

  it('shows what is there, then each change', async () => {
    await client.create(KINDS.ConfigMap, map('a', '1'));
    expect(informer.hasSynced).toBe(false);
    start();
    await informer.synced();
    await client.create(KINDS.ConfigMap, map('b', '1'));
    await put('b', '2');
    await client.delete(KINDS.ConfigMap, { namespace: 'default', name: 'a' });
    await informer.waitUntil((i) => i.get('default/a') === undefined);
    expect(seen).toEqual(['add a=1 initial', 'add b=1', 'update b 1→2', 'delete a=1']);
    expect(informer.resourceVersion).toBe(client.resourceVersion);
  });

  it('keeps its indexes as objects move between values', async () => {
    start();
    await client.create(KINDS.ConfigMap, map('a', '1'));
    await client.create(KINDS.ConfigMap, map('b', '1'));
    await informer.waitUntil((i) => i.byIndex('value', '1').length === 2);
    await put('a', '2');
    await informer.waitUntil((i) => i.byIndex('value', '2').length === 1);
    expect(informer.byIndex('value', '1').map((o) => o.metadata?.name)).toEqual(['b']);
  });

  it('resumes where it was after a cut, without listing again', async () => {
    start();
    await client.create(KINDS.ConfigMap, map('a', '1'));
    await informer.waitUntil((i) => i.size === 1);
    let lists = 0;
    client.intercept((r) => {
      if (r.verb === 'list') lists += 1;
    });
    client.disconnectWatches();
    await put('a', '2');
    await put('a', '3');
    await clock.advance(200);
    await informer.waitUntil((i) => i.get('default/a')?.data?.value === '3');
    expect(seen).toEqual(['add a=1', 'update a 1→2', 'update a 2→3']);
    expect(lists).toBe(0);
  });

  it('lists again when its version expired and tells the differences only', async () => {
    await client.create(KINDS.ConfigMap, map('same', '1'));
    await client.create(KINDS.ConfigMap, map('changed', '1'));
    await client.create(KINDS.ConfigMap, map('gone', '1'));
    await client.create(KINDS.ConfigMap, map('remade', '1'));
    start();
    await informer.synced();
    await clock.advance(0);
    seen.length = 0;
    client.disconnectWatches();
    await put('changed', '2');
    await client.delete(KINDS.ConfigMap, { namespace: 'default', name: 'gone' });
    await client.delete(KINDS.ConfigMap, { namespace: 'default', name: 'remade' });
    await client.create(KINDS.ConfigMap, map('remade', '2'));
    await client.create(KINDS.ConfigMap, map('new', '1'));
    client.expireHistory();
    await clock.advance(3000);
    await informer.waitUntil((i) => i.get('default/new') !== undefined);
    expect([...seen].sort()).toEqual([
      'add new=1',
      'add remade=2',
      'delete gone=1',
      'delete remade=1',
      'update changed 1→2',
    ]);
  });

  it('waits longer and longer while the server is away', async () => {
    const tries: number[] = [];
    const stop = client.intercept(() => {
      tries.push(clock.monotonicMs());
      throw new Error('away');
    });
    start();
    await clock.advance(2000);
    expect(tries).toEqual([0, 100, 300, 700, 1500]);
    stop();
    await clock.advance(1000);
    expect(informer.hasSynced).toBe(true);
  });

  it('hands a late handler what is in the cache', async () => {
    await client.create(KINDS.ConfigMap, map('a', '1'));
    start();
    await informer.synced();
    const late: string[] = [];
    informer.addHandler({ onAdd: (o, initial) => void late.push(`${o.metadata?.name} ${initial}`) });
    expect(late).toEqual(['a true']);
  });

  it('stops waiting when the signal aborts', async () => {
    start();
    const stop = new AbortController();
    const waiting = informer.waitUntil(() => false, stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});
