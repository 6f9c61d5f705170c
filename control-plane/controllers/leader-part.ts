/** What the parts of the system that only the leader runs, the controllers and the scheduler, are given alike. */
import { setMaxListeners } from 'node:events';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { ControllerLog } from './controller.ts';
import { SharedInformers } from './shared-informers.ts';

/** Options of such a part. */
export interface LeaderPartOptions {
  readonly log: ControllerLog;
  readonly clock?: Clock;
  /** Informers to share with others of this process. Whoever makes them runs them, once the parts are created. */
  readonly informers?: SharedInformers;
  /** Told once all caches are filled and the part works. */
  readonly onReady?: () => void;
}

/** Clock and informers of a part, and what runs the informers when they are its own. */
export function leaderPart(
  client: ResourceClient,
  options: LeaderPartOptions,
  signal: AbortSignal,
): { readonly clock: Clock; readonly informers: SharedInformers; readonly runInformers: () => Promise<void> } {
  // Every loop and request under way listens to it.
  setMaxListeners(0, signal);
  const { clock = systemClock, log } = options;
  const informers = options.informers ?? new SharedInformers(client, { clock, log });
  const runInformers = async (): Promise<void> => {
    if (options.informers === undefined) await informers.run(signal);
  };
  return { clock, informers, runInformers };
}
