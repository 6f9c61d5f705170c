import type { apiv1 } from '../../../proto/index.ts';
import { badRequest } from '../api-errors.ts';
import { checkAccess } from '../authorization/check-access.ts';
import { withAssumedKinds } from '../custom/assumed-kinds.ts';
import { AssumedObjects } from '../request/assumed.ts';
import { parseJson } from '../request/decode.ts';
import { resolveTarget } from '../request/target.ts';
import type { ApiServices, KindRegistry } from '../services.ts';
import { applyObject } from '../write/apply.ts';
import { CLIENT_SIDE_APPLY, checkFieldManager } from '../write/managed-fields/field-manager.ts';
import { serverSideApply } from '../write/managed-fields/server-side-apply.ts';
import type { WriteRequest } from '../write/write-request.ts';
import type { UnaryVerb } from './call.ts';
import { outputOf, writeReply } from './reply.ts';

/** Resources.Apply. Without a kind in the target, the configuration's own apiVersion and kind say what it is. */
export function applyVerb(services: ApiServices): UnaryVerb<apiv1.ApplyRequest> {
  return async (request, { caller }) => {
    const config = parseJson(request.json ?? new Uint8Array());
    const { apiVersion, kind } = config;
    const given = request.target ?? {};
    const named = (given.kind ?? '') !== '' || (given.resource ?? '') !== '';
    const own = { apiVersion: text(apiVersion), kind: text(kind) };
    const dryRun = request.dryRun === true;
    const registry = await registryFor(services, request, dryRun);
    const target = resolveTarget(named ? given : { ...given, ...own }, registry);
    await checkAccess(services, caller, { verb: 'patch', target });
    const { serverSide = false, force = false } = request;
    const fieldManager = checkFieldManager('PatchOptions', request.fieldManager);
    if (force && !serverSide) throw badRequest('force may not be specified for client-side apply');
    if (target.subresource !== '' && !(serverSide && target.subresource === 'status')) {
      throw badRequest(`the subresource "${target.subresource}" cannot be applied`);
    }
    const write: WriteRequest = { target, caller, dryRun, assumed: assumedOf(request, dryRun) };
    const outcome = serverSide
      ? await serverSideApply(services, { ...write, fieldManager }, { config, force })
      : await applyObject(services, { ...write, fieldManager: fieldManager || CLIENT_SIDE_APPLY }, config);
    return writeReply(target, outcome, outputOf(request.output));
  };
}

async function registryFor(
  { registry }: ApiServices,
  { assumedDefinitions = [] }: apiv1.ApplyRequest,
  dryRun: boolean,
): Promise<KindRegistry> {
  if (assumedDefinitions.length === 0) return registry;
  if (!dryRun) throw badRequest('kinds can be taken as being served only in a dry run');
  return withAssumedKinds(registry, assumedDefinitions);
}

function assumedOf({ assumed = [] }: apiv1.ApplyRequest, dryRun: boolean): AssumedObjects | undefined {
  if (assumed.length === 0) return undefined;
  if (!dryRun) throw badRequest('objects can be taken as being there only in a dry run');
  return new AssumedObjects(assumed);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
