import { CliError } from '../errors/cli-error.ts';
import { encodeJson } from '../manifest/json-value.ts';
import { formatYaml } from '../output/yaml-output.ts';
import { addConnectionOptions, type ConnectionOptions, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface VersionOptions extends ConnectionOptions {
  readonly client?: boolean;
  readonly output?: string;
}

/** `skiff version` */
export const version: Verb = {
  configure(command, { terminal, version: clientVersion }) {
    addConnectionOptions(command)
      .option('--client', 'only of this program; asks no server')
      .option('-o, --output <format>', 'json or yaml')
      .action(async (options: VersionOptions) => {
        const client = { version: clientVersion, nodeVersion: process.version };
        const print = (server: Record<string, string> | undefined): void => {
          const all = { clientVersion: client, ...(server === undefined ? {} : { serverVersion: server }) };
          if (options.output === 'json') terminal.stdout.write(`${encodeJson(all, 2)}\n`);
          else if (options.output === 'yaml') terminal.stdout.write(formatYaml(all));
          else if (options.output !== undefined) throw new CliError('--output must be yaml or json');
          else {
            terminal.stdout.write(`Client Version: ${client.version} (Node.js ${client.nodeVersion})\n`);
            if (server === undefined) return;
            terminal.stdout.write(
              `Server Version: ${server.version} (Node.js ${server.nodeVersion}, etcd ${server.etcdVersion})\n`,
            );
          }
        };
        if (options.client === true) {
          print(undefined);
          return;
        }
        try {
          await withSession(terminal, options, async ({ api }) => {
            const { version: served = '', gitCommit = '', nodeVersion = '', etcdVersion = '' } = await api.version();
            print({ version: served, gitCommit, nodeVersion, etcdVersion });
          });
        } catch (err) {
          print(undefined);
          throw err;
        }
      });
    addExamples(command, [['Of client and server', 'skiff version']]);
  },
};
