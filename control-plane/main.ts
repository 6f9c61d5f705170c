/** `skiff server`: the control plane in one process. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { ConfigError } from '../lib/config.ts';
import { errorMessage } from '../lib/errors.ts';
import { createLogger } from '../lib/logger.ts';
import { readServerConfig, type ServerConfig, serverHelp } from './config.ts';
import { LEADER_TASKS } from './leader-tasks.ts';
import { startServer } from './server.ts';
import { openEtcdBackend } from './store/etcd/etcd-backend.ts';

// Put in by the bundler.
declare const SKIFF_VERSION: string | undefined;
declare const SKIFF_COMMIT: string | undefined;

/** Wrong options: no restart mends it. */
const EXIT_USAGE = 2;

// Everything of ours is closed by now; what a library may have left open must not keep the process.
void main(process.argv.slice(2)).then((code) => process.exit(code));

async function main(args: readonly string[]): Promise<number> {
  let config: ServerConfig;
  try {
    config = readServerConfig(args);
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    for (const problem of err.problems) process.stderr.write(`error: ${problem}\n`);
    process.stderr.write('See skiff server --help.\n');
    return EXIT_USAGE;
  }
  if (config.help) {
    process.stdout.write(serverHelp());
    return 0;
  }
  return serve(config);
}

async function serve(config: ServerConfig): Promise<number> {
  // Warnings about libraries' use of Node.js are for developers; what gRPC would print, its errors say too.
  process.noDeprecation = true;
  setLogVerbosity(logVerbosity.NONE);
  const log = createLogger({ level: config.logLevel, file: config.logFile, component: 'server' });
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      log.info({ signal: name }, 'stopping');
      stop.abort();
    });
  }
  // A closing terminal is no reason to stop serving.
  process.on('SIGHUP', () => undefined);
  try {
    const parts = {
      openBackend: openEtcdBackend,
      leaderTasks: LEADER_TASKS,
      version: typeof SKIFF_VERSION === 'undefined' ? 'dev' : SKIFF_VERSION,
      gitCommit: typeof SKIFF_COMMIT === 'undefined' ? '' : SKIFF_COMMIT,
      descriptorsFile: descriptorsFile(),
      log,
    };
    const server = await startServer(config, parts, stop.signal);
    await server.stopped;
    log.info('stopped');
    return 0;
  } catch (err) {
    if (stop.signal.aborted) return 0;
    log.fatal({ err }, 'the server failed');
    process.stderr.write(`error: ${errorMessage(err)}\n`);
    return 1;
  }
}

/** The descriptor set beside the bundle, or where the generator puts it. */
function descriptorsFile(): string | undefined {
  const places = ['./descriptors.binpb', '../proto/gen/descriptors.binpb'];
  return places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((file) => existsSync(file));
}
