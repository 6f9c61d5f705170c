import { CliError } from '../errors/cli-error.ts';
import type { Terminal } from '../terminal.ts';
import type { Manifest } from './manifest.ts';
import { readManifests } from './read-manifests.ts';
import { readOptions } from './read-options.ts';

/** Where a verb's objects come from. */
export interface InputOptions {
  readonly filename?: readonly string[];
  readonly kustomize?: string;
  readonly recursive?: boolean;
  /** `-l`: only the objects of the input whose labels match. */
  readonly selector?: string;
}

/**
 * Every object that `-f` and `-k` name. Throws a {@link CliError} when neither or both are given, or nothing matches `-l`, and
 * a ManifestError for whatever is wrong with the files.
 */
export async function readInput(terminal: Terminal, options: InputOptions): Promise<Manifest[]> {
  const { filename, kustomize, selector } = options;
  if (filename === undefined && kustomize === undefined)
    throw new CliError('must specify -f, --filename with a file, folder, address or -, or -k with a folder');
  if (filename !== undefined && kustomize !== undefined)
    throw new CliError('-f, --filename and -k, --kustomize cannot be given together');
  const manifests = kustomize === undefined ? await readFiles(terminal, options) : await build(terminal, kustomize);
  if (selector === undefined) return manifests;
  const { parseLabelSelector, matchesLabels } = await import('../../lib/selectors.ts');
  const { labelsOf } = await import('../apply/object-set.ts');
  const requirements = parseLabelSelector(selector);
  const matching = manifests.filter((manifest) => matchesLabels(requirements, labelsOf(manifest)));
  if (matching.length === 0) throw new CliError(`no objects passed to apply: none has labels that match ${selector}`);
  return matching;
}

function readFiles(terminal: Terminal, options: InputOptions): Promise<Manifest[]> {
  return readManifests(options.filename ?? [], readOptions(terminal, options));
}

async function build(terminal: Terminal, folder: string): Promise<Manifest[]> {
  const { buildKustomization } = await import('../kustomize/build.ts');
  return buildKustomization(folder, readOptions(terminal, {}));
}
