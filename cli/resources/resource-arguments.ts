import { CliError } from '../errors/cli-error.ts';

/** What the arguments of a verb name: whole kinds, or single objects. */
export interface ResourceArguments {
  /** Kinds as typed, when no object is named. */
  readonly resources: readonly string[];
  /** Objects by kind and name. */
  readonly objects: readonly { readonly resource: string; readonly name: string }[];
  /** Whether objects were written `kind/name`. */
  readonly slashed: boolean;
}

/**
 * Reads `pods`, `pods,deploy`, `pod a b`, `pod/a deploy/b`. Throws a {@link CliError} for mixtures that mean nothing and for
 * nothing at all.
 */
export function parseResourceArguments(args: readonly string[]): ResourceArguments {
  const [first, ...names] = args;
  if (first === undefined) {
    throw new CliError('You must specify the type of resource, such as: pods, deployments, nodes', {
      hint: 'Run "skiff api-resources" for a list of them.',
    });
  }
  if (args.some((arg) => arg.includes('/'))) {
    const objects = args.map((arg) => {
      const [resource = '', name = '', ...more] = arg.split('/');
      if (!arg.includes('/')) {
        throw new CliError(
          `there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'skiff get resource/<name>' instead of 'skiff get resource resource/<name>')`,
        );
      }
      if (resource === '' || name === '' || more.length > 0 || resource.includes(',')) {
        throw new CliError(`arguments in resource/name form must have a single resource and name, got "${arg}"`);
      }
      return { resource, name };
    });
    return { resources: [], objects, slashed: true };
  }
  const resources = first.split(',').filter((resource) => resource !== '');
  if (resources.length === 0) throw new CliError(`"${first}" names no resource`);
  if (names.length === 0) return { resources, objects: [], slashed: false };
  const objects = resources.flatMap((resource) => names.map((name) => ({ resource, name })));
  return { resources: [], objects, slashed: resources.length > 1 };
}

/** Kinds that `all` stands for, as far as the server serves them. */
const ALL = [
  'pods',
  'replicationcontrollers',
  'services',
  'daemonsets',
  'deployments',
  'replicasets',
  'statefulsets',
  'horizontalpodautoscalers',
  'cronjobs',
  'jobs',
];

/** What the server says of a kind, as far as {@link expandAll} looks. */
export interface ListedKind {
  readonly plural?: string | undefined;
  readonly group?: string | undefined;
  readonly categories?: readonly string[] | undefined;
}

/** Replaces `all` by the kinds it stands for, custom ones that say so among them. `served` gives the server's kinds. */
export async function expandAll(
  resources: readonly string[],
  served: () => Promise<readonly ListedKind[]>,
): Promise<string[]> {
  if (!resources.includes('all')) return [...resources];
  const known = await served();
  const builtIn = ALL.filter((plural) => known.some((kind) => kind.plural === plural));
  const further = known.filter((kind) => kind.categories?.includes('all') === true);
  const all = [...new Set([...builtIn, ...further.map(({ plural, group }) => `${plural ?? ''}.${group ?? ''}`)])];
  return resources.flatMap((resource) => (resource === 'all' ? all : [resource]));
}
