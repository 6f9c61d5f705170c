import type { ResourceTarget, Selection } from '../api/api-client.ts';
import { CliError } from '../errors/cli-error.ts';
import type { Session } from '../session.ts';
import { expandAll, parseResourceArguments } from './resource-arguments.ts';

/** How a verb's arguments and options choose objects. */
export interface ObjectChoice {
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly filename?: readonly string[];
  readonly kustomize?: string;
  readonly recursive?: boolean;
}

/** What to ask the server for: one object, or all of a kind that match. */
export interface ObjectRequest {
  readonly target: ResourceTarget;
  readonly single: boolean;
  readonly selection: Selection;
}

/**
 * The requests that arguments and options of a verb mean. Throws a {@link CliError} for combinations that mean nothing.
 */
export async function findObjects(
  { api, namespace, terminal }: Session,
  args: readonly string[],
  choice: ObjectChoice,
): Promise<ObjectRequest[]> {
  const selection: Selection = { labelSelector: choice.selector, fieldSelector: choice.fieldSelector };
  const hasSelector = (choice.selector ?? '') !== '' || (choice.fieldSelector ?? '') !== '';
  const { filename, kustomize, recursive } = choice;
  if (filename !== undefined || kustomize !== undefined) {
    if (args.length > 0)
      throw new CliError('when paths or standard input are given, resource arguments are not allowed');
    // Loaded when needed: reading YAML takes a parser, and most commands name their objects.
    const { readInput } = await import('../manifest/read-input.ts');
    const manifests = await readInput(terminal, {
      ...(filename === undefined ? {} : { filename }),
      ...(kustomize === undefined ? {} : { kustomize }),
      recursive: recursive === true,
    });
    return manifests.map((manifest) => ({ target: manifestTarget(manifest, namespace), single: true, selection: {} }));
  }
  const parsed = parseResourceArguments(args);
  if (parsed.objects.length > 0) {
    if (hasSelector) throw new CliError('name cannot be provided when a selector is specified');
    if (choice.allNamespaces === true)
      throw new CliError('a resource cannot be retrieved by name across all namespaces');
    return parsed.objects.map(({ resource, name }) => ({
      target: { resource, namespace, name },
      single: true,
      selection: {},
    }));
  }
  const resources = await expandAll(parsed.resources, () => api.listKinds());
  return resources.map((resource) => ({
    target: choice.allNamespaces === true ? { resource } : { resource, namespace },
    single: false,
    selection,
  }));
}

/** The object a manifest is about. Throws a {@link CliError} when it has no name. */
export function manifestTarget(
  manifest: { apiVersion: string; kind: string; name: string | undefined; namespace: string | undefined },
  namespace: string,
): ResourceTarget {
  const { apiVersion, kind, name } = manifest;
  if (name === undefined) throw new CliError(`the ${kind} in the file has no metadata.name`);
  return { apiVersion, kind, name, namespace: manifest.namespace ?? namespace };
}
