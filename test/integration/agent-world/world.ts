/** One small machine for agent tests: network namespace, folders, cgroups, an API in this process, the agent in another. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { build } from 'esbuild';
import { BUSYBOX_REFERENCES, busyboxImages } from '../../../build/demo-images/busybox.ts';
import { MemoryResourceClient } from '../../../lib/client/memory-resource-client.ts';
import { buildImage, encodeOciArchive } from '../../../lib/oci-image-writer.ts';
import { OverlayImageStore } from '../../../node-agent/images/overlay-image-store.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { forgetRun, newRun, type TestRun } from '../../harness/run.ts';
import { cgroupRoot, findTraces, netnsName, removeTraces } from '../../harness/traces.ts';
import { waitFor } from '../../harness/wait.ts';
import { serveClient } from './remote-client.ts';

const PROGRAMS = ['crun', 'conmon', 'busybox', 'nft', 'ip', 'nsenter', 'unshare', 'mount'];

/** Why agents cannot run here; undefined when they can. */
export function agentUnavailable(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const folders = (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/sbin');
  const missing = PROGRAMS.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  return missing.length > 0 ? `needs ${missing.join(', ')}` : undefined;
}

/** See the top of the file. */
export class AgentWorld {
  readonly run: TestRun;
  readonly api = new MemoryResourceClient();
  readonly #netns: string;
  #server: Server | undefined;
  #child: ChildProcess | undefined;
  #bundle = '';

  private constructor() {
    this.run = newRun();
    this.#netns = netnsName(this.run);
  }

  /** Makes the world with the busybox image loaded, and starts the agent. */
  static async start(agentArgs: readonly string[] = []): Promise<AgentWorld> {
    const world = new AgentWorld();
    const { run } = world;
    mkdirSync(join(run.dir, 'var/lib/skiff'), { recursive: true });
    const store = new OverlayImageStore({
      directory: join(run.dir, 'var/lib/skiff/images'),
      registry: { fetch: () => Promise.reject(new Error('no registry')) },
      syncToDisk: false,
    });
    await store.sweep();
    const images = (await busyboxImages(BUSYBOX_REFERENCES)).map(buildImage);
    await store.load(Readable.from([encodeOciArchive(images)]));
    execFileSync('ip', ['netns', 'add', world.#netns]);
    execFileSync('nsenter', [`--net=/run/netns/${world.#netns}`, 'ip', 'link', 'set', 'lo', 'up']);
    world.#bundle = join(run.dir, 'agent-child.mjs');
    await build({
      entryPoints: [join(import.meta.dirname, 'agent-child.ts')],
      outfile: world.#bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'silent',
      banner: { js: "import { createRequire as cr } from 'node:module'; const require = cr(import.meta.url);" },
    });
    world.#server = await serveClient(world.api, world.socket);
    for (const name of ['default', 'kube-node-lease']) {
      await world.api.create(KINDS.Namespace, { metadata: { name } });
    }
    await world.startAgent(agentArgs);
    return world;
  }

  get socket(): string {
    return join(this.run.dir, 'api.sock');
  }

  /** A path under the world's root. */
  path(...parts: readonly string[]): string {
    return join(this.run.dir, ...parts);
  }

  /** What the agent has logged. */
  get log(): string {
    const file = this.path('agent.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Starts the agent (again) and waits until its node is ready. */
  async startAgent(args: readonly string[] = []): Promise<void> {
    const errors = openSync(this.path('agent.err'), 'a');
    const before = this.log.length;
    const argv = [
      `--net=/run/netns/${this.#netns}`,
      process.execPath,
      '--enable-source-maps',
      this.#bundle,
      this.socket,
    ];
    argv.push(...this.#place());
    argv.push(
      '--node-name',
      'node-1',
      '--node-ip',
      '127.0.0.1',
      '--log-file',
      this.path('agent.log'),
      '--listen',
      '127.0.0.1:0',
    );
    argv.push('--log-level', 'debug', '--resync', '3s', ...args);
    this.#child = spawn('nsenter', argv, { stdio: ['ignore', 'ignore', errors] });
    await waitFor('the agent to start', () => this.log.slice(before).includes('agent started') || this.#diedEarly());
  }

  #place(): string[] {
    const { run } = this;
    return ['--root', run.dir, '--cgroup-root', cgroupRoot(run), '--link-prefix', `k${run.id}`];
  }

  #diedEarly(): false {
    if (this.#child?.exitCode != null)
      throw new Error(`the agent ended: ${readFileSync(this.path('agent.err'), 'utf8')}`);
    return false;
  }

  /** Ends the agent with a signal and waits until it is gone. */
  async stopAgent(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** A program in the world's network. */
  command(argv: readonly string[]): string {
    return execFileSync('nsenter', [`--net=/run/netns/${this.#netns}`, ...argv], { encoding: 'utf8' });
  }

  /** Creates a pod bound to this node, with defaults as the API gives them. */
  async createPod(name: string, spec: corev1.PodSpec, metadata: Record<string, unknown> = {}): Promise<corev1.Pod> {
    return this.api.create(KINDS.Pod, {
      metadata: { name, namespace: 'default', ...metadata },
      spec: { nodeName: 'node-1', terminationGracePeriodSeconds: 1, ...spec },
    });
  }

  /** Waits until the pod is as asked. */
  async pod(name: string, what: string, holds: (pod: corev1.Pod) => boolean, timeoutMs = 30_000): Promise<corev1.Pod> {
    let last: corev1.Pod | undefined;
    try {
      return await waitFor(
        `pod ${name} ${what}`,
        async () => {
          last = await this.api.get(KINDS.Pod, { namespace: 'default', name });
          return holds(last) ? last : undefined;
        },
        { timeoutMs, everyMs: 10 },
      );
    } catch (err) {
      throw new Error(
        `${String(err)}\n${JSON.stringify(last?.status, null, 1)}\n${this.log.split('\n').slice(-15).join('\n')}`,
        { cause: err },
      );
    }
  }

  /** Waits until the pod is ready. */
  ready(name: string): Promise<corev1.Pod> {
    return this.pod(name, 'to be ready', isReady);
  }

  /** Deletes a pod and waits until it is gone, from the API and from the machine. */
  async deletePod(name: string, gracePeriodSeconds?: number): Promise<void> {
    const pod = await this.api.get(KINDS.Pod, { namespace: 'default', name });
    const uid = pod.metadata?.uid ?? '';
    await this.api.delete(
      KINDS.Pod,
      { namespace: 'default', name },
      gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds },
    );
    await waitFor(
      `pod ${name} to go`,
      () =>
        !this.api.peek(KINDS.Pod).some(({ metadata }) => metadata?.uid === uid) &&
        !existsSync(this.path('run/skiff/pods', uid)),
      { everyMs: 10 },
    ).catch((err: unknown) => {
      throw new Error(`${String(err)}\n${this.log.split('\n').slice(-10).join('\n')}`, { cause: err });
    });
  }

  /** What is on the machine of a pod, by its uid: mounts, folders, cgroups. */
  tracesOf(uid: string): string[] {
    const shown = execFileSync('find', [this.run.dir, '/sys/fs/cgroup', '-name', `*${uid}*`], { encoding: 'utf8' });
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(uid));
    return [...shown.split('\n').filter((line) => line !== ''), ...mounts];
  }

  /** The messages of a pod's events with a reason. */
  events(reason: string): string[] {
    return this.api
      .peek(KINDS.Event)
      .filter((event) => event.reason === reason)
      .map((event) => event.message ?? '');
  }

  /** Ends the agent, tears the node down as `skiff down` does, and returns what that had left behind (empty is the proof). */
  async stop(): Promise<string[]> {
    await this.stopAgent('SIGTERM');
    this.#server?.close();
    const argv = [`--net=/run/netns/${this.#netns}`, process.execPath, this.#bundle, this.socket, ...this.#place()];
    const teardown = spawnSync('nsenter', [...argv, '--teardown', '--log-level', 'warn'], { encoding: 'utf8' });
    const left = findTraces(this.run).filter((line) => !line.startsWith('network namespace'));
    execFileSync('ip', ['netns', 'del', this.#netns]);
    removeTraces(this.run);
    forgetRun(this.run);
    if (teardown.status !== 0) left.push(`teardown ended with ${teardown.status}: ${teardown.stderr}`);
    return left;
  }
}

/** Whether the Ready condition holds. */
export function isReady(pod: corev1.Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}
