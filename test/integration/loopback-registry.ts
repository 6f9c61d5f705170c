/** A real image registry on the loopback address, for tests of the image store. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { waitFor } from '../harness/wait.ts';

/** The account of a registry that asks for one. */
export const ACCOUNT = { username: 'alice', password: 's3cret-test' };
/** Its line of an htpasswd file. */
const HTPASSWD = 'alice:$2y$04$KFHjcm56rckchTWEfg1/YuglXwcKMOxOe4ZGaA5WkuUwdZzBX5nvW\n';

/** Debian's registry on a free loopback port, with storage of its own. With `auth` it serves only {@link ACCOUNT}. */
export class LoopbackRegistry {
  readonly #child: ChildProcess;
  /** How images in it are named: `127.0.0.1:<port>`. */
  readonly host: string;
  readonly #log: () => string;

  private constructor(child: ChildProcess, host: string, log: () => string) {
    this.#child = child;
    this.host = host;
    this.#log = log;
  }

  /** Starts one whose files lie in `folder`, and waits until it answers. */
  static async start(folder: string, options: { readonly auth: boolean }): Promise<LoopbackRegistry> {
    await mkdir(folder, { recursive: true });
    const port = await freePort();
    const config = {
      version: '0.1',
      log: { level: 'warn' },
      storage: { filesystem: { rootdirectory: join(folder, 'data') } },
      http: { addr: `127.0.0.1:${port}` },
      ...(options.auth ? { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } } : {}),
    };
    await writeFile(join(folder, 'htpasswd'), HTPASSWD);
    await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
    const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    const registry = new LoopbackRegistry(child, `127.0.0.1:${port}`, () => log);
    await waitFor('the registry to answer', async () => {
      const answer = await fetch(`http://${registry.host}/v2/`);
      return answer.status === 200 || answer.status === 401;
    });
    return registry;
  }

  /** Pushes an archive with one image under a name here. */
  push(archive: string, name: string, extra: readonly string[] = []): void {
    execFileSync(
      'skopeo',
      [
        'copy',
        '--quiet',
        '--all',
        '--dest-tls-verify=false',
        ...extra,
        `oci-archive:${archive}`,
        `docker://${this.host}/${name}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
  }

  /** How many layers and configurations were downloaded so far. */
  blobDownloads(): number {
    return this.#log()
      .split('\n')
      .filter((line) => line.includes('"GET /v2/') && line.includes('/blobs/')).length;
  }

  /** Ends it; its files stay. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
