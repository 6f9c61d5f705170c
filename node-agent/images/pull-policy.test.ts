import { describe, expect, it } from 'vitest';
import { decidePull, defaultPullPolicy, PullBackOff, pulledMessage } from './pull-policy.ts';

const DIGEST = `sha256:${'a1'.repeat(32)}`;

describe('the pull policy of a container that names none', () => {
  it.each([
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['localhost:5000/nginx', 'Always'],
    ['nginx:1.16', 'IfNotPresent'],
    ['localhost:5000/nginx:1', 'IfNotPresent'],
    [`nginx@${DIGEST}`, 'IfNotPresent'],
    [`nginx:latest@${DIGEST}`, 'Always'],
    ['NOT A NAME', 'IfNotPresent'],
  ])('of %s is %s', (image, policy) => {
    expect(defaultPullPolicy(image)).toBe(policy);
  });
});

describe('an image', () => {
  const present = 'Container image "nginx" already present on machine';
  const never = 'Container image "nginx" is not present with pull policy of Never';
  const wait = { action: 'wait', reason: 'ImagePullBackOff', message: 'Back-off pulling image "nginx"', againInMs: 7 };
  const pull = { action: 'pull', message: 'Pulling image "nginx"' };

  it.each([
    ['Always', true, 0, pull],
    ['Always', false, 0, pull],
    ['Always', true, 7, wait],
    ['Always', false, 7, wait],
    ['IfNotPresent', true, 0, { action: 'use', message: present }],
    ['IfNotPresent', true, 7, { action: 'use', message: present }],
    ['IfNotPresent', false, 0, pull],
    ['IfNotPresent', false, 7, wait],
    ['Never', true, 0, { action: 'use', message: present }],
    ['Never', true, 7, { action: 'use', message: present }],
    ['Never', false, 0, { action: 'wait', reason: 'ErrImageNeverPull', message: never }],
    ['Never', false, 7, { action: 'wait', reason: 'ErrImageNeverPull', message: never }],
  ] as const)('with policy %s, present %s and a back-off of %d ms', (policy, isPresent, backOffMs, decision) => {
    expect(decidePull('nginx', { policy, present: isPresent, backOffMs })).toEqual(decision);
  });

  it('with a name that is none waits for another name', () => {
    expect(decidePull('Nginx', { policy: 'Always', present: false, backOffMs: 0 })).toMatchObject({
      action: 'wait',
      reason: 'InvalidImageName',
      message: expect.stringContaining('couldn\'t parse image name "Nginx"'),
    });
  });

  it('is reported with times and size when pulled', () => {
    expect(pulledMessage('nginx', { tookMs: 1234, waitedMs: 66, sizeBytes: 5 })).toBe(
      'Successfully pulled image "nginx" in 1.234s (1.3s including waiting). Image size: 5 bytes.',
    );
    expect(pulledMessage('nginx', { tookMs: 12, waitedMs: 0, sizeBytes: 5 })).toContain('in 12ms (12ms including');
  });
});

describe('the back-off of a pull', () => {
  it('doubles from ten seconds to five minutes', () => {
    const backOff = new PullBackOff();
    const waits: number[] = [];
    let nowMs = 0;
    for (let failure = 0; failure < 7; failure++) {
      const waitMs = backOff.failed('a', nowMs);
      waits.push(waitMs / 1000);
      expect(backOff.remainingMs('a', nowMs)).toBe(waitMs);
      nowMs += waitMs;
      expect(backOff.remainingMs('a', nowMs)).toBe(0);
    }
    expect(waits).toEqual([10, 20, 40, 80, 160, 300, 300]);
  });

  it('starts again after success, after a long quiet time, and for another key', () => {
    const backOff = new PullBackOff();
    backOff.failed('a', 0);
    expect(backOff.failed('a', 10_000)).toBe(20_000);
    expect(backOff.failed('b', 10_000)).toBe(10_000);
    expect(backOff.failed('a', 10_000 + 600_001)).toBe(10_000);
    backOff.failed('a', 620_000);
    backOff.reset('a');
    expect(backOff.remainingMs('a', 620_001)).toBe(0);
    expect(backOff.failed('a', 620_001)).toBe(10_000);
  });
});
