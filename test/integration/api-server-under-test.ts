/** A real server over a real etcd, in this process, for the tests of the API: own ports, own folder, nothing left behind. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { readServerConfig } from '../../control-plane/config.ts';
import { type RunningServer, type ServerParts, startServer } from '../../control-plane/server.ts';
import { openEtcdBackend } from '../../control-plane/store/etcd/etcd-backend.ts';
import { EtcdClient } from '../../control-plane/store/etcd/etcd-client.ts';
import { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import type { KeyPairPem } from '../../lib/pki.ts';

/** Why these tests cannot run here; undefined when they can. */
export function apiUnavailable(): string | undefined {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs etcd (Debian package etcd-server)';
  }
}

/** A server and a client with the administrator's certificate. */
export class ServerUnderTest {
  readonly root: string;
  readonly #ports: readonly [number, number];
  readonly #parts: Partial<ServerParts>;
  readonly #extraArgs: readonly string[];
  #stop = new AbortController();
  #server: RunningServer | undefined;
  #connections: GrpcConnection[] = [];

  private constructor(
    root: string,
    ports: readonly [number, number],
    { parts, args }: { readonly parts: Partial<ServerParts>; readonly args: readonly string[] },
  ) {
    this.root = root;
    this.#extraArgs = args;
    this.#ports = ports;
    this.#parts = parts;
  }

  /** Starts etcd and the server, with further options. */
  static async start(parts: Partial<ServerParts> = {}, args: readonly string[] = []): Promise<ServerUnderTest> {
    const root = mkdtempSync(join(tmpdir(), 'skiff-api-'));
    const under = new ServerUnderTest(root, [await freePort(), await freePort()], { parts, args });
    try {
      await under.boot();
    } catch (err) {
      rmSync(root, { recursive: true, force: true });
      throw err;
    }
    return under;
  }

  /** Starts the server, again after {@link halt}. */
  async boot(): Promise<void> {
    const [client, peer] = this.#ports;
    const args = ['--root', this.root, '--listen', '127.0.0.1:0', '--etcd-client-port', `${client}`];
    const config = readServerConfig([...args, '--etcd-peer-port', `${peer}`, ...this.#extraArgs]);
    const log = pino({ level: process.env.SKIFF_TEST_LOG ?? 'silent' });
    const parts: ServerParts = {
      openBackend: openEtcdBackend,
      leaderTasks: [],
      version: 'test',
      gitCommit: 'none',
      descriptorsFile: join(import.meta.dirname, '../../proto/gen/descriptors.binpb'),
      log,
      ...this.#parts,
    };
    this.#stop = new AbortController();
    this.#server = await startServer(config, parts, this.#stop.signal);
  }

  /** What runs. */
  get server(): RunningServer {
    if (this.#server === undefined) throw new Error('the server does not run');
    return this.#server;
  }

  /** Where its etcd listens for clients, on 127.0.0.1. */
  get etcdPort(): number {
    return this.#ports[0];
  }

  /** `host:port` of the API. */
  get endpoint(): string {
    return `127.0.0.1:${this.server.port}`;
  }

  /** A connection as the administrator, or as whoever the certificate says. */
  connect(identity: KeyPairPem = this.server.pki.admin, ca: string = this.server.pki.ca): GrpcConnection {
    const connection = new GrpcConnection({ endpoints: [this.endpoint], ca, ...identity });
    this.#connections.push(connection);
    return connection;
  }

  /** A client as the administrator. */
  client(): GrpcResourceClient {
    return new GrpcResourceClient(this.connect());
  }

  /** Stops the server as SIGTERM does. */
  async halt(): Promise<void> {
    this.#stop.abort();
    await this.#server?.stopped;
    for (const connection of this.#connections) connection.close();
    this.#connections = [];
    this.#server = undefined;
  }

  /** Stops everything, removes the folder, and proves that no etcd is left. */
  async stop(): Promise<void> {
    await this.halt();
    const processes = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
    if (processes.split('\n').some((line) => line.includes(this.root))) {
      throw new Error(`a process still uses ${this.root}:\n${processes}`);
    }
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Ends etcd as a crash does. The server starts it again. */
  killEtcd(): void {
    const { pid } = JSON.parse(readFileSync(join(this.root, 'run/skiff/etcd.pid.json'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
  }

  /** Makes etcd forget all history. */
  async compactEtcd(): Promise<void> {
    const { ca, client: pair } = this.server.pki.etcd;
    const tls = { ca: Buffer.from(ca), cert: Buffer.from(pair.cert), key: Buffer.from(pair.key) };
    const client = new EtcdClient({
      endpoints: [`https://127.0.0.1:${this.#ports[0]}`],
      tls,
      serverName: 'localhost',
    });
    try {
      const { header } = await client.range({ key: Buffer.from('x'), count_only: true }, 'read the revision');
      await client.compact(Number(header.revision));
    } finally {
      client.close();
    }
  }

  /** The end of etcd's log, for failures. */
  etcdLog(): string {
    return readFileSync(join(this.root, 'run/skiff/etcd.log'), 'utf8').slice(-2_000);
  }
}

/** A port nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
