import type { Command } from 'commander';
import { caPin, machineAddresses } from '../../lib/pki.ts';
import { type ClientContext, chooseContext, configPath, readConfig } from '../config/client-config.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import {
  newToken,
  parseTokenId,
  TOKEN_NAMESPACE,
  TOKEN_TYPE,
  tokenRow,
  tokenSecret,
  tokenSecretName,
  tokenText,
} from '../join/bootstrap-token.ts';
import { formatHostPort, JOIN_PORT, parseHostPort, serverHost } from '../join/server-address.ts';
import { encodeJson } from '../manifest/json-value.ts';
import { formatTable } from '../output/text-table.ts';
import { addConnectionOptions, type ConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface CreateOptions extends ConnectionOptions {
  readonly ttl: string;
  readonly description?: string;
  readonly printJoinCommand: boolean;
  readonly address?: string;
}

/** `skiff token` */
export const token: Verb = {
  configure(command, { terminal }) {
    command.helpCommand(false);
    addConnectionOptions(command.command('create').description('Make a token and print the line that joins a machine'))
      .option('--ttl <duration>', 'how long the token lets machines in; 0 means for ever', '24h')
      .option('--description <text>', 'what it is for')
      .option('--address <address>', "the server's address, host or host:port, for other machines (default: found)")
      .option('--no-print-join-command', 'print the token alone')
      .action((options: CreateOptions) =>
        withSession(terminal, options, (session) => createToken(session, options, contextOf(terminal, options))),
      );
    addConnectionOptions(
      command.command('ls').alias('list').description('List the tokens, without their secrets'),
    ).action((options: ConnectionOptions) => withSession(terminal, options, listTokens));
    addConnectionOptions(
      command.command('rm').alias('delete').description('Remove tokens: nobody joins with them any more'),
    )
      .argument('<ids...>', 'as skiff token ls shows them')
      .action((ids: string[], options: ConnectionOptions) =>
        withSession(terminal, options, (session) => removeTokens(session, ids)),
      );
    examples(command);
  },
};

function examples(command: Command): void {
  addExamples(command, [
    ['The line to paste on a new machine', 'skiff token create'],
    ['For an hour only', 'skiff token create --ttl 1h --description "the Pi in the attic"'],
    ['Which there are; take one back', 'skiff token ls\n  skiff token rm abcdef'],
  ]);
}

function contextOf(terminal: Terminal, options: ConnectionOptions): ClientContext {
  const config = readConfig(configPath(terminal.env, options.config));
  if (config === undefined) throw new CliError('there is no config');
  return chooseContext(config, options.context).context;
}

async function createToken(session: Session, options: CreateOptions, context: ClientContext): Promise<void> {
  const { api, terminal } = session;
  const ttlMs = durationMs(options.ttl, '--ttl');
  const server = options.printJoinCommand ? await joinAddress(session, options, context) : '';
  const made = newToken();
  const expiresMs = ttlMs === 0 ? undefined : terminal.now() + ttlMs;
  const secret = tokenSecret(made, { expiresMs, description: options.description });
  const target = { apiVersion: 'v1', kind: 'Secret', namespace: TOKEN_NAMESPACE };
  await api.create(target, encodeJson(secret), { fieldManager: 'skiff-token' });
  const text = tokenText(made);
  if (!options.printJoinCommand) {
    terminal.stdout.write(`${text}\n`);
    return;
  }
  terminal.stdout.write(`skiff join ${server} --token ${text} --ca-pin ${caPin(context.certificateAuthority)}\n`);
  const life = expiresMs === undefined ? 'The token does not expire' : `The token is good for ${options.ttl}`;
  if (terminal.stdout.isTerminal)
    terminal.stderr.write(`${life}. Run the line as root on the machine that is to join.\n`);
}

/** Where the new machine will find the server. */
async function joinAddress({ api }: Session, options: CreateOptions, context: ClientContext): Promise<string> {
  if (options.address !== undefined) {
    const given = parseHostPort(options.address);
    if (given === undefined) throw new CliError(`invalid --address "${options.address}": write host or host:port`);
    return formatHostPort(given.host, given.port ?? JOIN_PORT);
  }
  const slices = await api.list(
    { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', namespace: 'default' },
    { labelSelector: 'kubernetes.io/service-name=kubernetes' },
  );
  const nodes = await api.list({ resource: 'nodes' });
  const host = serverHost({
    endpoints: options.server === undefined ? context.endpoints : [options.server],
    slices: slices.items,
    nodes: nodes.items,
    here: machineAddresses(),
  });
  if (host === undefined) {
    throw new CliError(
      'Cannot tell under which address other machines reach the server: it is known by loopback only',
      {
        hint: 'Name it: skiff token create --address HOST',
      },
    );
  }
  return formatHostPort(host, JOIN_PORT);
}

async function listTokens({ api, terminal }: Session): Promise<void> {
  const target = { apiVersion: 'v1', kind: 'Secret', namespace: TOKEN_NAMESPACE };
  const { items } = await api.list(target, { fieldSelector: `type=${TOKEN_TYPE}` });
  if (items.length === 0) {
    terminal.stderr.write('There are no tokens. Make one with: skiff token create\n');
    return;
  }
  const rows = items.map((secret) => tokenRow(secret, terminal.now()));
  terminal.stdout.write(
    formatTable([
      ['ID', 'EXPIRES IN', 'USAGES', 'DESCRIPTION'],
      ...rows.map(({ id, expires, usages, description }) => [id, expires, usages, description]),
    ]),
  );
}

async function removeTokens({ api, terminal }: Session, ids: readonly string[]): Promise<void> {
  const errors: unknown[] = [];
  for (const id of ids.map((text) => parseTokenId(text))) {
    try {
      await api.delete({ apiVersion: 'v1', kind: 'Secret', namespace: TOKEN_NAMESPACE, name: tokenSecretName(id) });
      terminal.stdout.write(`token/${id} removed\n`);
    } catch (err) {
      errors.push(err);
    }
  }
  throwAll(errors);
}
