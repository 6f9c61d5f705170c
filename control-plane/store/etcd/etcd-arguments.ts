/** Certificate files for one side of etcd, PEM. */
export interface EtcdTlsFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** How our own etcd listens and where it keeps its data. */
export interface EtcdSettings {
  /** The member's name. */
  readonly name: string;
  readonly dataDir: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** The server's certificate for clients, who must show one of the same CA. Without it plain http: tests only. */
  readonly clientTls?: EtcdTlsFiles;
  /** The same between members. */
  readonly peerTls?: EtcdTlsFiles;
  /** Milliseconds between heartbeats; a lone member waits up to five of them to lead after a start. 500 when left out: a quiet
   * machine stays quiet. */
  readonly heartbeatMs?: number;
}

/** The URL clients use. */
export function clientUrl(settings: EtcdSettings): string {
  return `${settings.clientTls ? 'https' : 'http'}://127.0.0.1:${settings.clientPort}`;
}

/** etcd's command line for a small cluster. Pure. */
export function etcdArguments(settings: EtcdSettings): string[] {
  const peerUrl = `${settings.peerTls ? 'https' : 'http'}://127.0.0.1:${settings.peerPort}`;
  const heartbeatMs = settings.heartbeatMs ?? 500;
  const options: Record<string, string | number> = {
    name: settings.name,
    'data-dir': settings.dataDir,
    'listen-client-urls': clientUrl(settings),
    'advertise-client-urls': clientUrl(settings),
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `${settings.name}=${peerUrl}`,
    'initial-cluster-state': 'new',
    'heartbeat-interval': heartbeatMs,
    'election-timeout': heartbeatMs * 5,
    // Log entries kept in memory until a snapshot: the default of 100,000 costs more memory than everything else.
    'snapshot-count': 5_000,
    // History for watchers to catch up and for pages of a list; more only fills the disk.
    'auto-compaction-mode': 'periodic',
    'auto-compaction-retention': '10m',
    'quota-backend-bytes': 2 * 1024 ** 3,
    // One object may be 3 MiB at the API; the rest of the room is its envelope and key.
    'max-request-bytes': 4 * 1024 ** 2,
    logger: 'zap',
    'log-outputs': 'stderr',
    'log-level': 'warn',
    ...tlsOptions('', 'client-cert-auth', settings.clientTls),
    ...tlsOptions('peer-', 'peer-client-cert-auth', settings.peerTls),
  };
  return Object.entries(options).map(([option, value]) => `--${option}=${value}`);
}

function tlsOptions(prefix: string, authOption: string, tls: EtcdTlsFiles | undefined): Record<string, string> {
  if (tls === undefined) return {};
  return {
    [`${prefix}cert-file`]: tls.certFile,
    [`${prefix}key-file`]: tls.keyFile,
    [`${prefix}trusted-ca-file`]: tls.caFile,
    [authOption]: 'true',
  };
}

/** etcd's environment: ours without what would override its options, and with what it asks for on ARM before 3.5. */
export function etcdEnvironment(base: NodeJS.ProcessEnv, arch: string = process.arch): NodeJS.ProcessEnv {
  const env = Object.fromEntries(Object.entries(base).filter(([name]) => !name.startsWith('ETCD_')));
  return arch === 'arm' || arch === 'arm64' ? { ...env, ETCD_UNSUPPORTED_ARCH: arch } : env;
}
