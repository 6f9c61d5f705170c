/** Options of `skiff server`: raw text → defaulted → compiled and frozen, all problems at once. */
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { type AddressPool, addressPool } from '../lib/address-pool.ts';
import {
  ConfigError,
  describeOptions,
  durationMs,
  flag,
  integer,
  list,
  listenAddress,
  type OptionValues,
  oneOf,
  parseOptions,
  text,
} from '../lib/config.ts';
import { errorMessage } from '../lib/errors.ts';
import { ipv4Range, overlap } from '../lib/ipv4-range.ts';
import { LOG_LEVELS, type LogLevel } from '../lib/logger.ts';
import { dnsSubdomain } from '../lib/name-rules.ts';
import { type AddressRange, addressRange } from './api/allocation/address-range.ts';
import { type PodRange, podRange } from './api/allocation/pod-range.ts';

const OPTIONS = {
  root: {
    value: 'DIR',
    default: '/',
    help: 'folder under which all state lies (var/lib/skiff, run/skiff)',
    parse: text,
  },
  listen: { value: 'HOST:PORT', default: '0.0.0.0:7443', help: 'where the API listens', parse: listenAddress },
  'join-listen': {
    value: 'HOST:PORT',
    default: '',
    help: 'where machines join; one port above the API unless given (7444)',
    parse: (value: string) => (value === '' ? undefined : listenAddress(value)),
  },
  'advertise-address': {
    value: 'ADDRESS',
    default: '',
    help: 'address of this server for nodes; that of the default route unless given',
    parse: advertisedAddress,
  },
  'advertise-names': {
    value: 'LIST',
    default: '',
    help: 'further names and addresses of the API, for its certificate',
    parse: list,
  },
  'etcd-endpoints': { value: 'URLS', default: '', help: 'an existing etcd to use instead of our own', parse: list },
  'etcd-ca-file': { value: 'FILE', default: '', help: 'CA of that etcd', parse: text },
  'etcd-cert-file': { value: 'FILE', default: '', help: 'our client certificate for that etcd', parse: text },
  'etcd-key-file': { value: 'FILE', default: '', help: 'its key', parse: text },
  'etcd-prefix': { value: 'PREFIX', default: '/skiff/registry/', help: 'where our keys lie in etcd', parse: text },
  'etcd-client-port': {
    value: 'PORT',
    default: '7379',
    help: 'client port of our own etcd, on 127.0.0.1',
    parse: integer(1, 65_535),
  },
  'etcd-peer-port': {
    value: 'PORT',
    default: '7380',
    help: 'peer port of our own etcd, on 127.0.0.1',
    parse: integer(1, 65_535),
  },
  'service-cidr': {
    value: 'RANGE',
    default: '10.43.0.0/16',
    help: 'addresses that services get; every server of a cluster must say the same',
    parse: addressRange,
  },
  'load-balancer-pool': {
    value: 'RANGES',
    default: '',
    help: 'addresses for services of type LoadBalancer, such as 192.168.1.240-192.168.1.250; those of the nodes unless given',
    parse: addressPool,
  },
  'cluster-cidr': {
    value: 'RANGE',
    default: '10.42.0.0/16',
    help: 'addresses that pods get; every server of a cluster must say the same',
    parse: podCidr,
  },
  'node-cidr-mask-size': {
    value: 'BITS',
    default: '24',
    help: 'how much of that each node gets: the length of the prefix',
    parse: integer(1, 30),
  },
  'cluster-domain': {
    value: 'DOMAIN',
    default: 'cluster.local',
    help: 'domain of the names of services; every server of a cluster must say the same',
    parse: clusterDomain,
  },
  'node-certificate-life': {
    value: 'TIME',
    default: '365d',
    help: 'how long the certificates of nodes are good; agents renew theirs in time',
    parse: certificateLife,
  },
  'node-monitor-grace': {
    value: 'TIME',
    default: '10s',
    help: 'silence after which a node is not ready',
    parse: durationMs,
  },
  'default-not-ready-toleration': {
    value: 'TIME',
    default: '5s',
    help: 'how long pods stay on a node that is not ready, unless they say',
    parse: durationMs,
  },
  'default-unreachable-toleration': {
    value: 'TIME',
    default: '5s',
    help: 'the same for a node that is unreachable',
    parse: durationMs,
  },
  'log-level': {
    value: 'LEVEL',
    default: 'info',
    help: `how much to log: ${LOG_LEVELS.join(', ')}`,
    parse: oneOf(LOG_LEVELS),
  },
  'log-file': { value: 'FILE', default: '', help: 'log there instead of to standard error', parse: text },
  help: { default: '', help: 'print this', parse: flag },
} as const;

