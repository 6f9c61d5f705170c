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
    logDir: join(paths.podLogs, logDirName(pod)),
    snapshot: join(runDir, 'pod.json'),
  };
}

/** What file systems allow for one name. A pod's name may be nearly as long by itself; the uid alone tells pods apart. */
const MAX_FILE_NAME = 255;

function logDirName({ namespace, name, uid }: { namespace: string; name: string; uid: string }): string {
  const room = MAX_FILE_NAME - namespace.length - uid.length - 2;
  return `${namespace}_${name.slice(0, room)}_${uid}`;
}
