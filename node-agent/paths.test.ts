import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodePaths, podPaths } from './paths.ts';

describe('the folders of a pod', () => {
  const paths = nodePaths('/root');
  const uid = '12345678-1234-1234-1234-123456789012';

  test('its logs are where log collectors look', () => {
    expect(podPaths(paths, { namespace: 'n', name: 'p', uid }).logDir).toBe(`/root/var/log/pods/n_p_${uid}`);
  });

  test('the longest names there can be still make a folder, told from others by the uid', () => {
    const { logDir } = podPaths(paths, { namespace: 'n'.repeat(63), name: 'p'.repeat(253), uid });
    expect(basename(logDir)).toHaveLength(255);
    expect(basename(logDir).split('_')[2]).toBe(uid);
  });
});
