import { CliError } from '../errors/cli-error.ts';
import { collect } from '../resources/collect.ts';
import { declareAppendHash, readData } from './data-sources.ts';
import type { Generator } from './generator.ts';
import { secretOf } from './secret.ts';

interface RegistryOptions {
  readonly dockerServer: string;
  readonly dockerUsername?: string;
  readonly dockerPassword?: string;
  readonly dockerEmail?: string;
  readonly fromFile?: string[];
  readonly appendHash?: boolean;
}

/** Where Docker keeps what belongs to its own registry. */
const DOCKER_HUB = 'https://index.docker.io/v1/';

/** `create secret docker-registry` */
export const secretDockerRegistry: Generator<RegistryOptions> = {
  path: ['secret', 'docker-registry'],
  summary: 'Create a Secret with which images are pulled',
  namespaced: true,
  examples: [
    [
      'For a registry of one’s own',
      'skiff create secret docker-registry pull --docker-server=registry.example.com --docker-username=me --docker-password=secret',
    ],
    ['From what docker login wrote', 'skiff create secret docker-registry pull --from-file=$HOME/.docker/config.json'],
  ],
  declare(command) {
    command
      .option('--docker-server <address>', 'the registry', DOCKER_HUB)
      .option('--docker-username <name>', 'who pulls')
      .option('--docker-password <password>', 'the password or token')
      .option('--docker-email <address>', 'an e-mail address; hardly any registry wants one')
      .option('--from-file <[key=]path>', 'a config.json of docker instead', collect);
    declareAppendHash(command);
  },
  async build({ name, options, terminal }) {
    const { dockerServer, dockerUsername, dockerPassword, dockerEmail, fromFile } = options;
    const type = 'kubernetes.io/dockerconfigjson';
    const appendHash = options.appendHash === true;
    if (fromFile !== undefined) {
      const read = await readData({ fromFile }, { kind: 'Secret', name }, terminal.env);
      // docker's own file is called config.json; a Secret has it under one fixed key.
      const data = new Map([...read].map(([key, bytes]) => [key === 'config.json' ? KEY : key, bytes] as const));
      return secretOf(name, { type, data, appendHash });
    }
    if (isEmpty(dockerUsername) || isEmpty(dockerPassword) || isEmpty(dockerServer)) {
      throw new CliError(
        'either --from-file or the combination of --docker-username, --docker-password and --docker-server is required',
      );
    }
    const entry = {
      username: dockerUsername,
      password: dockerPassword,
      ...(isEmpty(dockerEmail) ? {} : { email: dockerEmail }),
      auth: Buffer.from(`${dockerUsername}:${dockerPassword}`).toString('base64'),
    };
    const config = Buffer.from(JSON.stringify({ auths: { [dockerServer]: entry } }));
    return secretOf(name, { type, data: new Map([[KEY, config]]), appendHash });
  },
};

const KEY = '.dockerconfigjson';

function isEmpty(text: string | undefined): boolean {
  return text === undefined || text === '';
}
