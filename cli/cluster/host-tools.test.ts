import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeMissing, missingTools, parseHostTools } from './host-tools.ts';

test('the list is read line by line, comments left out', () => {
  expect(parseHostTools('# note\netcd etcd-server\n\n/usr/lib/cni/bridge containernetworking-plugins\n')).toEqual([
    { tool: 'etcd', package: 'etcd-server' },
    { tool: '/usr/lib/cni/bridge', package: 'containernetworking-plugins' },
  ]);
});

test('an empty PATH misses what is not in the system folders, and the message names tool, package and command', () => {
  const missing = missingTools(join(import.meta.dirname, '../../bin'), '/does-not-exist');
  const text = describeMissing(missing);
  expect(missing.map((m) => m.tool)).toContain('crun');
  expect(text).toContain('crun (Debian package crun)');
  expect(text).toMatch(/apt-get install .*\betcd-server\b/);
});

test('a machine that only joins needs no etcd', () => {
  const missing = missingTools(join(import.meta.dirname, '../../bin'), '/does-not-exist', 'agent').map(
    ({ tool }) => tool,
  );
  expect(missing).toContain('crun');
  expect(missing).not.toContain('etcd');
});
