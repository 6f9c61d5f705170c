/** The options that `up` and `down` share, and what follows from them. */
import { realpathSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../errors/cli-error.ts';
import { type ClusterLayout, clusterLayout } from './layout.ts';

/** As they come from the command line. */
export interface ClusterFlags {
  readonly root: string;
  readonly nodeName?: string;
  readonly cgroupRoot: string;
  readonly linkPrefix: string;
}

/** One machine's cluster: where it is, what it is called, what starts it. */
export interface LocalCluster {
  readonly layout: ClusterLayout;
  readonly nodeName: string;
  readonly cgroupRoot: string;
  readonly linkPrefix: string;
  /** Folder of the launcher. */
  readonly bin: string;
}

/** Declares the shared options. */
export function addClusterOptions(command: Command): Command {
  return command
    .option('--root <folder>', 'keep everything below this folder instead of /', '/')
    .option('--node-name <name>', "this machine's name in the cluster (default: its host name)")
    .option('--cgroup-root <name>', 'name of the cgroup tree', 'skiff')
    .option('--link-prefix <prefix>', 'how names of network links begin', 'skiff');
}

/** Checks the options and completes them. Throws a {@link CliError}. */
export function localCluster(flags: ClusterFlags, { needsRoot = true } = {}): LocalCluster {
  if (needsRoot && process.getuid?.() !== 0) {
    throw new CliError('a cluster needs root: it makes namespaces, mounts and cgroups', { hint: 'Run it with sudo.' });
  }
  return {
    layout: clusterLayout(resolve(flags.root)),
    nodeName: flags.nodeName ?? hostname().toLowerCase(),
    cgroupRoot: flags.cgroupRoot,
    linkPrefix: flags.linkPrefix,
    bin: dirname(realpathSync(process.argv[1] ?? '')),
  };
}

/** The agent's options that say what on this machine is its own; teardown needs the same. */
export function agentPlace(cluster: LocalCluster): string[] {
  const { layout, nodeName, cgroupRoot, linkPrefix } = cluster;
  return ['--root', layout.root, '--node-name', nodeName, '--cgroup-root', cgroupRoot, '--link-prefix', linkPrefix];
}
