import type { apiv1 } from '../../proto/api.ts';
import { CliError } from '../errors/cli-error.ts';
import { formatTable } from '../output/text-table.ts';
import { addConnectionOptions, type ConnectionOptions, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ApiResourcesOptions extends ConnectionOptions {
  readonly output?: string;
  readonly namespaced?: string | true;
  readonly apiGroup?: string;
  readonly verbs?: string;
  readonly headers: boolean;
}

/** `skiff api-resources` */
export const apiResources: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .option('-o, --output <format>', 'wide or name')
      .option('--namespaced [bool]', 'only kinds that live in namespaces, or with =false those that do not')
      .option('--api-group <group>', 'only kinds of this group')
      .option('--verbs <verbs>', 'only kinds with all these verbs')
      .option('--no-headers', 'no line of headers')
      .action((options: ApiResourcesOptions) =>
        withSession(terminal, options, async ({ api }) => {
          if (options.output !== undefined && options.output !== 'wide' && options.output !== 'name') {
            throw new CliError(`--output must be one of wide, name, not "${options.output}"`);
          }
          const kinds = (await api.listKinds()).filter((kind) => matches(kind, options));
          terminal.stdout.write(
            options.output === 'name' ? kinds.map((kind) => `${fullName(kind)}\n`).join('') : table(kinds, options),
          );
        }),
      );
    addExamples(command, [['What there is', 'skiff api-resources']]);
  },
};

function matches(kind: apiv1.KindInfo, options: ApiResourcesOptions): boolean {
  if (options.namespaced !== undefined && (kind.namespaced === true) !== (String(options.namespaced) !== 'false'))
    return false;
  if (options.apiGroup !== undefined && (kind.group ?? '') !== options.apiGroup) return false;
  const verbs = options.verbs?.split(',') ?? [];
  return verbs.every((verb) => kind.verbs?.includes(verb) === true);
}

function fullName({ plural = '', group = '' }: apiv1.KindInfo): string {
  return group === '' ? plural : `${plural}.${group}`;
}

function table(kinds: readonly apiv1.KindInfo[], options: ApiResourcesOptions): string {
  const wide = options.output === 'wide';
  const rows = kinds.map((kind) => [
    kind.plural ?? '',
    (kind.shortNames ?? []).join(','),
    (kind.group ?? '') === '' ? (kind.version ?? '') : `${kind.group}/${kind.version}`,
    String(kind.namespaced === true),
    kind.kind ?? '',
    ...(wide ? [(kind.verbs ?? []).join(',')] : []),
  ]);
  const header = ['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND', ...(wide ? ['VERBS'] : [])];
  return formatTable(options.headers ? [header, ...rows] : rows);
}
