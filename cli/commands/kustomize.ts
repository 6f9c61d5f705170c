import { readOptions } from '../manifest/read-options.ts';
import { formatYaml } from '../output/yaml-output.ts';
import { addExamples, type Verb } from '../verb.ts';

/** `skiff kustomize` */
export const kustomize: Verb = {
  configure(command, { terminal }) {
    command.argument('[folder]', 'a folder with a kustomization.yaml', '.').action(async (folder: string) => {
      const { buildKustomization } = await import('../kustomize/build.ts');
      const manifests = await buildKustomization(folder, readOptions(terminal, {}));
      terminal.stdout.write(manifests.map(({ value }) => formatYaml(value)).join('---\n'));
    });
    addExamples(command, [
      ['See what a kustomization makes', 'skiff kustomize overlays/home'],
      ['Apply it', 'skiff apply -k overlays/home'],
    ]);
  },
};
