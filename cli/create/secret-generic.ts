import { checkSources, type DataOptions, declareDataOptions, readData } from './data-sources.ts';
import type { Generator } from './generator.ts';
import { secretOf } from './secret.ts';

interface GenericOptions extends DataOptions {
  readonly type?: string;
}

/** `create secret generic` */
export const secretGeneric: Generator<GenericOptions> = {
  path: ['secret', 'generic'],
  summary: 'Create a Secret from files, folders, literal values or env files',
  namespaced: true,
  examples: [
    ['From a file and a value', 'skiff create secret generic db --from-file=ca.crt --from-literal=password=hunter2'],
    ['From an env file', 'skiff create secret generic db --from-env-file=secrets.env'],
  ],
  declare(command) {
    declareDataOptions(command);
    command.option('--type <type>', 'the type of the Secret; Opaque when none is given');
  },
  async build({ name, options, terminal }) {
    checkSources(options);
    const data = await readData(options, { kind: 'Secret', name }, terminal.env);
    return secretOf(name, { type: options.type ?? '', data, appendHash: options.appendHash === true });
  },
};
