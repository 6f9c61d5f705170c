import { describe, expect, test } from 'vitest';
import type { corev1 } from '../../../proto/index.ts';
import { chooseContainer, type Purpose } from './choose-container.ts';

const running: corev1.ContainerState = { running: {} };
const waiting = (reason: string): corev1.ContainerState => ({ waiting: { reason } });

function pod(names: readonly string[], status: corev1.PodStatus = {}, more: corev1.PodSpec = {}): corev1.Pod {
  return { metadata: { name: 'p' }, spec: { containers: names.map((name) => ({ name })), ...more }, status };
}
function withState(name: string, state: corev1.ContainerState, lastState?: corev1.ContainerState): corev1.PodStatus {
  return { containerStatuses: [{ name, state, ...(lastState === undefined ? {} : { lastState }) }] };
}

describe('the container a person means', () => {
  const chosen: readonly [string, corev1.Pod, string, Purpose, string][] = [
    ['the only one', pod(['a'], withState('a', running)), '', 'logs', 'a'],
    ['the one named', pod(['a', 'b'], withState('b', running)), 'b', 'exec', 'b'],
    [
      'the annotated one',
      {
        ...pod(['a', 'b'], withState('b', running)),
        metadata: { name: 'p', annotations: { 'kubectl.kubernetes.io/default-container': 'b' } },
      },
      '',
      'logs',
      'b',
    ],
    ['one that has ended, for its logs', pod(['a'], withState('a', { terminated: { exitCode: 1 } })), '', 'logs', 'a'],
    [
      'one that waits to be restarted, for its logs',
      pod(['a'], withState('a', waiting('CrashLoopBackOff'), { terminated: {} })),
      '',
      'logs',
      'a',
    ],
    ['its previous run', pod(['a'], withState('a', running, { terminated: {} })), '', 'previous logs', 'a'],
  ];
  test.each(chosen)('is %s', (_name, object, named, purpose, expected) => {
    expect(chooseContainer(object, named, purpose)).toBe(expected);
  });

  const refused: readonly [string, corev1.Pod, string, Purpose, string][] = [
    [
      'several, none named',
      pod(['a', 'b'], {}, { containers: [{ name: 'a' }, { name: 'b' }], initContainers: [{ name: 'i' }] }),
      '',
      'logs',
      'a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]',
    ],
    ['a name there is not', pod(['a']), 'x', 'logs', 'container x is not valid for pod p: its containers are a'],
    ['one not started', pod(['a']), '', 'logs', 'container "a" in pod "p" is waiting to start: ContainerCreating'],
    [
      'one without its image',
      pod(['a'], withState('a', waiting('ImagePullBackOff'))),
      '',
      'logs',
      'container "a" in pod "p" is waiting to start: trying and failing to pull image',
    ],
    [
      'no earlier run',
      pod(['a'], withState('a', running)),
      '',
      'previous logs',
      'previous terminated container "a" in pod "p" not found',
    ],
    [
      'a finished pod',
      pod(['a'], { phase: 'Succeeded' }),
      '',
      'exec',
      'cannot exec into a container in a completed pod; current phase is Succeeded',
    ],
    [
      'one that waits',
      pod(['a'], withState('a', waiting('CrashLoopBackOff'))),
      '',
      'exec',
      'container "a" in pod "p" is not running: CrashLoopBackOff',
    ],
  ];
  test.each(refused)('cannot be told: %s', (_name, object, named, purpose, message) => {
    expect(() => chooseContainer(object, named, purpose)).toThrow(message);
  });
});
