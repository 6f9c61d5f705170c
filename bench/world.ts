/**
 * A cluster for a benchmark: the built product with production settings, in a network namespace of its own. What talks to the API must
 * be inside that namespace, so a benchmark runs itself again in there: `insideWorld` starts it, `worldFromInside` is its view.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GrpcConnection } from '../lib/client/grpc-connection.ts';
import { TestCluster } from '../test/harness/cluster.ts';
import { loadBusybox } from '../test/harness/images.ts';
import { cgroupRoot } from '../test/harness/traces.ts';

/** The image every benchmark's containers run. */
export const IMAGE = 'busybox:latest';

/** The view from inside the namespace. */
export interface World {
  readonly dir: string;
  readonly cgroupRoot: string;
  readonly connection: GrpcConnection;
}

const INSIDE = '--inside';

/** Starts a cluster, runs this same program inside it, and takes it down; returns what the inner run printed. */
export async function insideWorld(
  options: { readonly upArgs?: readonly string[]; readonly image?: boolean } = {},
): Promise<string> {
  const { upArgs } = options;
  const cluster = await TestCluster.start({ runOnTmpfs: true, ...(upArgs === undefined ? {} : { upArgs }) });
  try {
    if (options.image !== false) await loadBusybox(cluster);
    return await runInside(cluster);
  } catch (err) {
    process.stderr.write(`${cluster.logs()}\n`);
    throw err;
  } finally {
    await cluster.stop();
  }
}

function runInside(cluster: TestCluster): Promise<string> {
  const { dir } = cluster.run;
  const own = [process.execPath, '--enable-source-maps', process.argv[1] ?? ''];
  const rest = process.argv.slice(2);
  const argv = [`--net=/run/netns/${cluster.netns}`, ...own, INSIDE, dir, cgroupRoot(cluster.run), ...rest];
  return new Promise((resolve, reject) => {
    const child = spawn('nsenter', argv, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SKIFF_CONFIG: cluster.configFile, HOME: join(dir, 'home'), NO_COLOR: '1' },
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`the benchmark ended with ${code} inside its cluster`));
    });
  });
}

/** The world this program was started in; undefined outside. */
export function worldFromInside(): World | undefined {
  const [, , first, dir, root] = process.argv;
  if (first !== INSIDE || dir === undefined || root === undefined) return undefined;
  return { dir, cgroupRoot: root, connection: connect(dir) };
}

/** A connection of its own to the cluster's API, as the administrator. */
export function connect(dir: string): GrpcConnection {
  const pem = (file: string): string => readFileSync(join(dir, 'var/lib/skiff/pki', file), 'utf8');
  return new GrpcConnection({
    endpoints: ['127.0.0.1:7443'],
    ca: pem('ca.crt'),
    cert: pem('admin.crt'),
    key: pem('admin.key'),
  });
}
