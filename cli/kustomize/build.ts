import type { Manifest } from '../manifest/manifest.ts';
import type { ReadManifestsOptions } from '../manifest/read-manifests.ts';
import { CliError } from '../errors/cli-error.ts';

/** The objects that the kustomization in `folder` makes. */
export async function buildKustomization(folder: string, _options: ReadManifestsOptions): Promise<Manifest[]> {
  throw new CliError(`${folder}: not built yet`);
}
