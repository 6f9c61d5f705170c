import { describe, expect, test } from 'vitest';
import { ConfigError } from '../lib/config.ts';
import { readServerConfig, serverHelp } from './config.ts';

function problems(...args: readonly string[]): readonly string[] {
  try {
    readServerConfig(args);
    return [];
  } catch (err) {
    if (err instanceof ConfigError) return err.problems;
    throw err;
  }
}

describe('options of the server', () => {
  test('have defaults under one root, and are frozen', () => {
    const config = readServerConfig(['--root', '/tmp/x']);
    expect(config).toMatchObject({
      dataDir: '/tmp/x/var/lib/skiff',
      runDir: '/tmp/x/run/skiff',
      listen: { host: '0.0.0.0', port: 7443 },
      serviceRange: { cidr: '10.43.0.0/16' },
      podRange: { cidr: '10.42.0.0/16', nodeBits: 24 },
      nodeGraceMs: 10_000,
      notReadyTolerationSeconds: 5,
      externalEtcd: undefined,
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test('take what is given, in both forms', () => {
    const config = readServerConfig([
      '--listen=[::]:1',
      '--node-monitor-grace',
      '1m',
      '--default-not-ready-toleration=300s',
      '--log-level=debug',
    ]);
    expect(config).toMatchObject({
      listen: { host: '::', port: 1 },
      nodeGraceMs: 60_000,
      notReadyTolerationSeconds: 300,
      logLevel: 'debug',
    });
  });

  test('report everything that is wrong at once', () => {
    expect(
      problems('--listen', 'here', '--node-monitor-grace=10', '--etcd-client-port', '99999', '--lisen=x', 'more'),
    ).toEqual([
      'unknown option --lisen',
      'unexpected argument "more"',
      'option --listen "here": must be host:port, such as 0.0.0.0:7443',
      'option --etcd-client-port "99999": must be a whole number between 1 and 65535',
      'option --node-monitor-grace "10": must be a duration such as 500ms, 10s or 5m',
    ]);
  });

  test('refuse ranges of addresses that overlap, or that no node fits into', () => {
    expect(problems('--service-cidr', '10.0.0.0/8')).toEqual([
      'option --cluster-cidr "10.42.0.0/16": overlaps --service-cidr "10.0.0.0/8"',
    ]);
    expect(problems('--cluster-cidr', '10.43.128.0/20', '--node-cidr-mask-size', '16')).toEqual([
      'option --cluster-cidr "10.43.128.0/20": overlaps --service-cidr "10.43.0.0/16"',
      'option --node-cidr-mask-size "16": must be from 20 (one node has all of 10.43.128.0/20) to 30',
    ]);
    expect(problems('--cluster-cidr', 'fd00::/48')).toEqual([
      'option --cluster-cidr "fd00::/48": must be a range of IPv4 addresses, such as 10.42.0.0/16, of at least four',
    ]);
  });

  test.each([
    [['--etcd-endpoints', 'etcd:2379'], /each must be a URL/],
    [['--etcd-endpoints', 'https://a:1'], /need --etcd-ca-file, --etcd-cert-file and --etcd-key-file/],
    [['--etcd-endpoints', 'http://a:1,https://b:1'], /all http or all https/],
    [['--etcd-ca-file', 'x'], /go with --etcd-endpoints/],
    [['--service-cidr', '10.0.0.0/31'], /option --service-cidr "10\.0\.0\.0\/31": must be a range of IPv4 addresses/],
    [['--log-level', 'loud'], /must be one of trace/],
    [['--listen'], /option --listen needs a value/],
  ])('refuse %j', (args, message) => {
    expect(problems(...args).join('\n')).toMatch(message);
  });

  test('are described in the help', () => {
    expect(serverHelp()).toMatch(/--listen HOST:PORT +where the API listens \(default 0\.0\.0\.0:7443\)/);
  });
});
