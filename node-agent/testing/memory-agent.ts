/** An agent without a machine, for tests: real workers over runtime, images, network and API in memory, with time by hand. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { FakeClock } from '../../lib/clock.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { MemoryImageStore } from '../images/memory-image-store.ts';
import type { PodAttachment, PodNetwork } from '../network/pod-network.ts';
import { nodePaths } from '../paths.ts';
import type { AgentLog, PodEnvironment } from '../pods/environment.ts';
import { PodWorkers } from '../pods/pod-workers.ts';
import { StartLimit } from '../pods/start-limit.ts';
import { StatusWriter } from '../pods/status-writer.ts';
import { ProbeWheel } from '../probes/probe-wheel.ts';
import { MemoryRuntime } from '../runtime/memory-runtime.ts';

/** Gives out addresses and wires nothing. */
export class MemoryNetwork implements PodNetwork {
  /** Pod uid → address. */
  readonly attached = new Map<string, string>();

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  async setup({ podUid }: { readonly podUid: string }): Promise<PodAttachment> {
    const ip = this.attached.get(podUid) ?? `10.0.0.${this.attached.size + 2}`;
    this.attached.set(podUid, ip);
    return attachment(podUid, ip);
  }
  async teardown(podUid: string): Promise<void> {
    this.attached.delete(podUid);
  }
  async inspect(podUid: string): Promise<PodAttachment | null> {
    const ip = this.attached.get(podUid);
    return ip === undefined ? null : attachment(podUid, ip);
  }
  async list(): Promise<readonly PodAttachment[]> {
    return [...this.attached].map(([podUid, ip]) => attachment(podUid, ip));
  }
  async sweep(): Promise<readonly string[]> {
    return [];
  }
  async check(): Promise<string | null> {
    return null;
  }
}

function attachment(podUid: string, ip: string): PodAttachment {
  return { podUid, podName: '', podNamespace: '', ips: [ip], netnsPath: '', hostPorts: [] };
}

const SILENT: AgentLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** See the top of the file. The node is called `node`; the image `app:1` is present and sleeps. */
export class MemoryAgent {
  readonly root = mkdtempSync(join(tmpdir(), 'skiff-agent-'));
  readonly clock = new FakeClock(Date.now());
  readonly api = new MemoryResourceClient({ clock: this.clock });
  readonly runtime = new MemoryRuntime();
  readonly images = new MemoryImageStore();
  readonly network = new MemoryNetwork();
  /** `reason: message` of every event, in order. */
  readonly events: string[] = [];
  readonly log = SILENT;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #statuses: StatusWriter | undefined;
  #workers: PodWorkers | undefined;

  constructor() {
    this.images.add(['app:1'], { config: { cmd: ['sleep', '1000'] } });
  }

  /** The workers of the agent that runs now. */
  get workers(): PodWorkers {
    if (this.#workers === undefined) throw new Error('the agent has not been started');
    return this.#workers;
  }

  /** Starts an agent, adopting what an earlier one left. */
  async start(): Promise<void> {
    this.#stop = new AbortController();
    this.#statuses = new StatusWriter({ client: this.api, clock: this.clock, log: SILENT });
    const env: PodEnvironment = {
      client: this.api,
      runtime: this.runtime,
      network: this.network,
      images: this.images,
      resolveUser: async () => ({ uid: 0, gid: 0, additionalGids: [] }),
      statuses: this.#statuses,
      events: { record: (_, __, reason, message) => void this.events.push(`${reason}: ${message}`) },
      resyncMs: 30_000,
      starts: new StartLimit(4),
      wheel: new ProbeWheel(this.clock),
      clock: this.clock,
      log: SILENT,
      paths: nodePaths(this.root),
      node: {
        name: 'node',
        ips: ['10.9.9.9'],
        memoryBytes: 1024 ** 3,
        allocatable: {},
        clusterDomain: 'cluster.local',
        cgroupRoot: 'x',
        podPidsLimit: 100,
        runtimeName: 'memory',
        resolvConfPath: '/etc/resolv.conf',
        hostsPath: '/etc/hosts',
      },
    };
    this.#workers = new PodWorkers(env);
    await this.#workers.adopt();
    this.#running = this.#workers.run(this.#stop.signal);
  }

  /** Ends the agent; containers stay. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#statuses?.close();
  }

  /** Ends the agent and removes its folder. */
  async close(): Promise<void> {
    await this.stop();
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Creates the pod `p` in `default`, bound to this node. */
  createPod(spec: corev1.PodSpec): Promise<corev1.Pod> {
    const pod = { metadata: { name: 'p', namespace: 'default' }, spec: { nodeName: 'node', ...spec } };
    return this.api.create(KINDS.Pod, pod);
  }
}
