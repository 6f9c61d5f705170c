import { describe, expect, it } from 'vitest';
import { ClassWeight } from './class-weight.ts';

describe('the weight of a class', () => {
  it('is that of its pods together, those found at the start included', () => {
    const written: number[] = [];
    let reads = 0;
    const weight = new ClassWeight({
      readPods: () => {
        reads += 1;
        return new Map([['poda', 10]]);
      },
      write: (total) => written.push(total),
    });
    weight.update();
    weight.update('podb', 39);
    weight.update('podb', 20);
    weight.update('poda');
    weight.update('nobody');
    expect(written).toEqual([10, 49, 30, 20, 20]);
    expect(reads).toBe(1);
  });
});
