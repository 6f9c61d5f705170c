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
  readonly categories?: string;
  readonly sortBy?: string;
  readonly headers: boolean;
}

/** `skiff api-resources` */
export const apiResources: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .option('-o, --output <format>', 'wide or name')
      .option('--namespaced [bool]', 'only kinds that live in namespaces, or with =false those that do not')
      .option('--api-group <group>', 'only kinds of this group; empty for the group without name')
      .option('--verbs <verbs>', 'only kinds with all these verbs')
      .option('--categories <names>', 'only kinds of all these categories')
      .option('--sort-by <column>', 'name or kind; without it by group, then name')
      .option('--no-headers', 'no line of headers')
      .action((options: ApiResourcesOptions) => {
        check('--output', options.output, ['wide', 'name']);
        check('--sort-by', options.sortBy, ['name', 'kind']);
        return withSession(terminal, options, async ({ api }) => {
          const kinds = preferred(await api.listKinds()).filter((kind) => matches(kind, options));
          kinds.sort(byColumn(options.sortBy));
          terminal.stdout.write(
            options.output === 'name' ? kinds.map((kind) => `${fullName(kind)}\n`).join('') : table(kinds, options),
          );
        });
      });
    addExamples(command, [
      ['What there is', 'skiff api-resources'],
      ['What lives in namespaces, with what can be done to it', 'skiff api-resources --namespaced -o wide'],
      ['What can be listed, for other commands', 'skiff api-resources --verbs=list -o name'],
    ]);
  },
};

function check(flag: string, value: string | undefined, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value))
    throw new CliError(`${flag} must be one of ${allowed.join(', ')}, not "${value}"`);
}

/** Of a kind that is served in several versions, the one that counts; `explain --api-version` and `api-versions` tell of others. */
function preferred(kinds: readonly apiv1.KindInfo[]): apiv1.KindInfo[] {
  const best = new Map<string, apiv1.KindInfo>();
  for (const kind of kinds) {
    const known = best.get(fullName(kind));
    if (known === undefined || isNewer(kind.version ?? '', known.version ?? '')) best.set(fullName(kind), kind);
  }
  return [...best.values()];
}

/** Kubernetes' order of versions: stable before beta before alpha, and within each the higher number first. */
function isNewer(a: string, b: string): boolean {
  const rank = (version: string): readonly number[] => {
    const [, major = '0', stage, minor = '0'] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? [];
    return [stage === undefined ? 2 : stage === 'beta' ? 1 : 0, Number(major), Number(minor)];
  };
  const [left, right] = [rank(a), rank(b)];
  const at = left.findIndex((part, index) => part !== right[index]);
  return at !== -1 && (left[at] ?? 0) > (right[at] ?? 0);
}

function matches(kind: apiv1.KindInfo, options: ApiResourcesOptions): boolean {
  if (options.namespaced !== undefined && (kind.namespaced === true) !== (String(options.namespaced) !== 'false'))
    return false;
  if (options.apiGroup !== undefined && (kind.group ?? '') !== options.apiGroup) return false;
  const hasAll = (wanted: string | undefined, there: readonly string[] = []): boolean =>
    (wanted?.split(',') ?? []).every((one) => there.includes(one));
  return hasAll(options.verbs, kind.verbs) && hasAll(options.categories, kind.categories);
}

function byColumn(column: string | undefined): (a: apiv1.KindInfo, b: apiv1.KindInfo) => number {
  const key = ({ group = '', plural = '', kind = '' }: apiv1.KindInfo): readonly string[] =>
    column === 'kind' ? [kind] : column === 'name' ? [plural] : [group, plural];
  return (a, b) => {
    const right = key(b);
    for (const [index, left] of key(a).entries()) {
      const other = right[index] ?? '';
      if (left !== other) return left < other ? -1 : 1;
    }
    return 0;
  };
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
    ...(wide ? [(kind.verbs ?? []).join(','), (kind.categories ?? []).join(',')] : []),
  ]);
  const header = ['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND', ...(wide ? ['VERBS', 'CATEGORIES'] : [])];
  return formatTable(options.headers ? [header, ...rows] : rows);
}
