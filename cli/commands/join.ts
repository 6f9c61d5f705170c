import type { Command } from 'commander';
import { portOwner, portOwnerText } from '../../lib/port-owner.ts';
import { addClusterOptions, type ClusterFlags, type LocalCluster, localCluster } from '../cluster/cluster-options.ts';
import { describeMissing, missingTools } from '../cluster/host-tools.ts';
import { isKept } from '../cluster/programs.ts';
import { stepLines } from '../cluster/step-lines.ts';
import { CliError } from '../errors/cli-error.ts';
import { parseToken, tokenText } from '../join/bootstrap-token.ts';
import { joinCluster } from '../join/join-cluster.ts';
import { membershipOf } from '../join/node-files.ts';
import type { JoinServer } from '../join/pinned-ca.ts';
import { JOIN_PORT, parseHostPort } from '../join/server-address.ts';
import { collect } from '../resources/collect.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface JoinFlags extends ClusterFlags {
  readonly token: string;
  readonly caPin: string;
  readonly nodeIp?: string;
  readonly agentOption?: readonly string[];
}

/** `skiff join` */
export const join: Verb = {
  configure(command: Command, { terminal }) {
    addClusterOptions(command)
      .argument('<server>', 'host or host:port where machines join; skiff token create prints the whole line')
      .requiredOption('--token <token>', 'lets this machine in')
      .requiredOption('--ca-pin <pin>', 'what the public key of the CA of the cluster hashes to: sha256:…')
      .option('--node-ip <address>', 'address of this machine for the others (default: that of the default route)')
      .option('--agent-option <option>', 'one further option for the agent, such as --log-level=debug', collect)
      .action((server: string, options: JoinFlags) => runJoin(server, options, terminal));
    addExamples(command, [
      ['What `skiff token create` printed', 'sudo skiff join 192.168.1.10 --token abcdef.… --ca-pin sha256:…'],
      ['Under another name', 'sudo skiff join 192.168.1.10 --token … --ca-pin … --node-name attic'],
    ]);
  },
};

async function runJoin(text: string, flags: JoinFlags, terminal: Terminal): Promise<void> {
  const server = parseServer(text);
  const token = tokenText(parseToken(flags.token));
  const pin = parsePin(flags.caPin);
  const agentArgs = [...(flags.nodeIp === undefined ? [] : ['--node-ip', flags.nodeIp]), ...(flags.agentOption ?? [])];
  const cluster = localCluster(flags);
  checkNodeName(cluster.nodeName);
  const missing = missingTools(cluster.bin, terminal.env.PATH ?? '', 'agent');
  if (missing.length > 0) throw new CliError(describeMissing(missing));
  refuseMember(cluster);
  refuseTakenPort(listenPort(agentArgs));
  terminal.stdout.write('Joining\n');
  const report = stepLines(terminal.stdout, terminal.now);
  await joinCluster(cluster, { server, token, pin, agentArgs, now: terminal.now }, report, terminal.signal);
  terminal.stdout.write(`This machine is node ${cluster.nodeName} now, and Ready. To take it back out: skiff leave\n`);
}

function parseServer(text: string): JoinServer {
  const address = parseHostPort(text);
  if (address === undefined) throw new CliError(`invalid server "${text}": write host or host:port`);
  return { host: address.host, port: address.port ?? JOIN_PORT };
}

function parsePin(text: string): string {
  const pin = text.toLowerCase();
  if (!/^sha256:[0-9a-f]{64}$/.test(pin)) {
    throw new CliError('invalid --ca-pin: it is sha256: and 64 hexadecimal digits', {
      hint: 'Take the whole line from: skiff token create',
    });
  }
  return pin;
}

function checkNodeName(name: string): void {
  if (name.length > 253 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)) {
    throw new CliError(`invalid node name "${name}": it must be a DNS name of small letters, digits, - and .`, {
      hint: 'Choose one with --node-name.',
    });
  }
}

/** A machine belongs to one cluster at a time. Throws with which. */
function refuseMember(cluster: LocalCluster): void {
  const membership = membershipOf(cluster.layout);
  if (membership.role === 'server') {
    throw new CliError('this machine runs the control plane of a cluster of its own', {
      hint: 'To give that cluster up, with all its data: skiff down --purge',
    });
  }
  if (membership.role === 'node') {
    const { nodeName, servers, pin } = membership;
    const at = servers.length === 0 ? '' : ` at ${servers[0]}`;
    throw new CliError(`this machine belongs to a cluster already: it is node ${nodeName} of the one${at}`, {
      hint: `  CA pin of that cluster: ${pin}\nTo take it out of there first: skiff leave`,
    });
  }
  if (isKept(cluster, 'agent')) {
    throw new CliError('an agent runs on this machine, though its certificate is gone', {
      hint: 'First run: skiff leave',
    });
  }
}

/** The port of the last `--listen` among the agent's options. */
function listenPort(args: readonly string[]): number {
  const values = args.flatMap((arg, at) => {
    if (arg.startsWith('--listen=')) return [arg.slice('--listen='.length)];
    return arg === '--listen' ? [args[at + 1] ?? ''] : [];
  });
  return parseHostPort(values.at(-1) ?? '')?.port ?? AGENT_PORT;
}

/** Where the control plane reaches the agent. */
const AGENT_PORT = 7450;

function refuseTakenPort(port: number): void {
  const owner = portOwner(port);
  if (owner === undefined) return;
  throw new CliError(`port ${port} of this machine, which the agent needs, is taken by ${portOwnerText(owner)}`, {
    hint: `End that program, or let the agent listen elsewhere: --agent-option=--listen=0.0.0.0:${port + 1}`,
  });
}
