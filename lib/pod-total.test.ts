import { describe, expect, test } from 'vitest';
import type { corev1 } from '../proto/index.ts';
import { podTotal, podTotals } from './pod-total.ts';

const NUMBERS = { zero: 0, plus: (a: number, b: number) => a + b, max: (a: number, b: number) => Math.max(a, b) };
const amountOf = ({ name = '' }: corev1.Container): number => Number(name);
const spec = (containers: number[], init: (number | readonly [sidecar: number])[] = []): corev1.PodSpec => ({
  containers: containers.map((amount) => ({ name: `${amount}` })),
  initContainers: init.map((one) =>
    typeof one === 'number' ? { name: `${one}` } : { name: `${one[0]}`, restartPolicy: 'Always' },
  ),
});

describe('what a pod takes', () => {
  test.each([
    ['nothing', undefined, 0],
    ['its containers together', spec([1, 2]), 3],
    ['the largest step of its start, when that is more', spec([1, 2], [5, 4]), 5],
    ['its containers, when they take more', spec([3, 3], [5, 4]), 6],
    ['sidecars beside its containers', spec([1, 2], [[3]]), 6],
    ['a step of the start beside the sidecars before it', spec([1], [[3], 4]), 7],
    ['but not beside those after it', spec([1], [4, [3]]), 4],
  ])('is %s', (_, pod, total) => {
    expect(podTotal(pod, amountOf, NUMBERS)).toBe(total);
  });

  test('is counted name by name', () => {
    const amounts: Readonly<Record<string, Record<string, number>>> = {
      1: { cpu: 1 },
      2: { cpu: 2, memory: 5 },
      9: { gpu: 9 },
    };
    const amountsOf = (container: corev1.Container) => new Map(Object.entries(amounts[amountOf(container)] ?? {}));
    const total = podTotals(spec([1, 2], [9, 2]), amountsOf, NUMBERS);
    expect(Object.fromEntries(total)).toEqual({ cpu: 3, memory: 5, gpu: 9 });
  });
});
