import type { apiv1 } from '../../proto/api.ts';
import type { ApiClient, ResourceTarget } from '../api/api-client.ts';
import { CliError } from '../errors/cli-error.ts';
import { textAt } from './fields.ts';
import type { ObjectRequest } from './find-objects.ts';

/**
 * One target for each object of the requests; kinds are listed where `all` allows it. Throws a {@link CliError} for a kind
 * without names when it does not.
 */
export async function targetsOf(
  api: ApiClient,
  requests: readonly ObjectRequest[],
  { all }: { readonly all: boolean },
): Promise<ResourceTarget[]> {
  const targets: ResourceTarget[] = [];
  for (const { target, single, selection } of requests) {
    if (single) targets.push(target);
    else if (!all) throw new CliError('resource(s) were provided, but no name was specified');
    else {
      const { items, identity } = await api.list(target, selection);
      for (const item of items) {
        const [namespace, name] = [textAt(item, 'metadata', 'namespace'), textAt(item, 'metadata', 'name')];
        targets.push({ ...resourceOf(identity, target), namespace, name });
      }
    }
  }
  return targets;
}

function resourceOf(identity: apiv1.ObjectIdentity, target: ResourceTarget): ResourceTarget {
  const { group = '', plural = '' } = identity;
  return plural === '' ? target : { resource: group === '' ? plural : `${plural}.${group}` };
}
