/**
 * The command line in this process, against the real API over real TLS, on a store in memory: what it prints is compared as a
 * whole. An agent that plays containers answers logs and exec.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { pino } from 'pino';
import { type ClientConfig, writeConfig } from '../../cli/config/client-config.ts';
import { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import { readServerConfig } from '../../control-plane/config.ts';
import { type LeaderTask, type RunningServer, startServer } from '../../control-plane/server.ts';
import { MemoryStore } from '../../control-plane/store/memory/memory-store.ts';
import { agentv1, allKinds, streamsv1 } from '../../proto/index.ts';
import { adminConfigFor, type CliResult, type CliRunOptions, runSkiff } from './run-skiff.ts';

/** Answers of the played agent. */
export interface PlayedAgent {
  logs(request: streamsv1.LogsRequest, call: ServerWritableStream<streamsv1.LogsRequest, streamsv1.LogsReply>): void;
  exec(call: ServerDuplexStream<streamsv1.ExecRequest, streamsv1.ExecReply>): void;
}

const silent: PlayedAgent = { logs: (_, call) => void call.end(), exec: (call) => void call.end() };

/** A server and the commands against it. */
export class CliUnderTest {
  readonly dir: string;
  readonly server: RunningServer;
  /** Writes as a part of the server: for what controllers and agents would write. */
  readonly system: LocalResourceClient;
  readonly #stop: AbortController;
  #agent: Server | undefined;
  #play: PlayedAgent = silent;

  private constructor(dir: string, server: RunningServer, stop: AbortController) {
    this.dir = dir;
    this.server = server;
    this.#stop = stop;
    this.system = new LocalResourceClient(server.services, 'system:test');
    writeConfig(this.configFile, this.config);
  }

  /** Starts the server, with these tasks of the leader. */
  static async start(leaderTasks: readonly LeaderTask[] = []): Promise<CliUnderTest> {
    const dir = mkdtempSync(join(tmpdir(), 'skiff-cli-'));
    const stop = new AbortController();
    const store = new MemoryStore();
    const server = await startServer(
      readServerConfig(['--root', dir, '--listen', '127.0.0.1:0']),
      {
        openBackend: async () => ({
          store,
          fencedStore: store,
          etcdVersion: '3.5.0',
          elect: (lead, signal) => lead(signal),
          close: async () => {},
        }),
        leaderTasks,
        version: '1.2.3',
        gitCommit: 'abc',
        descriptorsFile: undefined,
        log: pino({ level: 'silent' }),
      },
      stop.signal,
    );
    return new CliUnderTest(dir, server, stop);
  }

  /** The config that commands use. */
  get config(): ClientConfig {
    return adminConfigFor(`127.0.0.1:${this.server.port}`, this.server.pki);
  }

  get configFile(): string {
    return join(this.dir, 'config');
  }

  /** A file with this text; its path. */
  file(name: string, text: string): string {
    const path = join(this.dir, name);
    writeFileSync(path, text);
    return path;
  }

  /** Runs `skiff <args>`. Paths of this test's folder are printed as DIR. */
  run(args: readonly string[], options: CliRunOptions = {}): Promise<CliResult> {
    const env = { SKIFF_CONFIG: this.configFile, HOME: this.dir, PATH: process.env.PATH, ...options.env };
    return runSkiff(args, { ...options, env, mask: (text) => text.replaceAll(this.dir, 'DIR') });
  }

  /** Runs a command that must succeed and say nothing on standard error; what it printed. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0 || stderr !== '') throw new Error(`skiff ${args.join(' ')} ended with ${code}\n${stderr}${stdout}`);
    return stdout;
  }

  /** What `skiff create <args>` makes, in YAML. Asks no server: the config that is named leads nowhere. */
  generated(...args: readonly string[]): Promise<string> {
    const nowhere = this.file('nowhere', JSON.stringify({ ...this.config, contexts: {} }));
    const dashes = args.indexOf('--');
    const at = dashes === -1 ? args.length : dashes;
    const options = ['--dry-run=client', '-o', 'yaml', '--config', nowhere];
    return this.ok('create', ...args.slice(0, at), ...options, ...args.slice(at));
  }

  /** Applies manifests given as text or objects. */
  async apply(...manifests: readonly (string | object)[]): Promise<string> {
    const text = manifests.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n---\n');
    const { code, stdout, stderr } = await this.run(['apply', '-f', '-'], { stdin: text });
    if (code !== 0) throw new Error(`apply ended with ${code}\n${stderr}`);
    return stdout;
  }

  /** Creates the node `name` whose agent is played by `play`. */
  async playAgent(name: string, play: Partial<PlayedAgent>): Promise<void> {
    this.#play = { ...silent, ...play };
    if (this.#agent === undefined) {
      const { cert, key } = await this.server.pki.signNode(name, ['127.0.0.1']);
      const server = new Server();
      server.addService(streamsv1.StreamsService, {
        logs: (call: ServerWritableStream<streamsv1.LogsRequest, streamsv1.LogsReply>) =>
          this.#play.logs(call.request, call),
        exec: (call: ServerDuplexStream<streamsv1.ExecRequest, streamsv1.ExecReply>) => this.#play.exec(call),
      });
      const credentials = ServerCredentials.createSsl(Buffer.from(this.server.pki.ca), [
        { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) },
      ]);
      const port = await listen(server, '127.0.0.1:0', credentials);
      this.#agent = server;
      await this.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
      const status = {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      };
      await this.patchStatus('nodes', name, status);
    }
  }

  /** Sets the status of an object, as its agent or controller would. */
  async patchStatus(resource: string, name: string, status: object): Promise<void> {
    const type = allKinds().find((one) => one.plural === resource);
    if (type === undefined) throw new Error(`no kind ${resource}`);
    const at = { name, ...(type.namespaced ? { namespace: 'default' } : {}) };
    await this.system.patch(
      type,
      at,
      { type: 'merge', body: JSON.parse(JSON.stringify({ status })) },
      { subresource: 'status' },
    );
  }

  /** Stops everything and removes the folder. */
  async stop(): Promise<void> {
    this.#agent?.forceShutdown();
    this.#stop.abort();
    await this.server.stopped;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** The images of a node, played on a unix socket. */
export async function playImages(socket: string, play: Partial<agentv1.ImagesServer>): Promise<Server> {
  const refuse = (_: unknown, callback: sendUnaryData<never>): void => callback(new Error('not played'));
  const server = new Server();
  server.addService(agentv1.ImagesService, {
    load: refuse,
    list: refuse,
    remove: refuse,
    pull: refuse,
    ...play,
  } as agentv1.ImagesServer);
  await listen(server, `unix:${socket}`, ServerCredentials.createInsecure());
  return server;
}

function listen(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (err, port) => (err === null ? resolve(port) : reject(err)));
  });
}

/** The text with everything that differs from run to run replaced: ages, times, uids, versions, generated names. */
export function masked(text: string): string {
  return text
    .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\b/g, 'TIME')
    .replace(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000/g, 'TIME')
    .replace(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UID')
    .replace(/(resourceVersion"?: )"\d+"/g, '$1"N"')
    .replace(/\b\d{1,2}s\b/g, 'Ns');
}

/** A document written from the line after the backtick on: without that first line end, and with one at the end. */
export function yaml(text: string): string {
  return `${text.replace(/^\n/, '').trimEnd()}\n`;
}
