import { describe, expect, test } from 'vitest';
import { LeasePool } from './lease-pool.ts';

/** A pool on a clock of the test's own, and the leases it was granted. */
function harness() {
  const granted: number[] = [];
  const clock = { nowMs: 0 };
  let failing = false;
  const pool = new LeasePool(
    {
      grantLease: async (ttlSeconds) => {
        if (failing) throw new Error('no etcd');
        granted.push(ttlSeconds);
        return `lease-${granted.length}`;
      },
    },
    () => clock.nowMs,
  );
  return {
    pool,
    granted,
    clock,
    fail: (on: boolean) => {
      failing = on;
    },
  };
}

describe('LeasePool', () => {
  test('an hour of events of one ttl needs a lease every six minutes, each outliving its keys', async () => {
    const { pool, granted, clock } = harness();
    const ids = new Set<string>();
    for (let second = 0; second < 3_600; second += 20) {
      clock.nowMs = second * 1000;
      ids.add(await pool.leaseFor(3_600));
    }
    expect(ids.size).toBeLessThanOrEqual(11);
    expect(granted.every((ttlSeconds) => ttlSeconds === 3_960)).toBe(true);
  });

  test('a lease is not used when it might end before the ttl', async () => {
    const { pool, clock } = harness();
    expect(await pool.leaseFor(10)).toBe('lease-1');
    clock.nowMs = 59_000;
    expect(await pool.leaseFor(10)).toBe('lease-1');
    clock.nowMs = 59_001;
    expect(await pool.leaseFor(10)).toBe('lease-2');
  });

  test('a lease has at most 500 keys, so that the deletions of one fit one revision', async () => {
    const { pool } = harness();
    const ids = await Promise.all(Array.from({ length: 1_001 }, () => pool.leaseFor(60)));
    expect(ids.filter((id) => id === 'lease-1')).toHaveLength(500);
    expect(new Set(ids).size).toBe(3);
  });

  test('each ttl has leases of its own', async () => {
    const { pool } = harness();
    expect(new Set([await pool.leaseFor(60), await pool.leaseFor(120), await pool.leaseFor(60)]).size).toBe(2);
  });

  test('a failed grant is not kept', async () => {
    const { pool, fail } = harness();
    fail(true);
    await expect(pool.leaseFor(60)).rejects.toThrow('no etcd');
    fail(false);
    expect(await pool.leaseFor(60)).toBe('lease-1');
  });
});
