/** A real image registry inside a test cluster's own network. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestCluster } from './cluster.ts';
import { waitFor } from './wait.ts';

/** The account of a registry that asks for one. */
export const ACCOUNT = { username: 'alice', password: 's3cret-test' };
/** Its line of an htpasswd file. */
const HTPASSWD = 'alice:$2y$04$KFHjcm56rckchTWEfg1/YuglXwcKMOxOe4ZGaA5WkuUwdZzBX5nvW\n';

/** Why there can be no registry here; undefined when there can. Tests skip with this reason. */
export function registryUnavailable(): string | undefined {
  for (const tool of ['docker-registry', 'skopeo', 'umoci']) {
    try {
      execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' });
    } catch {
      return `needs ${tool}`;
    }
  }
  return undefined;
}

/** One registry, on a loopback port of the cluster's network namespace, with its own storage. */
export class TestRegistry {
  /** How images in it are named: `127.0.0.1:<port>`. */
  readonly host: string;
  readonly #cluster: TestCluster;
  readonly #dir: string;
  readonly #account: boolean;
  #child: ChildProcess | undefined;
  #log = '';

  private constructor(cluster: TestCluster, port: number, account: boolean) {
    this.#cluster = cluster;
    this.host = `127.0.0.1:${port}`;
    this.#dir = cluster.path(`registry-${port}`);
    this.#account = account;
  }

  /** Starts one and waits until it answers. With `account` it serves only those who show {@link ACCOUNT}. */
  static async start(
    cluster: TestCluster,
    options: { readonly port: number; readonly account?: boolean },
  ): Promise<TestRegistry> {
    const registry = new TestRegistry(cluster, options.port, options.account === true);
    await registry.start();
    return registry;
  }

  /** Starts it again after {@link stop}; what was pushed is still there. */
  async start(): Promise<void> {
    mkdirSync(this.#dir, { recursive: true });
    const htpasswd = join(this.#dir, 'htpasswd');
    const file = join(this.#dir, 'config.yml');
    writeFileSync(htpasswd, HTPASSWD);
    writeFileSync(
      file,
      JSON.stringify({
        version: '0.1',
        log: { level: 'warn' },
        storage: { filesystem: { rootdirectory: join(this.#dir, 'data') } },
        http: { addr: this.host },
        ...(this.#account ? { auth: { htpasswd: { realm: 'test', path: htpasswd } } } : {}),
      }),
    );
    const argv = [`--net=/run/netns/${this.#cluster.netns}`, 'docker-registry', 'serve', file];
    const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
      });
    }
    this.#child = child;
    await waitFor(`the registry at ${this.host} to answer`, async () => {
      if (child.exitCode !== null) throw new Error(this.#log);
      const { stderr, code } = await this.#cluster.command([
        'busybox',
        'wget',
        '-q',
        '-O',
        '-',
        `http://${this.host}/v2/`,
      ]);
      return code === 0 || stderr.includes('401');
    });
  }

  /** Pushes an image of an OCI layout under a name here, and gives its digest. */
  async push(layout: string, tag: string, name: string): Promise<string> {
    const credentials = this.#account ? ['--dest-creds', `${ACCOUNT.username}:${ACCOUNT.password}`] : [];
    const digestFile = join(this.#dir, `digest-${randomUUID()}`);
    const argv = ['skopeo', 'copy', '--quiet', '--dest-tls-verify=false', '--digestfile', digestFile, ...credentials];
    const to = `docker://${this.host}/${name}`;
    const { code, stderr } = await this.#cluster.command([...argv, `oci:${layout}:${tag}`, to]);
    if (code !== 0) throw new Error(`cannot push ${to}: ${stderr}`);
    return readFileSync(digestFile, 'utf8').trim();
  }

  /** Kills it and waits until it is gone. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
}

/**
 * Makes an OCI layout at `layout` with variants of an image of an archive: one for each of the tags, with the variable VERSION set
 * to it.
 */
export function makeVariants(
  archive: string,
  image: string,
  options: { layout: string; tags: readonly string[] },
): void {
  const { layout, tags } = options;
  const run = (program: string, ...args: string[]): void => {
    execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  run('skopeo', 'copy', '--quiet', `oci-archive:${archive}:${image}`, `oci:${layout}:base`);
  for (const tag of tags)
    run('umoci', 'config', '--image', `${layout}:base`, '--tag', tag, '--config.env', `VERSION=${tag}`);
}
