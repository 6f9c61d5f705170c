/** The agent's options: as given, with defaults, checked and frozen; everything wrong is reported at once. */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LOG_LEVELS, type LogLevel } from '../lib/logger.ts';

/** What the agent runs with. */
export interface AgentConfig {
  /** All paths hang off it. */
  readonly root: string;
  readonly nodeName: string;
  /** Address of this node for others; found by itself when undefined. */
  readonly nodeIp: string | undefined;
  /** `host:port` of the servers, tried in turn. */
  readonly servers: readonly string[];
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly listenAddress: string;
  /** Logs and exec, for the control plane only. 0 takes any free port. */
  readonly port: number;
  readonly cgroupRoot: string;
  readonly podCidr: string;
  readonly clusterCidr: string;
  /** Begins the names of network links and is the name of the nftables table. */
  readonly linkPrefix: string;
  readonly clusterDomain: string;
  readonly maxPods: number;
  /** Processes and threads a pod may have; Kubernetes leaves this to the operator, we protect the node by default. */
  readonly podPidsLimit: number;
  readonly systemReserved: { readonly cpuMilli: number; readonly memoryBytes: number };
  readonly labels: Readonly<Record<string, string>>;
  readonly leaseRenewMs: number;
  readonly leaseDurationSeconds: number;
  readonly imageGc: { readonly highPercent: number; readonly lowPercent: number; readonly everyMs: number };
  readonly logRotation: { readonly maxBytes: number; readonly maxFiles: number; readonly everyMs: number };
  readonly maxParallelPulls: number;
  readonly logLevel: LogLevel;
  readonly logFile: string | undefined;
  /** Do not run: stop all pods, remove everything the agent made, and say what could not be removed. */
  readonly teardown: boolean;
}

/** Everything wrong with the options, one sentence each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Cannot start the agent: ${problems.join('; ')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

const OPTIONS = {
  root: ['/', 'folder under which everything is kept'],
  'node-name': ['', 'name of this node (default: the host name)'],
  'node-ip': ['', 'address of this node (default: that of the default route)'],
  server: ['127.0.0.1:7443', 'host:port of a server; several separated by commas'],
  'ca-file': ['', 'certificate of the cluster (default: <root>/var/lib/skiff/pki/ca.crt)'],
  'cert-file': ['', "this node's certificate (default: <root>/var/lib/skiff/agent/agent.crt)"],
  'key-file': ['', 'its key (default: <root>/var/lib/skiff/agent/agent.key)'],
  'listen-address': ['0.0.0.0', 'address to serve logs and exec on'],
  port: ['7450', 'port to serve logs and exec on'],
  'cgroup-root': ['skiff', 'name of the cgroup all pods are under'],
  'pod-cidr': ['10.42.0.0/24', 'range of the pods of this node'],
  'cluster-cidr': ['10.42.0.0/16', 'range of all pods of the cluster'],
  'link-prefix': ['skiff', 'begins the names of our links and is the name of our nftables table'],
  'cluster-domain': ['cluster.local', 'domain of the cluster'],
  'max-pods': ['110', 'pods this node takes'],
  'pod-pids-limit': ['4096', 'processes and threads a pod may have'],
  'reserved-cpu-milli': ['0', 'thousandths of a core kept from pods'],
  'reserved-memory-bytes': ['0', 'memory kept from pods'],
  'node-labels': ['', 'labels of the node, key=value separated by commas'],
  'lease-renew-ms': ['3000', 'time between heartbeats'],
  'lease-duration-seconds': ['10', 'silence after which the node counts as lost'],
  'image-gc-high-percent': ['85', 'disk use above which unused images go'],
  'image-gc-low-percent': ['80', 'disk use down to which they go'],
  'log-max-bytes': ['10485760', 'size at which a container log is rotated'],
  'log-max-files': ['5', 'log files kept per container'],
  'max-parallel-pulls': ['3', 'images pulled at once'],
  'log-level': ['info', LOG_LEVELS.join(', ')],
  'log-file': ['', 'file to log to (default: standard error)'],
} as const satisfies Readonly<Record<string, readonly [string, string]>>;

type OptionName = keyof typeof OPTIONS;

/** The text of `skiff agent --help`. */
export function helpText(): string {
  const rows = Object.entries(OPTIONS).map(([name, [value, text]]) => {
    const suffix = value === '' || text.includes('default:') ? '' : ` (default: ${value})`;
    return `  --${name.padEnd(24)} ${text}${suffix}`;
  });
  rows.push(`  --${'teardown'.padEnd(24)} stop all pods of this node and remove what the agent made, then exit`);
  return `Usage: skiff agent [options]\n\nRuns the pods of this machine.\n\n${rows.join('\n')}\n`;
}

