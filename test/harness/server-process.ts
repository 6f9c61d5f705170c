/** A control plane as its own process, built product, over an etcd that a test runs: to be killed, started again, measured. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../control-plane/store/testing/test-etcd.ts';
import { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { type ClusterPki, ensureClusterPki } from '../../lib/pki.ts';
import { KINDS } from '../../proto/index.ts';
import { waitFor } from './wait.ts';

const project = join(import.meta.dirname, '../..');

/** Why servers cannot be run here; undefined when they can. */
export function serverUnavailable(): string | undefined {
  return existsSync(join(project, 'dist/control-plane.cjs')) ? undefined : 'needs the built product (npm run build)';
}

/** How soon a server that ended by itself is started again. */
const RESTART_MS = 300;

/** Certificates that all servers of one cluster share, in a folder of their own. */
export interface SharedPki {
  readonly dir: string;
  readonly pki: ClusterPki;
}

/** Makes the certificates of a cluster on this machine. Remove `dir` afterwards. */
export async function sharedPki(): Promise<SharedPki> {
  const dir = mkdtempSync(join(tmpdir(), 'skiff-pki-'));
  return { dir, pki: await ensureClusterPki(dir, { names: ['127.0.0.1', 'localhost'] }) };
}

/** See the top of the file. */
export class ServerProcess {
  readonly endpoint: string;
  readonly #pki: SharedPki;
  readonly #root: string;
  readonly #args: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  /** Starts the process again when it ended by itself, as whoever supervises a server does. */
  #again: NodeJS.Timeout | undefined;

  private constructor(
    pki: SharedPki,
    { port, etcd, env }: { port: number; etcd: string; env: Readonly<Record<string, string>> },
  ) {
    this.endpoint = `127.0.0.1:${port}`;
    this.#pki = pki;
    this.#env = env;
    this.#root = mkdtempSync(join(tmpdir(), 'skiff-server-'));
    mkdirSync(join(this.#root, 'var/lib/skiff'), { recursive: true, mode: 0o700 });
    cpSync(pki.dir, join(this.#root, 'var/lib/skiff/pki'), { recursive: true });
    const listen = ['--listen', this.endpoint, '--join-listen', '127.0.0.1:0'];
    this.#args = ['server', '--root', this.#root, ...listen, '--etcd-endpoints', etcd];
  }

  /** Starts a server over the etcd at the URL `etcd`, and waits until it serves. */
  static async start(pki: SharedPki, etcd: string, env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    const server = new ServerProcess(pki, { port: await freePort(), etcd, env });
    await server.boot();
    return server;
  }

  /** Starts the process, again after {@link kill}; waits until it serves. */
  async boot(): Promise<void> {
    this.launch();
    await this.serves();
  }

  /** Starts the process and does not wait for it. */
  launch(): void {
    const log = openSync(join(this.#root, 'server.log'), 'a');
    const env = { ...process.env, ...this.#env };
    const args = [join(project, 'bin/skiff'), ...this.#args];
    const child = spawn(process.execPath, args, { stdio: ['ignore', log, log], env });
    closeSync(log);
    this.#child = child;
    child.once('exit', () => {
      if (this.#child === child) this.#again = setTimeout(() => this.launch(), RESTART_MS);
    });
  }

  /** Resolves when a list is answered. */
  async serves(): Promise<void> {
    const connection = this.connect();
    try {
      const client = new GrpcResourceClient(connection);
      await waitFor(
        `the server at ${this.endpoint} to answer`,
        async () => (await client.list(KINDS.Namespace, { signal: AbortSignal.timeout(5_000) })) !== undefined,
        { timeoutMs: 60_000 },
      );
    } catch (err) {
      throw new Error(`${(err as Error).message}\n${this.log()}`, { cause: err });
    } finally {
      connection.close();
    }
  }

  /** A connection as the administrator, to this server first and to `others` when it is away. */
  connect(...others: readonly ServerProcess[]): GrpcConnection {
    const { ca, admin } = this.#pki.pki;
    const endpoints = [this, ...others].map((server) => server.endpoint);
    return new GrpcConnection({
      endpoints,
      ca,
      ...admin,
      callTimeoutMs: 20_000,
      connectTimeoutMs: others.length > 0 ? 2_000 : 20_000,
    });
  }

  /** Memory the process holds now. */
  rssBytes(): number {
    const status = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  }

  /** Ends the process as a crash does, or with another signal; resolves when it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    clearTimeout(this.#again);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  /** Holds the process still for a while, as a machine without breath does. */
  async suspend(forMs: number): Promise<void> {
    const child = this.#child;
    child?.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, forMs));
    child?.kill('SIGCONT');
  }

  /** Ends the process and removes its folder. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** The end of the server's log. */
  log(): string {
    return readFileSync(join(this.#root, 'server.log'), 'utf8').slice(-4_000);
  }
}
