import type { Command } from 'commander';
import {
  addClusterOptions,
  agentPlace,
  type ClusterFlags,
  type LocalCluster,
  localCluster,
} from '../cluster/cluster-options.ts';
import { type KeptName, keptArgs, stopKept } from '../cluster/kept-process.ts';
import { systemdRuns, unitFile, unitName } from '../cluster/systemd-units.ts';
import { enableUnit, localUnitText, removeUnit, writeUnit } from '../cluster/write-unit.ts';
import { CliError } from '../errors/cli-error.ts';
import { membershipOf, readAgentArgs } from '../join/node-files.ts';
import { collect } from '../resources/collect.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface InstallFlags extends ClusterFlags {
  readonly server?: boolean;
  readonly agent?: boolean;
  readonly print?: boolean;
  readonly remove?: boolean;
  readonly option?: readonly string[];
}

const STOP_TIMEOUT_MS = 15_000;

/** `skiff install` */
export const install: Verb = {
  configure(command: Command, { terminal }) {
    addClusterOptions(command)
      .option('--server', 'the control plane')
      .option('--agent', 'the node agent')
      .option('--option <option>', 'one further option for the program, such as --log-level=debug', collect)
      .option('--print', 'print the units and change nothing')
      .option('--remove', 'stop the units and take them away again')
      .action((options: InstallFlags) => runInstall(options, terminal));
    addExamples(command, [
      ['Have systemd run a whole cluster on this machine, also after a boot', 'sudo skiff install --server --agent'],
      ['On a machine that joins or has joined', 'sudo skiff install --agent'],
      ['What would be written', 'skiff install --agent --print'],
    ]);
  },
};

async function runInstall(flags: InstallFlags, terminal: Terminal): Promise<void> {
  const names: KeptName[] = [
    ...(flags.server === true ? (['server'] as const) : []),
    ...(flags.agent === true ? (['agent'] as const) : []),
  ];
  if (names.length === 0) throw new CliError('say what to install: --server, --agent, or both');
  const cluster = localCluster(flags, { needsRoot: flags.print !== true });
  const args = (name: KeptName): readonly string[] => programArgs(cluster, name, flags.option);
  if (flags.print === true) {
    for (const name of names) {
      const file = unitFile(cluster.layout.root, name);
      terminal.stdout.write(`# ${file}\n${localUnitText(cluster, name, args(name))}`);
    }
    return;
  }
  for (const name of names) {
    if (flags.remove === true) remove(cluster, name, terminal);
    else await add(cluster, { name, args: args(name) }, terminal);
  }
}

/** As the program runs now or was to run when the machine joined, unless options are given; else what its place on this machine asks for. */
function programArgs(cluster: LocalCluster, name: KeptName, given: readonly string[] | undefined): readonly string[] {
  const { layout } = cluster;
  const before = keptArgs(layout, name) ?? (name === 'agent' ? readAgentArgs(layout) : undefined);
  if (given === undefined && before !== undefined) return before;
  const membership = membershipOf(cluster.layout);
  const named = membership.role === 'node' ? { ...cluster, nodeName: membership.nodeName } : cluster;
  const place = name === 'agent' ? agentPlace(named) : ['--root', cluster.layout.root];
  return [...place, ...(given ?? [])];
}

function remove(cluster: LocalCluster, name: KeptName, terminal: Terminal): void {
  const file = unitFile(cluster.layout.root, name);
  const removed = removeUnit(cluster, name);
  terminal.stdout.write(removed ? `${file} removed; containers run on\n` : `${file} is not there\n`);
}

async function add(
  cluster: LocalCluster,
  { name, args }: { name: KeptName; args: readonly string[] },
  terminal: Terminal,
): Promise<void> {
  const file = writeUnit(cluster, name, args);
  const { root } = cluster.layout;
  if (root === '/' && systemdRuns()) {
    // Two keepers of one program would fight over its port; containers do not notice the change.
    await stopKept(cluster.layout, name, STOP_TIMEOUT_MS);
    enableUnit(name);
    terminal.stdout.write(`${file} written; ${unitName(name)} is enabled and started\n`);
  } else {
    const why = root === '/' ? 'systemd does not run here' : `it lies below ${root}`;
    terminal.stdout.write(
      `${file} written, not started: ${why}\nWhere systemd runs: systemctl daemon-reload && systemctl enable --now ${unitName(name)}\n`,
    );
  }
  if (name === 'agent' && membershipOf(cluster.layout).role === 'none')
    terminal.stdout.write('The agent starts when this machine has joined: skiff join …\n');
}