/** Reads the command line. Throws {@link ConfigError}. */
export function parseConfig(argv: readonly string[]): AgentConfig {
  const problems: string[] = [];
  const raw = readArguments(argv, problems);
  const text = (name: OptionName): string => raw.values[name] ?? OPTIONS[name][0];
  const number = (name: OptionName, min: number, max: number): number => {
    const value = Number(text(name));
    if (!Number.isInteger(value) || value < min || value > max) {
      problems.push(`--${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(text(name))}`);
    }
    return value;
  };
  const matching = (name: OptionName, pattern: RegExp, what: string): string => {
    if (!pattern.test(text(name))) problems.push(`--${name} must be ${what}, not ${JSON.stringify(text(name))}`);
    return text(name);
  };
  const root = resolve(text('root'));
  const data = join(root, 'var/lib/skiff');
  const nodeName = (text('node-name') || hostname()).toLowerCase();
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(nodeName)) {
    problems.push(`--node-name must be a DNS name, not ${JSON.stringify(nodeName)}`);
  }
  if (text('node-ip') !== '' && isIP(text('node-ip')) === 0)
    problems.push(`--node-ip must be an address, not ${JSON.stringify(text('node-ip'))}`);
  if (isIP(text('listen-address')) === 0)
    problems.push(`--listen-address must be an address, not ${JSON.stringify(text('listen-address'))}`);
  const servers = text('server')
    .split(',')
    .map((server) => server.trim());
  for (const server of servers)
    if (!/^.+:\d+$/.test(server)) problems.push(`--server must be host:port, not ${JSON.stringify(server)}`);
  for (const name of ['pod-cidr', 'cluster-cidr'] as const) checkCidr(name, text(name), problems);
  const highPercent = number('image-gc-high-percent', 1, 100);
  const lowPercent = number('image-gc-low-percent', 0, 100);
  if (lowPercent > highPercent) problems.push('--image-gc-low-percent must not be above --image-gc-high-percent');
  const logLevel = LOG_LEVELS.find((level) => level === text('log-level'));
  if (logLevel === undefined) problems.push(`--log-level must be one of ${LOG_LEVELS.join(', ')}`);
  const config: AgentConfig = {
    root,
    nodeName,
    nodeIp: text('node-ip') || undefined,
    servers,
    caFile: text('ca-file') || join(data, 'pki/ca.crt'),
    certFile: text('cert-file') || join(data, 'agent/agent.crt'),
    keyFile: text('key-file') || join(data, 'agent/agent.key'),
    listenAddress: text('listen-address'),
    port: number('port', 0, 65_535),
    cgroupRoot: matching('cgroup-root', /^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'a plain name'),
    podCidr: text('pod-cidr'),
    clusterCidr: text('cluster-cidr'),
    linkPrefix: matching('link-prefix', /^[a-z][a-z0-9]{0,11}$/, 'at most 12 small letters and digits'),
    clusterDomain: text('cluster-domain'),
    maxPods: number('max-pods', 1, 10_000),
    podPidsLimit: number('pod-pids-limit', 16, 4_194_304),
    systemReserved: {
      cpuMilli: number('reserved-cpu-milli', 0, 1_000_000),
      memoryBytes: number('reserved-memory-bytes', 0, Number.MAX_SAFE_INTEGER),
    },
    labels: parseLabels(text('node-labels'), problems),
    leaseRenewMs: number('lease-renew-ms', 100, 3_600_000),
    leaseDurationSeconds: number('lease-duration-seconds', 1, 86_400),
    imageGc: { highPercent, lowPercent, everyMs: 300_000 },
    logRotation: {
      maxBytes: number('log-max-bytes', 1024, Number.MAX_SAFE_INTEGER),
      maxFiles: number('log-max-files', 2, 1000),
      everyMs: 10_000,
    },
    maxParallelPulls: number('max-parallel-pulls', 1, 100),
    logLevel: logLevel ?? 'info',
    logFile: text('log-file') || undefined,
    teardown: raw.teardown,
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

function readArguments(
  argv: readonly string[],
  problems: string[],
): { readonly values: Readonly<Partial<Record<OptionName, string>>>; readonly teardown: boolean } {
  const options = Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, { type: 'string' as const }]));
  const { values, tokens } = parseArgs({
    args: [...argv],
    options: { ...options, teardown: { type: 'boolean' } },
    strict: false,
    tokens: true,
  });
  const found: Partial<Record<OptionName, string>> = {};
  for (const token of tokens ?? []) {
    if (token.kind === 'positional') problems.push(`${JSON.stringify(token.value)} is not an option`);
    if (token.kind !== 'option' || token.name === 'teardown') continue;
    if (!isOption(token.name)) problems.push(`there is no option ${token.rawName}`);
    else if (token.value === undefined || token.value === '') problems.push(`${token.rawName} needs a value`);
    else found[token.name] = token.value;
  }
  return { values: found, teardown: values.teardown === true };
}

function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

function checkCidr(name: string, text: string, problems: string[]): void {
  const [address = '', length = ''] = text.split('/');
  const bits = isIP(address) === 4 ? 32 : 128;
  if (isIP(address) === 0 || !/^\d+$/.test(length) || Number(length) > bits) {
    problems.push(`--${name} must be a range such as 10.42.0.0/24, not ${JSON.stringify(text)}`);
  }
}

function parseLabels(text: string, problems: string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of text.split(',').filter((part) => part !== '')) {
    const equals = pair.indexOf('=');
    if (equals < 1) problems.push(`--node-labels must be key=value, not ${JSON.stringify(pair)}`);
    else labels[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return labels;
}
