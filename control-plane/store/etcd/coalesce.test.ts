import { describe, expect, test } from 'vitest';
import { coalesce } from './coalesce.ts';

describe('coalesce', () => {
  test('callers share a run, but never one that began before they asked', async () => {
    const finish: ((value: number) => void)[] = [];
    const call = coalesce(() => new Promise<number>((resolve) => finish.push(resolve)));
    const first = call();
    const second = call();
    const third = call();
    expect(finish).toHaveLength(1);
    finish[0]?.(1);
    expect(await first).toBe(1);
    await new Promise(setImmediate);
    expect(finish).toHaveLength(2);
    finish[1]?.(2);
    expect(await Promise.all([second, third])).toEqual([2, 2]);
    const fourth = call();
    finish[2]?.(3);
    expect(await fourth).toBe(3);
  });

  test('a failed run fails its callers and not those who wait for the next', async () => {
    let runs = 0;
    const call = coalesce(async () => {
      runs += 1;
      if (runs === 1) throw new Error('away');
      return runs;
    });
    const [first, second] = await Promise.allSettled([call(), call()]);
    expect(first).toMatchObject({ status: 'rejected' });
    expect(second).toEqual({ status: 'fulfilled', value: 2 });
  });
});
