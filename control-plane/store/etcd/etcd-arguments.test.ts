import { describe, expect, test } from 'vitest';
import { etcdArguments, etcdEnvironment } from './etcd-arguments.ts';

describe('etcdArguments', () => {
  const settings = { name: 'one', dataDir: '/d', clientPort: 7379, peerPort: 7380 };
  const tls = { caFile: '/ca', certFile: '/cert', keyFile: '/key' };

  test('listens on loopback, demands client certificates, and beats slowly', () => {
    const args = etcdArguments({ ...settings, clientTls: tls, peerTls: tls });
    expect(args).toEqual(
      expect.arrayContaining([
        '--listen-client-urls=https://127.0.0.1:7379',
        '--listen-peer-urls=https://127.0.0.1:7380',
        '--initial-cluster=one=https://127.0.0.1:7380',
        '--client-cert-auth=true',
        '--trusted-ca-file=/ca',
        '--peer-client-cert-auth=true',
        '--heartbeat-interval=500',
        '--election-timeout=2500',
        '--auto-compaction-mode=periodic',
      ]),
    );
  });

  test('nothing in the environment overrides them, and ARM is allowed where etcd asks', () => {
    const env = { PATH: '/bin', ETCD_NAME: 'other' };
    expect(etcdEnvironment(env, 'x64')).toEqual({ PATH: '/bin' });
    expect(etcdEnvironment(env, 'arm64')).toEqual({ PATH: '/bin', ETCD_UNSUPPORTED_ARCH: 'arm64' });
  });
});
