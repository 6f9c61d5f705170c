/** Where one machine's cluster keeps its files, all under one root. */
import { join } from 'node:path';

/** The folders and files of the cluster that `skiff up` runs on this machine. */
export interface ClusterLayout {
  /** `/` in earnest; a folder of the test's own in tests. */
  readonly root: string;
  /** Facts that a reboot may erase: pids, sockets, namespaces. */
  readonly runDir: string;
  /** etcd, certificates, images. */
  readonly dataDir: string;
  /** What the server and the agent write. */
  readonly logDir: string;
  readonly pkiDir: string;
  /** The agent's unix socket for image verbs. */
  readonly agentSocket: string;
}

/** The layout under `root`. */
export function clusterLayout(root: string): ClusterLayout {
  const dataDir = join(root, 'var/lib/skiff');
  const runDir = join(root, 'run/skiff');
  return {
    root,
    runDir,
    dataDir,
    logDir: join(root, 'var/log/skiff'),
    pkiDir: join(dataDir, 'pki'),
    agentSocket: join(runDir, 'agent.sock'),
  };
}
