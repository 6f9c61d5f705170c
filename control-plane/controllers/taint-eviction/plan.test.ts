import { describe, expect, it } from 'vitest';
import type { corev1 } from '../../../proto/index.ts';
import { stayMs } from './plan.ts';

const OUT: corev1.Taint = { key: 'out', value: 'yes', effect: 'NoExecute' };
const OFF: corev1.Taint = { key: 'off', effect: 'NoExecute' };
const stay = (taints: corev1.Taint[], ...tolerations: corev1.Toleration[]) => stayMs({ spec: { tolerations } }, taints);

describe('stayMs', () => {
  it.each<[string, number | undefined, number | undefined]>([
    ['no toleration: not at all', stay([OUT]), 0],
    ['a toleration without limit: for ever', stay([OUT], { key: 'out', operator: 'Exists' }), undefined],
    ['a limit', stay([OUT], { key: 'out', value: 'yes', tolerationSeconds: 30 }), 30_000],
    ['a negative limit: not at all', stay([OUT], { operator: 'Exists', tolerationSeconds: -1 }), 0],
    [
      'the shorter of two limits',
      stay(
        [OUT, OFF],
        { key: 'out', operator: 'Exists', tolerationSeconds: 60 },
        { key: 'off', operator: 'Exists', tolerationSeconds: 5 },
      ),
      5000,
    ],
    ['one of two taints tolerated: not at all', stay([OUT, OFF], { key: 'out', operator: 'Exists' }), 0],
    ['another value', stay([OUT], { key: 'out', value: 'no' }), 0],
    ['another effect', stay([OUT], { key: 'out', operator: 'Exists', effect: 'NoSchedule' }), 0],
  ])('%s', (_what, actual, expected) => {
    expect(actual).toBe(expected);
  });
});
