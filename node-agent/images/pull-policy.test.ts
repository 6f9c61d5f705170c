import { describe, expect, it } from 'vitest';
import { decidePull, defaultPullPolicy, pulledMessage, pullPolicy } from './pull-policy.ts';

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
    expect(pullPolicy({ image })).toBe(policy);
    expect(pullPolicy({ image, imagePullPolicy: 'Never' })).toBe('Never');
  });
});

describe('an image', () => {
  const present = 'Container image "nginx" already present on machine';
  const never = 'Container image "nginx" is not present with pull policy of Never';
  const pull = { action: 'pull', message: 'Pulling image "nginx"' };

  it.each([
    ['Always', true, pull],
    ['Always', false, pull],
    ['IfNotPresent', true, { action: 'use', message: present }],
    ['IfNotPresent', false, pull],
    ['Never', true, { action: 'use', message: present }],
    ['Never', false, { action: 'wait', reason: 'ErrImageNeverPull', message: never }],
  ] as const)('with policy %s and present %s', async (policy, isPresent, decision) => {
    expect(await decidePull('nginx', policy, async () => isPresent)).toEqual(decision);
  });

  it('with a name that is none waits for another name, and nobody looks for it', async () => {
    const look = async (): Promise<boolean> => expect.unreachable();
    expect(await decidePull('Nginx', 'IfNotPresent', look)).toMatchObject({
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
