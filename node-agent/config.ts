/** The agent's options: as given, with defaults, checked and frozen; everything wrong is reported at once. */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import {
  ConfigError,
  describeOptions,
  durationMs,
  flag,
  integer,
  list,
  listenAddress,
  oneOf,
  parseOptions,
  text,
} from '../lib/config.ts';
import { LOG_LEVELS, type LogLevel } from '../lib/logger.ts';

/** What the agent runs with. */
export interface AgentConfig {
  /** All paths hang off it. */
  readonly root: string;
  readonly nodeName: string;
  /** Address of this node for others; found by itself when undefined. */
  readonly nodeIp: string | undefined;
  /** `host:port` of the servers, tried in turn; empty: those of `serversFile`. */
  readonly servers: readonly string[];
  /** Written when the machine joined: `{"servers": ["host:port"]}`. */
  readonly serversFile: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Logs and exec are served here, for the control plane only. Port 0 takes any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly cgroupRoot: string;
  /** Begins the names of network links and is the name of the nftables table. */
  readonly linkPrefix: string;
  readonly maxPods: number;
  /** Processes and threads a pod may have; Kubernetes leaves this open, we protect the node by default. */
  readonly podPidsLimit: number;
  readonly systemReserved: { readonly cpuMilli: number; readonly memoryBytes: number };
  readonly labels: Readonly<Record<string, string>>;
  /** Each pod is looked at anew this often, and its volumes brought up to date. */
  readonly resyncMs: number;
  readonly leaseRenewMs: number;
  readonly leaseDurationSeconds: number;
  /** Seconds after the last renewal at which stateful pods end by themselves; undefined: never. */
  readonly deadManSeconds: number | undefined;
  /** A hardware watchdog that goes along with it; empty for none. */
  readonly deadManDevice: string;
  readonly imageGc: { readonly highPercent: number; readonly lowPercent: number; readonly everyMs: number };
  readonly logRotation: { readonly maxBytes: number; readonly maxFiles: number; readonly everyMs: number };
  readonly maxParallelPulls: number;
  /** Ports of this node on which Ingresses are served. */
  readonly ingressPorts: { readonly http: number; readonly https: number };
  readonly logLevel: LogLevel;
  readonly logFile: string | undefined;
  /** Where the steps of each pod's start are written, timed; undefined: nowhere. */
  readonly traceFile: string | undefined;
  /** Do not run: stop all pods, remove everything the agent made, and say what could not be removed. */
  readonly teardown: boolean;
  readonly help: boolean;
}

const OPTIONS = {
  root: {
    value: 'DIR',
    help: 'folder under which everything is kept',
    default: '/',
    parse: (dir: string) => resolve(dir),
  },
  'node-name': { value: 'NAME', help: 'name of this node; the host name unless given', default: '', parse: nodeName },
  'node-ip': {
    value: 'ADDRESS',
    help: 'address of this node; that of the default route unless given',
    default: '',
    parse: (ip: string) => (ip === '' ? undefined : address(ip)),
  },
  server: {
    value: 'HOST:PORT,…',
    help: 'the servers, tried in turn; those told when the machine joined unless given, else 127.0.0.1:7443',
    default: '',
    parse: servers,
  },
  'ca-file': {
    value: 'FILE',
    help: 'certificate of the cluster; in <root>/var/lib/skiff/pki unless given',
    default: '',
    parse: text,
  },
  'cert-file': {
    value: 'FILE',
    help: "this node's certificate; in <root>/var/lib/skiff/agent unless given",
    default: '',
    parse: text,
  },
  'key-file': { value: 'FILE', help: 'its key, beside it unless given', default: '', parse: text },
  listen: {
    value: 'HOST:PORT',
    help: 'where the control plane reaches logs and exec',
    default: '0.0.0.0:7450',
    parse: listenAddress,
  },
  'cgroup-root': { value: 'NAME', help: 'name of the cgroup all pods are under', default: 'skiff', parse: cgroupName },
  'link-prefix': {
    value: 'PREFIX',
    help: 'begins the names of links, and names the nftables table',
    default: 'skiff',
    parse: linkPrefix,
  },
  'max-pods': { value: 'N', help: 'pods this node takes', default: '110', parse: integer(1, 10_000) },
  'pod-pids-limit': {
    value: 'N',
    help: 'processes and threads a pod may have',
    default: '4096',
    parse: integer(16, 4_194_304),
  },
  'reserved-cpu-milli': {
    value: 'N',
    help: 'thousandths of a core kept from pods',
    default: '0',
    parse: integer(0, 1_000_000),
  },
  'reserved-memory-bytes': { value: 'N', help: 'memory kept from pods', default: '0', parse: integer(0, 2 ** 50) },
  'node-labels': { value: 'KEY=VALUE,…', help: 'labels of the node', default: '', parse: labels },
  resync: {
    value: 'DURATION',
    help: 'each pod is looked at anew this often, hints or not',
    default: '30s',
    parse: durationMs,
  },
  'lease-renew': { value: 'DURATION', help: 'time between heartbeats', default: '3s', parse: durationMs },
  'lease-duration-seconds': {
    value: 'N',
    help: 'silence after which the node counts as lost',
    default: '10',
    parse: integer(1, 86_400),
  },
  'dead-man': {
    value: 'off|SECONDS',
    help: 'end stateful pods so long after the last heartbeat that arrived, so that another node may have them',
    default: 'off',
    parse: (value: string) => (value === 'off' ? undefined : deadManSeconds(value)),
  },
  'dead-man-device': {
    value: 'FILE',
    help: 'hardware watchdog that resets the machine when the dead-man cannot, such as /dev/watchdog',
    default: '',
    parse: text,
  },
  'image-gc-high-percent': {
    value: 'N',
    help: 'disk use above which unused images go',
    default: '85',
    parse: integer(1, 100),
  },
  'image-gc-low-percent': { value: 'N', help: 'disk use down to which they go', default: '80', parse: integer(0, 100) },
  'log-max-bytes': {
    value: 'N',
    help: 'size at which the log of a container is rotated',
    default: '10485760',
    parse: integer(1024, 2 ** 40),
  },
  'log-max-files': { value: 'N', help: 'log files kept of each container', default: '5', parse: integer(2, 1000) },
  'max-parallel-pulls': { value: 'N', help: 'images pulled at once', default: '3', parse: integer(1, 100) },
  'ingress-http-port': {
    value: 'N',
    help: 'port of this node for Ingresses; taken only when there is one',
    default: '80',
    parse: integer(1, 65_535),
  },
  'ingress-https-port': { value: 'N', help: 'the same for HTTPS', default: '443', parse: integer(1, 65_535) },
  'log-level': { value: 'LEVEL', help: LOG_LEVELS.join(', '), default: 'info', parse: oneOf(LOG_LEVELS) },
  'trace-file': {
    value: 'FILE',
    help: "write how long each step of a pod's start took there, for benchmarks",
    default: '',
    parse: text,
  },
  'log-file': { value: 'FILE', help: 'log there instead of to standard error', default: '', parse: text },
  teardown: { help: 'stop all pods, remove what the agent made, and exit', default: 'false', parse: flag },
  help: { help: 'print this', default: 'false', parse: flag },
} as const;

