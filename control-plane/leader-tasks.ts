import { runControllers } from './controllers/run-controllers.ts';
import { runScheduler } from './scheduler/run-scheduler.ts';
import type { LeaderTask } from './server.ts';

/** What the leading server runs besides the API. */
export const LEADER_TASKS: readonly LeaderTask[] = [
  {
    user: 'system:kube-controller-manager',
    run: (client, { log, config }, signal) =>
      runControllers(client, { log, settings: { nodeGraceMs: config.nodeGraceMs } }, signal),
  },
  { user: 'system:kube-scheduler', run: (client, { log }, signal) => runScheduler(client, { log }, signal) },
];
