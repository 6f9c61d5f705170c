import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unitName, unitText } from './systemd-units.ts';

const facts = { root: '/', bin: '/opt/skiff/bin', node: process.execPath, nodeFlags: ['--max-semi-space-size=1'] };

test('a unit leaves containers alone, and says its options in the form systemd reads', () => {
  const text = unitText('agent', { ...facts, node: '/usr/bin/node', args: ['--node-name', 'pi 4', '--x=50%$y"'] });
  expect(text).toContain(
    'ExecStart=/usr/bin/node --max-semi-space-size=1 /opt/skiff/bin/skiff agent --node-name "pi 4" "--x=50%%$$y\\""\n',
  );
  for (const line of ['KillMode=process', 'Delegate=yes', 'Restart=always', 'After=network-online.target'])
    expect(text.split('\n')).toContain(line);
  expect(text).toContain('ConditionPathExists=/var/lib/skiff/agent/agent.crt\n');
  expect(text).not.toMatch(/Private|Protect|ReadOnly/);
  expect(unitText('server', { ...facts, args: [] })).not.toContain('ConditionPathExists');
});

const analyze = spawnSync('systemd-analyze', ['--version']).status === 0;

test.skipIf(!analyze)(`systemd accepts both units${analyze ? '' : ' (skipped: needs systemd-analyze)'}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-units-'));
  try {
    for (const name of ['server', 'agent'] as const) {
      const file = join(folder, unitName(name));
      writeFileSync(file, unitText(name, { ...facts, args: ['--root', '/some folder', '--log-level=debug'] }));
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
      expect({ name, status, about: stderr.split('\n').filter((line) => line.includes('skiff')) }).toEqual({
        name,
        status: 0,
        about: [],
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
