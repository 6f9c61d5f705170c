/** Slow work on timers: logs are rotated, unused images removed, a damaged network mended. */
import { type Clock, sleep } from '../../lib/clock.ts';
import type { AgentConfig } from '../config.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { PodNetwork } from '../network/pod-network.ts';
import { rotateLog } from '../runtime/log-rotation.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { AgentLog } from './environment.ts';
import { allContainers } from './pod-resources.ts';
import type { PodWorkers } from './pod-workers.ts';

/** What housekeeping looks after. */
export interface HousekeepingOptions {
  readonly config: AgentConfig;
  readonly workers: PodWorkers;
  readonly images: ImageStore;
  readonly runtime: Runtime;
  readonly network: PodNetwork;
  readonly clock: Clock;
  readonly log: AgentLog;
}

const NETWORK_CHECK_MS = 30_000;

/** Works until aborted; never rejects. */
export async function keepHouse(options: HousekeepingOptions, signal: AbortSignal): Promise<void> {
  const { config, clock, log } = options;
  const every = async (ms: number, what: string, work: () => Promise<void>): Promise<void> => {
    for (;;) {
      await sleep(clock, ms, signal);
      if (signal.aborted) return;
      await work().catch((err: unknown) => log.warn({ what, err }, 'housekeeping failed'));
    }
  };
  await Promise.all([
    every(config.logRotation.everyMs, 'logs', () => rotateLogs(options)),
    every(config.imageGc.everyMs, 'images', () => collectImages(options)),
    every(NETWORK_CHECK_MS, 'network', () => mendNetwork(options)),
  ]);
}

async function rotateLogs({ config, workers, runtime }: HousekeepingOptions): Promise<void> {
  const { maxBytes, maxFiles } = config.logRotation;
  for (const worker of workers.list()) {
    for (const { name = '' } of allContainers(worker.pod.spec)) {
      const current = worker.container(name)?.current;
      if (current?.state !== 'running') continue;
      const path = `${worker.paths.logDir}/${name}/${current.attempt}.log`;
      await rotateLog(path, { maxBytes, maxFiles, reopen: () => runtime.reopenLog(current.id) });
    }
  }
}

async function collectImages({ config, workers, images, log }: HousekeepingOptions): Promise<void> {
  const inUse = workers.list().flatMap(({ pod }) => allContainers(pod.spec).map(({ image = '' }) => image));
  const { highPercent, lowPercent } = config.imageGc;
  const result = await images.garbageCollect({ highPercent, lowPercent, inUse: [...new Set(inUse)] });
  if (result.removed.length > 0)
    log.info({ images: result.removed, freedBytes: result.freedBytes }, 'unused images removed');
}

async function mendNetwork({ network, log }: HousekeepingOptions): Promise<void> {
  const problem = await network.check();
  if (problem === null) return;
  log.warn({ problem }, 'mending the pod network');
  await network.start();
}
