/** `skiff server`: the control plane in one process. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import type { Logger } from '../lib/logger.ts';
import { runProgram } from '../lib/program.ts';
import { readServerConfig, type ServerConfig, serverHelp } from './config.ts';
import { LEADER_TASKS } from './leader-tasks.ts';
import { startServer } from './server.ts';
import { openEtcdBackend } from './store/etcd/etcd-backend.ts';

// Put in by the bundler.
declare const SKIFF_VERSION: string | undefined;
declare const SKIFF_COMMIT: string | undefined;

void runProgram({ name: 'server', parseConfig: readServerConfig, helpText: serverHelp, run: serve });

async function serve(config: ServerConfig, log: Logger, signal: AbortSignal): Promise<number> {
  // What gRPC would print, its errors say too.
  setLogVerbosity(logVerbosity.NONE);
  const parts = {
    openBackend: openEtcdBackend,
    leaderTasks: LEADER_TASKS,
    version: typeof SKIFF_VERSION === 'undefined' ? 'dev' : SKIFF_VERSION,
    gitCommit: typeof SKIFF_COMMIT === 'undefined' ? '' : SKIFF_COMMIT,
    descriptorsFile: descriptorsFile(),
    log,
  };
  const server = await startServer(config, parts, signal);
  await server.stopped;
  log.info('stopped');
  return 0;
}

/** The descriptor set beside the bundle, or where the generator puts it. */
function descriptorsFile(): string | undefined {
  const places = ['./descriptors.binpb', '../proto/gen/descriptors.binpb'];
  return places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((file) => existsSync(file));
}
