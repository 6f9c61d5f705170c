import { array, assert, constantFrom, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IndexedHeap } from './indexed-heap.ts';

describe('IndexedHeap', () => {
  it('has the smallest item on top whatever is set, changed and deleted', () => {
    const operation = tuple(
      constantFrom('set', 'delete', 'pop'),
      integer({ min: 0, max: 8 }),
      integer({ min: 0, max: 99 }),
    );
    assert(
      property(array(operation, { maxLength: 60 }), (operations) => {
        const heap = new IndexedHeap<number>((a, b) => a < b);
        const model = new Map<string, number>();
        for (const [verb, key, value] of operations) {
          if (verb === 'set') {
            heap.set(`${key}`, value);
            model.set(`${key}`, value);
          } else if (verb === 'delete') {
            expect(heap.delete(`${key}`)).toBe(model.delete(`${key}`));
          } else {
            const top = heap.peek();
            expect(heap.pop()).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
            // Of equal items any may go: take the same one out of the model.
            for (const [name, item] of model) {
              if (item !== top || heap.has(name)) continue;
              model.delete(name);
              break;
            }
          }
          expect(heap.size).toBe(model.size);
          expect(heap.peek()).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
        }
      }),
    );
  });
});
