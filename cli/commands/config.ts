import type { Command } from 'commander';
import {
  type ClientConfig,
  chooseContext,
  configPath,
  EMPTY_CONFIG,
  readConfig,
  writeConfig,
} from '../config/client-config.ts';
import { CliError } from '../errors/cli-error.ts';
import { encodeJson, type JsonObject } from '../manifest/json-value.ts';
import { formatTable } from '../output/text-table.ts';
import { formatYaml } from '../output/yaml-output.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ConfigOptions {
  readonly config?: string;
  readonly output?: string;
  readonly raw?: boolean;
  readonly minify?: boolean;
  readonly headers?: boolean;
  readonly current?: boolean;
  readonly namespace?: string;
}

/** `skiff config` */
export const config: Verb = {
  configure(command, { terminal }) {
    sub(command, 'view', 'Print the config, without secrets')
      .option('--raw', 'with the private keys')
      .option('--minify', 'only the current context')
      .option('-o, --output <format>', 'yaml or json', 'yaml')
      .action((options: ConfigOptions) => view(terminal, options));
    sub(command, 'current-context', 'Print the name of the current context').action((options: ConfigOptions) => {
      const { currentContext } = open(terminal, options).config;
      if (currentContext === '') throw new CliError('current-context is not set');
      terminal.stdout.write(`${currentContext}\n`);
    });
    sub(command, 'get-contexts', 'List the contexts')
      .argument('[names...]')
      .option('-o, --output <format>', 'name')
      .option('--no-headers', 'no line of headers')
      .action((names: string[], options: ConfigOptions) => getContexts(terminal, names, options));
    sub(command, 'use-context', 'Choose the current context')
      .argument('<name>')
      .action((name: string, options: ConfigOptions) => {
        const { path, config: now } = open(terminal, options);
        chooseContext(now, name);
        writeConfig(path, { ...now, currentContext: name });
        terminal.stdout.write(`Switched to context "${name}".\n`);
      });
    sub(command, 'set-context', 'Change the namespace of a context')
      .argument('[name]')
      .option('--current', 'the current context')
      .option('-n, --namespace <name>', 'its namespace')
      .action((name: string | undefined, options: ConfigOptions) => setContext(terminal, name, options));
    sub(command, 'rename-context', 'Give a context another name')
      .argument('<old>')
      .argument('<new>')
      .action((from: string, to: string, options: ConfigOptions) => renameContext(terminal, { from, to }, options));
    sub(command, 'delete-context', 'Forget a context')
      .argument('<name>')
      .action((name: string, options: ConfigOptions) => deleteContext(terminal, name, options));
    addExamples(command, [
      ['Another cluster', 'skiff config get-contexts\n  skiff config use-context home'],
      ['Another namespace unless one is named', 'skiff config set-context --current --namespace=web'],
    ]);
  },
};

function sub(command: Command, name: string, summary: string): Command {
  return command
    .command(name)
    .description(summary)
    .option('--config <file>', 'the config file (default: $SKIFF_CONFIG or ~/.skiff/config)');
}

function open(terminal: Terminal, options: ConfigOptions): { path: string; config: ClientConfig } {
  const path = configPath(terminal.env, options.config);
  return { path, config: readConfig(path) ?? EMPTY_CONFIG };
}

function view(terminal: Terminal, options: ConfigOptions): void {
  const { config: all } = open(terminal, options);
  const names = options.minify === true ? [chooseContext(all).name] : Object.keys(all.contexts);
  const contexts: Record<string, JsonObject> = {};
  for (const name of names) {
    const { context } = chooseContext(all, name);
    const { clientKey, certificateAuthority, clientCertificate, endpoints, namespace } = context;
    contexts[name] = {
      endpoints,
      ...(namespace === undefined ? {} : { namespace }),
      certificateAuthority: options.raw === true ? certificateAuthority : 'DATA+OMITTED',
      clientCertificate: options.raw === true ? clientCertificate : 'DATA+OMITTED',
      clientKey: options.raw === true ? clientKey : 'REDACTED',
    };
  }
  const shown = { apiVersion: all.apiVersion, kind: all.kind, currentContext: all.currentContext, contexts };
  if (options.output === 'json') terminal.stdout.write(`${encodeJson(shown, 4)}\n`);
  else if (options.output === 'yaml') terminal.stdout.write(formatYaml(shown));
  else throw new CliError('--output must be yaml or json');
}

function getContexts(terminal: Terminal, names: readonly string[], options: ConfigOptions): void {
  const { config: all } = open(terminal, options);
  const wanted = names.length === 0 ? Object.keys(all.contexts).sort() : names;
  const chosen = wanted.map((name) => chooseContext(all, name));
  if (options.output === 'name') {
    for (const { name } of chosen) terminal.stdout.write(`${name}\n`);
    return;
  }
  if (options.output !== undefined) throw new CliError('--output must be name');
  const rows = chosen.map(({ name, context }) => [
    name === all.currentContext ? '*' : '',
    name,
    context.endpoints.join(','),
    context.namespace ?? '',
  ]);
  terminal.stdout.write(
    formatTable(options.headers === false ? rows : [['CURRENT', 'NAME', 'SERVERS', 'NAMESPACE'], ...rows]),
  );
}

function setContext(terminal: Terminal, name: string | undefined, options: ConfigOptions): void {
  const { path, config: all } = open(terminal, options);
  if ((name === undefined) !== (options.current === true)) throw new CliError('name a context, or give --current');
  if (options.namespace === undefined) throw new CliError('nothing to change: give --namespace');
  const chosen = chooseContext(all, name);
  const context = { ...chosen.context, namespace: options.namespace };
  writeConfig(path, { ...all, contexts: { ...all.contexts, [chosen.name]: context } });
  terminal.stdout.write(`Context "${chosen.name}" modified.\n`);
}

function renameContext(terminal: Terminal, { from, to }: { from: string; to: string }, options: ConfigOptions): void {
  const { path, config: all } = open(terminal, options);
  const { context } = chooseContext(all, from);
  if (Object.hasOwn(all.contexts, to))
    throw new CliError(`cannot rename the context "${from}", the context "${to}" already exists`);
  const { [from]: _, ...others } = all.contexts;
  const currentContext = all.currentContext === from ? to : all.currentContext;
  writeConfig(path, { ...all, currentContext, contexts: { ...others, [to]: context } });
  terminal.stdout.write(`Context "${from}" renamed to "${to}".\n`);
}

function deleteContext(terminal: Terminal, name: string, options: ConfigOptions): void {
  const { path, config: all } = open(terminal, options);
  chooseContext(all, name);
  const { [name]: _, ...others } = all.contexts;
  writeConfig(path, {
    ...all,
    currentContext: all.currentContext === name ? '' : all.currentContext,
    contexts: others,
  });
  terminal.stdout.write(`deleted context ${name} from ${path}\n`);
}
