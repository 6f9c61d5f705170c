import type { Command } from 'commander';
import { hasReason } from '../../lib/errors.ts';
import { CliError } from '../errors/cli-error.ts';
import { encodeJson, type JsonObject } from '../manifest/json-value.ts';
import { parseOutput } from '../output/print-options.ts';
import { textAt } from '../resources/fields.ts';
import { addConnectionOptions, type ConnectionOptions, durationMs, withSession } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples } from '../verb.ts';
import { collectWhole } from './options.ts';

interface TokenOptions extends ConnectionOptions {
  readonly audience?: string[];
  readonly duration?: string;
  readonly boundObjectKind?: string;
  readonly boundObjectName?: string;
  readonly boundObjectUid?: string;
  readonly output?: string;
}

const BINDABLE: readonly string[] = ['Node', 'Pod', 'Secret'];

/** Declares `create token`: not an object, but a reply to a request about a service account. */
export function addTokenCommand(parent: Command, terminal: Terminal): void {
  const child = addConnectionOptions(
    parent.command('token').description('Ask for a token with which a service account is let in'),
  )
    .argument('<account>', 'the service account')
    .option('--audience <name>', 'for whom the token is; repeatable', collectWhole)
    .option('--duration <duration>', 'how long it is to be valid, such as 10m; the server may decide otherwise')
    .option('--bound-object-kind <kind>', `${BINDABLE.join(', ')}: the token ends with an object of this kind`)
    .option('--bound-object-name <name>', 'the name of that object')
    .option('--bound-object-uid <uid>', 'its uid; that of the object there is when none is given')
    .option('-o, --output <format>', 'print the whole reply as yaml, json, jsonpath=…');
  addExamples(child, [
    ['For ten minutes', 'skiff create token builder --duration=10m'],
    ['That ends with a pod', 'skiff create token builder --bound-object-kind=Pod --bound-object-name=web-1'],
  ]);
  child.action((account: string, options: TokenOptions) => requestToken(terminal, account, options));
}

async function requestToken(terminal: Terminal, account: string, options: TokenOptions): Promise<void> {
  const format = options.output === undefined ? undefined : parseOutput(options.output);
  if (format?.type === 'table' || format?.type === 'name')
    throw new CliError(`the output format "${options.output ?? ''}" does not fit this command`);
  const request: JsonObject = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: specOf(options) };
  await withSession(terminal, options, async ({ api, namespace }) => {
    const target = { apiVersion: 'v1', kind: 'ServiceAccount', namespace, name: account, subresource: 'token' };
    const { object } = await api.create(target, encodeJson(request)).catch((err: unknown) => {
      if (!hasReason(err, 'NotFound')) throw err;
      throw new CliError(`failed to create token: ${err instanceof Error ? err.message : ''}`, { cause: err });
    });
    const token = textAt(object, 'status', 'token');
    if (token === '') throw new CliError('failed to create token: the reply of the server holds none');
    if (format !== undefined) terminal.stdout.write(format.print({ items: [object], single: true }));
    // Scripts take the token as it is; a person wants the next prompt on a line of its own.
    else terminal.stdout.write(terminal.stdout.isTerminal ? `${token}\n` : token);
  });
}

function specOf(options: TokenOptions): JsonObject {
  const { audience = [], duration, boundObjectKind: kind, boundObjectName: name, boundObjectUid: uid } = options;
  if (audience.includes('')) throw new CliError('--audience must not be an empty string');
  const lifetimeMs = duration === undefined ? 0 : durationMs(duration, '--duration');
  if (lifetimeMs % 1000 !== 0) throw new CliError('--duration cannot be expressed in units less than seconds');
  if (kind === undefined) {
    if (name !== undefined)
      throw new CliError('--bound-object-name can only be set if --bound-object-kind is provided');
    if (uid !== undefined) throw new CliError('--bound-object-uid can only be set if --bound-object-kind is provided');
  } else {
    if (!BINDABLE.includes(kind)) throw new CliError(`supported --bound-object-kind values are ${BINDABLE.join(', ')}`);
    if (name === undefined || name === '')
      throw new CliError('--bound-object-name is required if --bound-object-kind is provided');
  }
  return {
    ...(audience.length === 0 ? {} : { audiences: audience }),
    ...(lifetimeMs === 0 ? {} : { expirationSeconds: lifetimeMs / 1000 }),
    ...(kind === undefined
      ? {}
      : { boundObjectRef: { apiVersion: 'v1', kind, name: name ?? '', ...(uid === undefined ? {} : { uid }) } }),
  };
}
