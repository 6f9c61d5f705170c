import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CliResult, runSkiff } from '../../test/harness/run-skiff.ts';
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

test('install writes units below another root without starting them, prints them, and takes them away', async () => {
  const root = mkdtempSync(join(tmpdir(), 'skiff-install-'));
  const install = (...args: readonly string[]): Promise<CliResult> =>
    runSkiff(['install', '--agent', '--root', root, '--node-name', 'pi', ...args]);
  const file = join(root, 'etc/systemd/system/skiff-agent.service');
  try {
    const printed = await install('--print');
    expect(printed.stdout).toContain(`# ${file}\n[Unit]\nDescription=Skiff node agent\n`);
    expect(existsSync(file)).toBe(false);
    if (process.getuid?.() !== 0) return;
    const { code, stdout } = await install('--option=--log-level=debug');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout:
        `${file} written, not started: it lies below ${root}\n` +
        'Where systemd runs: systemctl daemon-reload && systemctl enable --now skiff-agent.service\n' +
        'The agent starts when this machine has joined: skiff join …\n',
    });
    expect(readFileSync(file, 'utf8')).toMatch(/^ExecStart=.* agent --root .* --node-name pi .* --log-level=debug$/m);
    expect((await install('--remove')).stdout).toBe(`${file} removed; containers run on\n`);
    expect((await install('--remove')).stdout).toBe(`${file} is not there\n`);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