/** An etcd that is not ours. */
export interface ExternalEtcd {
  readonly endpoints: readonly string[];
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** Everything `skiff server` may be told. Frozen. */
export interface ServerConfig {
  readonly root: string;
  readonly dataDir: string;
  readonly runDir: string;
  readonly pkiDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Where machines join. */
  readonly joinListen: { readonly host: string; readonly port: number };
  /** Undefined: found by itself. */
  readonly advertiseAddress: string | undefined;
  readonly advertiseNames: readonly string[];
  /** Undefined: we run our own. */
  readonly externalEtcd: ExternalEtcd | undefined;
  readonly etcdPrefix: string;
  readonly etcdClientPort: number;
  readonly etcdPeerPort: number;
  readonly serviceRange: AddressRange;
  readonly podRange: PodRange;
  readonly loadBalancerPool: AddressPool;
  readonly clusterDomain: string;
  readonly nodeCertificateLifeMs: number;
  readonly nodeGraceMs: number;
  readonly notReadyTolerationSeconds: number;
  readonly unreachableTolerationSeconds: number;
  readonly logLevel: LogLevel;
  readonly logFile: string | undefined;
  readonly help: boolean;
}

/** Reads the command line. Throws {@link ConfigError}. */
export function readServerConfig(args: readonly string[]): ServerConfig {
  const values = parseOptions(OPTIONS, args);
  const root = resolve(values.root);
  const dataDir = join(root, 'var/lib/skiff');
  return Object.freeze({
    root,
    dataDir,
    runDir: join(root, 'run/skiff'),
    pkiDir: join(dataDir, 'pki'),
    listen: values.listen,
    joinListen: values['join-listen'] ?? besides(values.listen),
    advertiseAddress: values['advertise-address'],
    advertiseNames: values['advertise-names'],
    externalEtcd: externalEtcd(values),
    etcdPrefix: values['etcd-prefix'],
    etcdClientPort: values['etcd-client-port'],
    etcdPeerPort: values['etcd-peer-port'],
    serviceRange: values['service-cidr'],
    podRange: podRangeOf(values),
    loadBalancerPool: values['load-balancer-pool'],
    clusterDomain: values['cluster-domain'],
    nodeCertificateLifeMs: values['node-certificate-life'],
    nodeGraceMs: values['node-monitor-grace'],
    notReadyTolerationSeconds: Math.round(values['default-not-ready-toleration'] / 1000),
    unreachableTolerationSeconds: Math.round(values['default-unreachable-toleration'] / 1000),
    logLevel: values['log-level'],
    logFile: values['log-file'] === '' ? undefined : values['log-file'],
    help: values.help,
  });
}

/** One port above; any, when the API has any. */
function besides({ host, port }: ServerConfig['listen']): ServerConfig['joinListen'] {
  return { host, port: port === 0 ? 0 : port === 65_535 ? port - 1 : port + 1 };
}

function advertisedAddress(value: string): string | undefined {
  if (value === '') return undefined;
  if (isIP(value) === 0 && dnsSubdomain(value).length > 0)
    throw new Error('must be an address or a name, without a port');
  return value;
}

function clusterDomain(value: string): string {
  const [problem] = dnsSubdomain(value);
  if (problem !== undefined) throw new Error(problem);
  return value;
}

const DAY_MS = 86_400_000;
const MIN_CERTIFICATE_LIFE_MS = 5_000;
const MAX_CERTIFICATE_LIFE_MS = 3650 * DAY_MS;

/** As other durations, or days: `365d`. */
function certificateLife(value: string): number {
  const days = /^(\d+)d$/.exec(value)?.[1];
  const lifeMs = days === undefined ? durationMs(value) : Number(days) * DAY_MS;
  if (lifeMs < MIN_CERTIFICATE_LIFE_MS || lifeMs > MAX_CERTIFICATE_LIFE_MS) {
    throw new Error('must be from 5s to 3650d, such as 365d');
  }
  return lifeMs;
}

/** A range that one node at least can have. */
function podCidr(value: string): string {
  return podRange(value, 30).cidr;
}

function podRangeOf(values: OptionValues<typeof OPTIONS>): PodRange {
  const cidr = values['cluster-cidr'];
  const service = values['service-cidr'].cidr;
  const [pods, services] = [ipv4Range(cidr), ipv4Range(service)];
  const problems: string[] = [];
  if (pods !== undefined && services !== undefined && overlap(pods, services)) {
    problems.push(`option --cluster-cidr "${cidr}": overlaps --service-cidr "${service}"`);
  }
  try {
    const range = podRange(cidr, values['node-cidr-mask-size']);
    if (problems.length === 0) return range;
  } catch (err) {
    problems.push(`option --node-cidr-mask-size "${values['node-cidr-mask-size']}": ${errorMessage(err)}`);
  }
  throw new ConfigError(problems);
}

function externalEtcd(values: OptionValues<typeof OPTIONS>): ExternalEtcd | undefined {
  const endpoints = values['etcd-endpoints'];
  const files = {
    caFile: values['etcd-ca-file'],
    certFile: values['etcd-cert-file'],
    keyFile: values['etcd-key-file'],
  };
  const given = Object.values(files).filter((file) => file !== '').length;
  const problems: string[] = [];
  if (endpoints.length === 0) {
    if (given > 0) problems.push('--etcd-ca-file, --etcd-cert-file and --etcd-key-file go with --etcd-endpoints');
  } else {
    const schemes = new Set(endpoints.map((endpoint) => /^(https?):\/\/[^/]+$/.exec(endpoint)?.[1]));
    if (schemes.has(undefined))
      problems.push('option --etcd-endpoints: each must be a URL such as https://10.0.0.5:2379');
    else if (schemes.size > 1) problems.push('option --etcd-endpoints: either all http or all https');
    else if (schemes.has('https') && given !== 3) {
      problems.push('https endpoints of etcd need --etcd-ca-file, --etcd-cert-file and --etcd-key-file');
    } else if (schemes.has('http') && given > 0) problems.push('certificates of etcd go with https endpoints');
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return endpoints.length === 0 ? undefined : { endpoints, ...files };
}

/** The help of `skiff server --help`. */
export function serverHelp(): string {
  return `Runs the control plane: API, controllers and scheduler.\n\nUsage: skiff server [options]\n\n${describeOptions(OPTIONS)}\n`;
}
