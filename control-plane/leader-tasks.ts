import { DEFAULT_SETTINGS } from './controllers/controller.ts';
import { runControllers } from './controllers/run-controllers.ts';
import { servedKinds } from './controllers/served-kinds.ts';
import { runScheduler } from './scheduler/run-scheduler.ts';
import type { LeaderTask } from './server.ts';

/** What the leading server runs besides the API. */
export const LEADER_TASKS: readonly LeaderTask[] = [
  {
    user: 'system:kube-controller-manager',
    run: (client, { log, config, registry }, signal) => {
      const { nodeGraceMs, serviceRange, loadBalancerPool, listen, joinListen } = config;
      const reservedPorts = [...new Set([...DEFAULT_SETTINGS.reservedPorts, listen.port, joinListen.port])];
      const settings = { nodeGraceMs, serviceRange, loadBalancerPool, reservedPorts };
      return runControllers(client, { log, settings, kinds: servedKinds(registry) }, signal);
    },
  },
  { user: 'system:kube-scheduler', run: (client, { log }, signal) => runScheduler(client, { log }, signal) },
];
