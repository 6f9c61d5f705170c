import { describe, expect, test } from 'vitest';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { unsupportedFieldWarnings } from './unsupported-fields.ts';

const warnings = (pod: corev1.Pod): string[] => unsupportedFieldWarnings(KINDS.Pod.messageName, pod);

describe('warnings about fields without effect', () => {
  test('are silent about what is acted on', () => {
    expect(
      warnings({ spec: { containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '1' } } }] } }),
    ).toEqual([]);
  });

  test('name a field once, however many containers set it, and only when it is set', () => {
    const pod: corev1.Pod = {
      spec: { runtimeClassName: 'kata', containers: [{ name: 'a' }, { name: 'b' }] },
    };
    expect(warnings(pod)).toHaveLength(1);
    expect(warnings(pod)[0]).toMatch(/^spec\.runtimeClassName is stored but \S/);
    expect(warnings({ spec: { runtimeClassName: '' } })).toEqual([]);
  });
});
