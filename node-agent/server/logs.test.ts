import { expect, test } from 'vitest';
import type { corev1 } from '../../proto/index.ts';
import { attemptToRead } from './logs.ts';

const run = (attempt: number | null): { attempt: number } | null => (attempt === null ? null : { attempt });
const ran = (restartCount: number): corev1.ContainerStatus => ({ containerID: 'crun://x', restartCount });

test.each<[string, number | null, number | null, corev1.ContainerStatus | undefined, boolean, number | null]>([
  ['of the run there is', 2, 1, ran(2), false, 2],
  ['of the run before it', 2, 1, ran(2), true, 1],
  ['of the only run, before which there was none', 0, null, ran(0), true, null],
  ['of a container that never ran', null, null, { restartCount: 0 }, false, null],
  ['of one whose status nobody has written', null, null, undefined, true, null],
  ['of a run forgotten in a reboot', null, null, ran(3), false, 3],
  ['of the one before a forgotten run', null, null, ran(3), true, 2],
  ['of a run before the reboot, after which there was another', 4, null, ran(4), true, 3],
])('the log %s', (_, current, previous, status, asksForPrevious, attempt) => {
  expect(attemptToRead({ current: run(current), previous: run(previous) }, status, asksForPrevious)).toBe(attempt);
});
