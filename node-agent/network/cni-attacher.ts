import { existsSync } from 'node:fs';
import { run } from '../../lib/exec.ts';
import type { Attached, Attacher } from './attacher.ts';
import type { CniConfigList, CniPluginConfig } from './cni-config.ts';
import { NetworkError, type PodNetworkRequest } from './pod-network.ts';

/** Where Debian, and most CNI distributions, put the plugins. */
export const CNI_FOLDERS: readonly string[] = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'];

/** How to make a {@link CniAttacher}. */
export interface CniAttacherOptions {
  /** Read anew for every attach, so that a changed file applies to the next pod. */
  readonly config: () => CniConfigList;
  readonly folders?: readonly string[];
}

interface CniResult {
  readonly ips?: readonly { readonly address?: string }[];
  readonly [field: string]: unknown;
}

/** What was used for ADD, kept for DEL. */
interface CniState {
  readonly config: CniConfigList;
  readonly result: CniResult | null;
}

const PLUGIN_TIMEOUT_MS = 60_000;
const INTERFACE = 'eth0';
/** Error code of the CNI specification: try again later. */
const TRY_AGAIN = 11;

/** Attaches pods by executing a chain of CNI plugins, as any CNI runtime does. */
export class CniAttacher implements Attacher {
  readonly #options: CniAttacherOptions;

  constructor(options: CniAttacherOptions) {
    this.#options = options;
  }

  plan(): Promise<CniState> {
    return Promise.resolve({ config: this.#options.config(), result: null });
  }

  async attach(request: PodNetworkRequest, plan: unknown): Promise<Attached> {
    const { config } = asState(plan);
    let result: CniResult | null = null;
    for (const plugin of config.plugins) {
      result = await this.#call('ADD', { request, config, plugin, previous: result });
    }
    const ips = (result?.ips ?? []).flatMap((ip) => ip.address?.split('/')[0] ?? []);
    if (ips.length === 0) {
      throw new NetworkError(
        'Failed',
        `Cannot attach ${podName(request)}: the CNI chain ${config.name} gave no address`,
      );
    }
    return {
      ips,
      state: { config, result },
      publishesHostPorts: config.plugins.some((plugin) => plugin.capabilities?.portMappings === true),
    };
  }

  async detach(request: PodNetworkRequest, state: unknown): Promise<void> {
    const { config, result } = asState(state);
    for (const plugin of config.plugins.toReversed()) {
      await this.#call('DEL', { request, config, plugin, previous: result });
    }
  }

  freeLeaked(): Promise<readonly string[]> {
    // Where a chain keeps its addresses is the chain's own business.
    return Promise.resolve([]);
  }

  killLeftovers(): Promise<void> {
    // A plugin cut off from its caller ends within milliseconds; killing it half-way would be worse.
    return Promise.resolve();
  }

  check(): Promise<string | null> {
    try {
      const config = this.#options.config();
      const missing = config.plugins.find((plugin) => this.#find(plugin.type) === null);
      return Promise.resolve(missing === undefined ? null : missingMessage(missing.type));
    } catch (err) {
      return Promise.resolve(err instanceof Error ? err.message : String(err));
    }
  }

  async #call(
    command: 'ADD' | 'DEL',
    call: {
      readonly request: PodNetworkRequest;
      readonly config: CniConfigList;
      readonly plugin: CniPluginConfig;
      readonly previous: CniResult | null;
    },
  ): Promise<CniResult | null> {
    const { request, config, plugin, previous } = call;
    const program = this.#find(plugin.type);
    const what = `${command === 'ADD' ? 'attach' : 'detach'} ${podName(request)}`;
    if (program === null) {
      throw new NetworkError('MissingTool', `Cannot ${what}: ${missingMessage(plugin.type)}`);
    }
    const gone = !existsSync(request.netnsPath);
    const input = JSON.stringify({
      ...plugin,
      cniVersion: config.cniVersion,
      name: config.name,
      ...(previous === null ? {} : { prevResult: previous }),
      ...(plugin.capabilities?.portMappings === true
        ? { runtimeConfig: { portMappings: (request.hostPorts ?? []).map(portMapping) } }
        : {}),
    });
    const { exitCode, stdout, stderr } = await run(program, [], {
      input,
      timeoutMs: PLUGIN_TIMEOUT_MS,
      okExitCodes: 'any',
      env: {
        PATH: process.env.PATH ?? '',
        CNI_COMMAND: command,
        CNI_CONTAINERID: request.podUid,
        CNI_NETNS: gone ? '' : request.netnsPath,
        CNI_IFNAME: INTERFACE,
        CNI_PATH: this.#folders().join(':'),
        CNI_ARGS: [
          'IgnoreUnknown=1',
          `K8S_POD_NAMESPACE=${request.podNamespace}`,
          `K8S_POD_NAME=${request.podName}`,
          `K8S_POD_INFRA_CONTAINER_ID=${request.podUid}`,
          `K8S_POD_UID=${request.podUid}`,
        ].join(';'),
      },
    });
    if (exitCode !== 0) {
      throw pluginError({ what, plugin: plugin.type, said: stdout.trim() || stderr.trim() });
    }
    if (command === 'DEL' || stdout.trim() === '') {
      return null;
    }
    const result: CniResult = JSON.parse(stdout);
    return result;
  }

  #folders(): readonly string[] {
    return this.#options.folders ?? CNI_FOLDERS;
  }

  #find(type: string): string | null {
    if (type.includes('/')) {
      return null;
    }
    return (
      this.#folders()
        .map((folder) => `${folder}/${type}`)
        .find((path) => existsSync(path)) ?? null
    );
  }
}

function asState(state: unknown): CniState {
  if (typeof state === 'object' && state !== null && 'config' in state) {
    return state as CniState;
  }
  throw new NetworkError(
    'Failed',
    'Cannot use the saved network state of a pod: it was not written by the CNI attacher',
  );
}

function pluginError(failure: { readonly what: string; readonly plugin: string; readonly said: string }): NetworkError {
  let message = failure.said;
  let code = 0;
  try {
    const parsed: { code?: number; msg?: string; details?: string } = JSON.parse(failure.said);
    code = parsed.code ?? 0;
    message = [parsed.msg, parsed.details].filter(Boolean).join(': ');
  } catch {
    // Not the JSON of the specification: what it printed is the best there is.
  }
  const full = /no IP addresses available|address pool exhausted/i.test(message);
  return new NetworkError(
    full ? 'NoAddress' : 'Failed',
    `Cannot ${failure.what}: the CNI plugin ${failure.plugin} says: ${message}${code === TRY_AGAIN ? ' (try again later)' : ''}`,
  );
}

function missingMessage(type: string): string {
  return `the CNI plugin ${type} is not installed (on Debian: containernetworking-plugins)`;
}

function portMapping(port: NonNullable<PodNetworkRequest['hostPorts']>[number]): object {
  return {
    hostPort: port.hostPort,
    containerPort: port.containerPort,
    protocol: port.protocol.toLowerCase(),
    ...(port.hostIP === undefined ? {} : { hostIP: port.hostIP }),
  };
}

function podName(request: PodNetworkRequest): string {
  return `pod ${request.podNamespace}/${request.podName}`;
}
