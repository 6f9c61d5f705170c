import { join } from 'node:path';

/** Where the agent keeps things, all under one root. */
export interface NodePaths {
  /** `/run/skiff`: gone after a reboot. */
  readonly run: string;
  /** `/var/lib/skiff`. */
  readonly data: string;
  /** `/var/log/pods`. */
  readonly podLogs: string;
  /** The unix socket of the Images service. */
  readonly socket: string;
}

/** Folders of one pod. */
export interface PodPaths {
  readonly runDir: string;
  readonly dataDir: string;
  readonly logDir: string;
  /** The snapshot it can be run from while the server is away. */
  readonly snapshot: string;
}

/** The agent's folders under `root` (`/` in production). */
export function nodePaths(root: string): NodePaths {
  const run = join(root, 'run/skiff');
  return {
    run,
    data: join(root, 'var/lib/skiff'),
    podLogs: join(root, 'var/log/pods'),
    socket: join(run, 'agent.sock'),
  };
}

/** The folders of a pod. Kubernetes' names for the logs, so that log collectors find them. */
export function podPaths(paths: NodePaths, pod: { namespace: string; name: string; uid: string }): PodPaths {
  const runDir = join(paths.run, 'pods', pod.uid);
  return {
    runDir,
    dataDir: join(paths.data, 'pods', pod.uid),
    logDir: join(paths.podLogs, `${pod.namespace}_${pod.name}_${pod.uid}`),
    snapshot: join(runDir, 'pod.json'),
  };
}
