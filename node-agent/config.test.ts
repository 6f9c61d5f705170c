import { describe, expect, test } from 'vitest';
import { ConfigError } from '../lib/config.ts';
import { helpText, parseConfig } from './config.ts';

describe('the options of the agent', () => {
  test('have defaults that hang off the root', () => {
    expect(parseConfig(['--root', '/x', '--node-name', 'Pi-4'])).toMatchObject({
      root: '/x',
      nodeName: 'pi-4',
      servers: [],
      serversFile: '/x/var/lib/skiff/agent/servers.json',
      caFile: '/x/var/lib/skiff/pki/ca.crt',
      certFile: '/x/var/lib/skiff/agent/agent.crt',
      listen: { host: '0.0.0.0', port: 7450 },
      podPidsLimit: 4096,
      leaseRenewMs: 3000,
      teardown: false,
    });
  });

  test('take what is given', () => {
    expect(
      parseConfig([
        '--server',
        'a:1, b:2',
        '--listen',
        '127.0.0.1:0',
        '--node-labels',
        'a=1,b=2',
        '--lease-renew',
        '500ms',
        '--teardown',
      ]),
    ).toMatchObject({
      servers: ['a:1', 'b:2'],
      listen: { host: '127.0.0.1', port: 0 },
      labels: { a: '1', b: '2' },
      leaseRenewMs: 500,
      teardown: true,
    });
  });

  test('report everything that is wrong at once', () => {
    const args = [
      '--node-name',
      '_',
      '--node-ip',
      'x',
      '--server',
      'nowhere',
      '--cgroup-root',
      'a/b',
      '--link-prefix',
      'UPPER',
      '--max-pods',
      '0',
      '--nonsense',
    ];
    const problems = problemsOf(args);
    for (const word of [
      '--node-name',
      '--node-ip',
      '--server',
      '--cgroup-root',
      '--link-prefix',
      '--max-pods',
      '--nonsense',
    ]) {
      expect(problems.some((problem) => problem.includes(word))).toBe(true);
    }
    expect(problemsOf(['--image-gc-low-percent', '90'])).toEqual([
      'option --image-gc-low-percent must not be above --image-gc-high-percent',
    ]);
  });

  test('are all explained', () => {
    expect(helpText()).toContain('--pod-pids-limit');
  });

  function problemsOf(args: readonly string[]): readonly string[] {
    try {
      parseConfig(args);
    } catch (err) {
      if (err instanceof ConfigError) return err.problems;
      throw err;
    }
    return [];
  }
});
