/** Runs the controllers of the registry over one client. */
import { setMaxListeners } from 'node:events';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { EventRecorder } from '../../lib/events.ts';
import { runReconcileLoop } from '../../lib/reconcile-loop.ts';
import {
  type Controller,
  type ControllerContext,
  type ControllerDefinition,
  type ControllerLog,
  type ControllerSettings,
  DEFAULT_SETTINGS,
} from './controller.ts';
import { CONTROLLERS } from './registry.ts';
import { SharedInformers } from './shared-informers.ts';

/** What {@link runControllers} may be given. */
export interface RunControllersOptions {
  readonly log: ControllerLog;
  readonly clock?: Clock;
  readonly settings?: Partial<ControllerSettings>;
  /** Informers to share with others of this process. Whoever makes them runs them, once the controllers are created. */
  readonly informers?: SharedInformers;
  /** Which controllers; all of the registry unless said. */
  readonly controllers?: readonly ControllerDefinition[];
  /** Told once all caches are filled and the controllers work. */
  readonly onReady?: () => void;
}

/**
 * Runs until `signal` aborts, and settles when every reconcile under way has ended. Only the leader may run it. Rejects
 * only on a programming error.
 */
export async function runControllers(
  client: ResourceClient,
  options: RunControllersOptions,
  signal: AbortSignal,
): Promise<void> {
  // Every loop and request under way listens to it.
  setMaxListeners(0, signal);
  const clock = options.clock ?? systemClock;
  const { log } = options;
  const informers = options.informers ?? new SharedInformers(client, { clock, log });
  const recorder = new EventRecorder({ client, component: 'controllers', clock, log });
  const context: ControllerContext = {
    client,
    informers,
    events: (name) => recorder.as(name),
    clock,
    log,
    settings: { ...DEFAULT_SETTINGS, ...options.settings },
  };
  const controllers = (options.controllers ?? CONTROLLERS).map((definition) => ({
    name: definition.name,
    controller: definition.create(context),
  }));
  const running = [recorder.run(signal)];
  if (options.informers === undefined) running.push(informers.run(signal));
  running.push(startWhenSynced(controllers, { informers, clock, log, signal, onReady: options.onReady }));
  await Promise.all(running);
}

interface StartOptions {
  readonly informers: SharedInformers;
  readonly clock: Clock;
  readonly log: ControllerLog;
  readonly signal: AbortSignal;
  readonly onReady: (() => void) | undefined;
}

async function startWhenSynced(
  controllers: readonly { name: string; controller: Controller }[],
  { informers, clock, log, signal, onReady }: StartOptions,
): Promise<void> {
  try {
    await informers.synced(signal);
  } catch (err) {
    if (signal.aborted) return;
    throw err;
  }
  log.info({ controllers: controllers.map(({ name }) => name) }, 'controllers started');
  onReady?.();
  await Promise.all(
    controllers.map(({ name, controller }) =>
      runReconcileLoop({
        name,
        queue: controller.queue,
        workers: controller.workers ?? 4,
        reconcile: (key, keySignal) => controller.reconcile(key, keySignal),
        log,
        signal,
        clock,
      }),
    ),
  );
}
