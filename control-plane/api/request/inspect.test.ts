import { describe, expect, test } from 'vitest';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { normalize } from './inspect.ts';

const { messageName, message } = KINDS.Pod;

function encoded(pod: corev1.Pod): Buffer {
  normalize(messageName, pod);
  return Buffer.from(message.encode(pod).finish());
}

describe('normalize', () => {
  test('gives objects that mean the same equal bytes', () => {
    const container = (cpu: string): corev1.Container => ({ name: 'c', resources: { requests: { cpu } } });
    const a: corev1.Pod = {
      metadata: {
        labels: { b: '2', a: '1' },
        annotations: {},
        finalizers: [],
        creationTimestamp: '2026-01-01T00:00:00+00:00',
      },
      spec: { containers: [container('0.5')] },
    };
    const b: corev1.Pod = {
      metadata: { labels: { a: '1', b: '2' }, creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { containers: [container('500m')] },
    };
    expect(encoded(a)).toEqual(encoded(b));
  });

  test('finds field numbers that the schema does not have, wherever they are', () => {
    const pod: corev1.Pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c' }] } };
    const [container] = pod.spec?.containers ?? [];
    // Field 2047, one byte of text, as a newer sender would write it.
    Object.assign(container ?? {}, { _unknownFields: { [(2047 << 3) | 2]: [Uint8Array.of(1, 65)] } });
    expect(normalize(messageName, pod).unknown).toEqual([{ path: 'spec.containers[0]', number: 2047 }]);
  });

  test.each<[string, corev1.Pod, string, RegExp]>([
    ['a bad quantity', { spec: { overhead: { cpu: '1x' } } }, 'spec.overhead.cpu', /expected a quantity/],
    [
      'a bad time',
      { metadata: { creationTimestamp: 'today' } },
      'metadata.creationTimestamp',
      /expected an RFC 3339 time/,
    ],
    [
      'a number that JSON cannot carry',
      { metadata: { generation: 2 ** 60 } },
      'metadata.generation',
      /expected an integer between/,
    ],
  ])('reports %s with its path', (_name, pod, field, message) => {
    const { problems } = normalize(messageName, pod);
    expect(problems).toMatchObject([{ field, message: expect.stringMatching(message) }]);
  });
});
