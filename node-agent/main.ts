/** `skiff agent`: runs the pods of this machine. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GrpcConnection } from '../lib/client/grpc-connection.ts';
import { GrpcResourceClient } from '../lib/client/grpc-resource-client.ts';
import { systemClock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import { EventRecorder } from '../lib/events.ts';
import type { Logger } from '../lib/logger.ts';
import { runProgram } from '../lib/program.ts';
import { runAgent } from './agent.ts';
import { CgroupTree } from './cgroups/cgroup-tree.ts';
import { type AgentConfig, helpText, parseConfig } from './config.ts';
import { pooledMountTool } from './images/mount-tool.ts';
import { OverlayImageStore } from './images/overlay-image-store.ts';
import { SkopeoRegistry } from './images/skopeo-registry.ts';
import { createCniNetwork } from './network/cni-network.ts';
import { nodePaths } from './paths.ts';
import { ConmonCrunRuntime } from './runtime/conmon-crun/conmon-crun-runtime.ts';
import type { StepListener } from './runtime/runtime.ts';
import { startAgentServer } from './server/agent-server.ts';
import { tearDownNode } from './teardown.ts';
import { fileTrace, tracePorts } from './trace.ts';

// Put in by the bundler.
declare const SKIFF_VERSION: string | undefined;

void runProgram({
  name: 'agent',
  parseConfig,
  helpText,
  run: (config, log, signal) => (config.teardown ? tearDown(config, log, signal) : serve(config, log, signal)),
});

/** The parts of this machine. */
function machineParts(config: AgentConfig, log: Logger, onStep?: StepListener) {
  const paths = nodePaths(config.root);
  for (const dir of [paths.run, paths.data]) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const cgroups = new CgroupTree(config.cgroupRoot);
  return {
    paths,
    cgroups,
    runtime: new ConmonCrunRuntime({
      root: config.root,
      cgroups,
      ...(onStep === undefined ? {} : { onStep }),
      onWarning: (warning) => log.warn({ warning }, 'runtime warning'),
    }),
    network: createCniNetwork({
      root: config.root,
      podCidr: config.podCidr,
      clusterCidr: config.clusterCidr,
      prefix: config.linkPrefix,
    }),
    images: new OverlayImageStore({
      directory: join(paths.data, 'images'),
      registry: new SkopeoRegistry(),
      mountTool: pooledMountTool(join(paths.run, 'shells/images')),
      maxParallelPulls: config.maxParallelPulls,
    }),
    clock: systemClock,
    log,
  };
}

async function serve(config: AgentConfig, log: Logger, signal: AbortSignal): Promise<number> {
  const onStep = config.traceFile === undefined ? undefined : fileTrace(config.traceFile);
  const parts = machineParts(config, log, onStep);
  const connection = new GrpcConnection({
    endpoints: config.servers,
    ca: readCredential(config.caFile),
    cert: readCredential(config.certFile),
    key: readCredential(config.keyFile),
  });
  const client = new GrpcResourceClient(connection);
  const events = new EventRecorder({ client, component: 'kubelet', host: config.nodeName, log });
  const recording = events.run(signal);
  await runAgent(
    config,
    {
      ...parts,
      client,
      ...(onStep === undefined ? {} : tracePorts({ ...parts, client }, onStep)),
      events,
      version: typeof SKIFF_VERSION === 'undefined' ? 'dev' : `v${SKIFF_VERSION}`,
      serve: (workers, imagesChanged) => startAgentServer({ config, workers, imagesChanged, ...parts }, signal),
    },
    signal,
  );
  await recording;
  connection.close();
  return 0;
}

async function tearDown(config: AgentConfig, log: Logger, signal: AbortSignal): Promise<number> {
  const left = await tearDownNode(machineParts(config, log), signal);
  for (const line of left) process.stderr.write(`not removed: ${line}\n`);
  return left.length === 0 ? 0 : 1;
}

function readCredential(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (err) {
    throw new Error(`Cannot read the certificate file ${file}: ${errorMessage(err)}`, { cause: err });
  }
}
