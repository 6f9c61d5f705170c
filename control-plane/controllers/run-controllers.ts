/** Runs the controllers of the registry over one client. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import { EventRecorder } from '../../lib/events.ts';
import { runReconcileLoop } from '../../lib/reconcile-loop.ts';
import { allDefinitions, findDefinition } from '../resources/registry.ts';
import {
  type Controller,
  type ControllerContext,
  type ControllerDefinition,
  type ControllerLog,
  type ControllerSettings,
  DEFAULT_SETTINGS,
} from './controller.ts';
import { type LeaderPartOptions, leaderPart } from './leader-part.ts';
import { CONTROLLERS } from './registry.ts';
import { type ServedKinds, servedKinds } from './served-kinds.ts';
import type { SharedInformers } from './shared-informers.ts';

/** What {@link runControllers} may be given. */
export interface RunControllersOptions extends LeaderPartOptions {
  readonly settings?: Partial<ControllerSettings>;
  /** Which controllers; all of the registry unless said. */
  readonly controllers?: readonly ControllerDefinition[];
  /** Which kinds are served; those of the compiled-in registry unless said. */
  readonly kinds?: ServedKinds;
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
  const { log } = options;
  const { clock, informers, runInformers } = leaderPart(client, options, signal);
  const recorder = new EventRecorder({ client, component: 'controllers', clock, log });
  const { kinds, close } = listenedTo(options.kinds ?? servedKinds({ definitions: allDefinitions(), findDefinition }));
  // First of all listeners: whoever hears of a change after it finds informers of today's kinds only.
  kinds.onChange(() => informers.keepOnly(kinds));
  const context: ControllerContext = {
    client,
    informers,
    kinds,
    events: (name) => recorder.as(name),
    clock,
    log,
    settings: { ...DEFAULT_SETTINGS, ...options.settings },
  };
  const controllers = (options.controllers ?? CONTROLLERS).map((definition) => ({
    name: definition.name,
    controller: definition.create(context),
  }));
  const started = startWhenSynced(controllers, { informers, clock, log, signal, onReady: options.onReady });
  await Promise.all([recorder.run(signal), runInformers(), started]);
  close();
}

/** The same kinds, and what takes away every listener that was added through them. */
function listenedTo(served: ServedKinds): { readonly kinds: ServedKinds; readonly close: () => void } {
  const removals: (() => void)[] = [];
  const onChange: ServedKinds['onChange'] = (listener) => {
    const remove = served.onChange(listener);
    removals.push(remove);
    return remove;
  };
  const close = (): void => {
    for (const remove of removals) remove();
  };
  const kinds: ServedKinds = {
    list: () => served.list(),
    find: (version, kind) => served.find(version, kind),
    scaleOf: (version, kind) => served.scaleOf?.(version, kind),
    onChange,
  };
  return { kinds, close };
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
