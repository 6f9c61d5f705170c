import { addConnectionOptions, type ConnectionOptions, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

/** `skiff api-versions` */
export const apiVersions: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command).action((options: ConnectionOptions) =>
      withSession(terminal, options, async ({ api }) => {
        const versions = (await api.listKinds()).map(({ group = '', version = '' }) =>
          group === '' ? version : `${group}/${version}`,
        );
        terminal.stdout.write(
          [...new Set(versions)]
            .sort()
            .map((version) => `${version}\n`)
            .join(''),
        );
      }),
    );
    addExamples(command, [['What there is', 'skiff api-versions']]);
  },
};