/** The text of `skiff agent --help`. */
export function helpText(): string {
  return `Usage: skiff agent [options]\n\nRuns the pods of this machine.\n\n${describeOptions(OPTIONS)}\n`;
}

/** Reads the command line. Throws `ConfigError` with everything that is wrong. */
export function parseConfig(args: readonly string[]): AgentConfig {
  const values = parseOptions(OPTIONS, args);
  if (values['image-gc-low-percent'] > values['image-gc-high-percent']) {
    throw new ConfigError(['option --image-gc-low-percent must not be above --image-gc-high-percent']);
  }
  const deadMan = values['dead-man'];
  if (deadMan !== undefined && deadMan * 1000 < 3 * values['lease-renew']) {
    throw new ConfigError(['option --dead-man must leave time for three heartbeats (--lease-renew)']);
  }
  if (deadMan === undefined && values['dead-man-device'] !== '') {
    throw new ConfigError(['option --dead-man-device goes with --dead-man SECONDS']);
  }
  const data = join(values.root, 'var/lib/skiff');
  return Object.freeze({
    root: values.root,
    nodeName: values['node-name'],
    nodeIp: values['node-ip'],
    servers: values.server,
    serversFile: join(data, 'agent/servers.json'),
    caFile: values['ca-file'] || join(data, 'pki/ca.crt'),
    certFile: values['cert-file'] || join(data, 'agent/agent.crt'),
    keyFile: values['key-file'] || join(data, 'agent/agent.key'),
    listen: values.listen,
    cgroupRoot: values['cgroup-root'],
    linkPrefix: values['link-prefix'],
    maxPods: values['max-pods'],
    podPidsLimit: values['pod-pids-limit'],
    systemReserved: { cpuMilli: values['reserved-cpu-milli'], memoryBytes: values['reserved-memory-bytes'] },
    labels: values['node-labels'],
    resyncMs: values.resync,
    leaseRenewMs: values['lease-renew'],
    leaseDurationSeconds: values['lease-duration-seconds'],
    deadManSeconds: deadMan,
    deadManDevice: values['dead-man-device'],
    imageGc: {
      highPercent: values['image-gc-high-percent'],
      lowPercent: values['image-gc-low-percent'],
      everyMs: 300_000,
    },
    logRotation: { maxBytes: values['log-max-bytes'], maxFiles: values['log-max-files'], everyMs: 10_000 },
    maxParallelPulls: values['max-parallel-pulls'],
    ingressPorts: { http: values['ingress-http-port'], https: values['ingress-https-port'] },
    logLevel: values['log-level'],
    logFile: values['log-file'] || undefined,
    traceFile: values['trace-file'] || undefined,
    teardown: values.teardown,
    help: values.help,
  });
}

function deadManSeconds(value: string): number {
  if (!/^\d{1,5}$/.test(value) || Number(value) < 5)
    throw new Error('must be off, or a number of seconds from 5 to 99999');
  return Number(value);
}

function nodeName(value: string): string {
  const name = (value || hostname()).toLowerCase();
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) throw new Error('must be a DNS name');
  return name;
}

function address(value: string): string {
  if (isIP(value) === 0) throw new Error('must be an address');
  return value;
}

function servers(value: string): readonly string[] {
  const all = list(value);
  if (all.some((server) => !/^.+:\d{1,5}$/.test(server))) throw new Error('must be host:port, or several with commas');
  return all;
}

function cgroupName(value: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(value)) throw new Error('must be a plain name');
  return value;
}

function linkPrefix(value: string): string {
  if (!/^[a-z][a-z0-9]{0,11}$/.test(value)) throw new Error('must be at most 12 small letters and digits');
  return value;
}

function labels(value: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    list(value).map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 1) throw new Error('must be key=value, or several with commas');
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}
