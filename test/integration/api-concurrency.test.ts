/** Many clients at one object, each over a connection of its own: nothing is lost, and who was too late is told so. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { type ApiError, hasReason } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const CLIENTS = 32;

describe.skipIf(apiUnavailable() !== undefined)(`${CLIENTS} clients at once`, () => {
  let under: ServerUnderTest;
  let clients: GrpcResourceClient[];
  let client: GrpcResourceClient;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    clients = Array.from({ length: CLIENTS }, () => under.client());
    client = under.client();
    await Promise.all(clients.map((each) => each.list(KINDS.Namespace)));
  });
  afterAll(() => under?.stop());

  const at = (name: string) => ({ namespace: 'default', name });
  const make = (name: string, data: Record<string, string> = {}): Promise<corev1.ConfigMap> =>
    client.create(KINDS.ConfigMap, { metadata: at(name), data });
  const together = <T>(run: (each: GrpcResourceClient, index: number) => Promise<T>): Promise<T[]> =>
    Promise.all(clients.map(run));

  test('increments by reading, adding and writing come to the exact total, and who was too late gets Conflict', async () => {
    const each = 6;
    await make('counter', { n: '0' });
    let conflicts = 0;
    const words = new Set<string>();
    const increment = async (own: GrpcResourceClient): Promise<void> => {
      for (;;) {
        const read = await own.get(KINDS.ConfigMap, at('counter'));
        try {
          await own.update(KINDS.ConfigMap, { ...read, data: { n: String(Number(read.data?.n) + 1) } });
          return;
        } catch (err) {
          if (!hasReason(err, 'Conflict')) throw err;
          conflicts += 1;
          words.add((err as ApiError).message);
        }
      }
    };
    await together(async (own) => {
      for (let n = 0; n < each; n++) await increment(own);
    });
    const end = await client.get(KINDS.ConfigMap, at('counter'));
    expect(end.data).toEqual({ n: String(CLIENTS * each) });
    expect(conflicts).toBeGreaterThan(0);
    expect([...words]).toEqual([
      'Operation cannot be fulfilled on configmaps "counter": the object has been modified; ' +
        'please apply your changes to the latest version and try again',
    ]);
  }, 60_000);

  test('of creations of one name exactly one wins, the others get AlreadyExists, again and again', async () => {
    for (let round = 0; round < 20; round++) {
      const results = await together((own, index) =>
        own.create(KINDS.ConfigMap, { metadata: at(`one-${round}`), data: { by: String(index) } }).then(
          () => index,
          (err: unknown) => (err as ApiError).message,
        ),
      );
      const winners = results.filter((result) => typeof result === 'number');
      expect(winners).toHaveLength(1);
      expect(new Set(results.filter((result) => typeof result !== 'number'))).toEqual(
        new Set([`configmaps "one-${round}" already exists`]),
      );
      expect((await client.get(KINDS.ConfigMap, at(`one-${round}`))).data).toEqual({ by: String(winners[0]) });
    }
  });

  test('names made from one prefix are all different', async () => {
    const made = await together((own) =>
      own.create(KINDS.ConfigMap, { metadata: { namespace: 'default', generateName: 'made-' } }),
    );
    expect(new Set(made.map((each) => each.metadata?.name)).size).toBe(CLIENTS);
  });

  test('merge and JSON patches without a version all take effect, none refused', async () => {
    await make('merged');
    const keys = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, '3']));
    await together(async (own, index) => {
      for (const n of [1, 2, 3]) {
        await own.patch(KINDS.ConfigMap, at('merged'), { type: 'merge', body: { data: { [`k${index}`]: String(n) } } });
      }
    });
    expect((await client.get(KINDS.ConfigMap, at('merged'))).data).toEqual(keys(CLIENTS));
    await make('patched', { k: '' });
    await together(async (own, index) => {
      for (const [n, op] of (['add', 'replace', 'replace'] as const).entries()) {
        const body = [{ op, path: `/data/k${index}`, value: String(n + 1) }];
        await own.patch(KINDS.ConfigMap, at('patched'), { type: 'json', body });
      }
    });
    expect((await client.get(KINDS.ConfigMap, at('patched'))).data).toEqual({ k: '', ...keys(CLIENTS) });
  });

  test('increments by JSON patches that test what they replace come to the exact total', async () => {
    await make('tested', { n: '0' });
    await together(async (own) => {
      for (;;) {
        const { n = '' } = (await own.get(KINDS.ConfigMap, at('tested'))).data ?? {};
        const body = [
          { op: 'test', path: '/data/n', value: n },
          { op: 'replace', path: '/data/n', value: String(Number(n) + 1) },
        ];
        try {
          await own.patch(KINDS.ConfigMap, at('tested'), { type: 'json', body });
          return;
        } catch (err) {
          if (!hasReason(err, 'Invalid', 'Conflict', 'BadRequest')) throw err;
        }
      }
    });
    expect((await client.get(KINDS.ConfigMap, at('tested'))).data).toEqual({ n: String(CLIENTS) });
  }, 30_000);

  test('of deletions of one object with its uid one wins, and none takes the next of that name', async () => {
    const first = await make('doomed');
    const uid = first.metadata?.uid ?? '';
    const results = await together(async (own, index) => {
      if (index === 7) {
        for (;;) {
          try {
            return (await own.create(KINDS.ConfigMap, { metadata: at('doomed') })).metadata?.uid;
          } catch (err) {
            if (!hasReason(err, 'AlreadyExists')) throw err;
          }
        }
      }
      return own.delete(KINDS.ConfigMap, at('doomed'), { uid }).then(
        () => 'deleted',
        (err: unknown) => (err as ApiError).reason,
      );
    });
    expect(results.filter((result) => result === 'deleted')).toHaveLength(1);
    expect(results.filter((r, i) => i !== 7 && !['deleted', 'NotFound', 'Conflict'].includes(String(r)))).toEqual([]);
    expect((await client.get(KINDS.ConfigMap, at('doomed'))).metadata?.uid).toBe(results[7]);
  });
});
