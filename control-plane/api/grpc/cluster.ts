import { apiv1 } from '../../../proto/index.ts';
import { checkClusterAccess } from '../authorization/check-access.ts';
import { explain } from '../read/explain.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import type { UnaryVerb } from './call.ts';

/** What the server says about itself. */
export interface ClusterFacts {
  readonly version: string;
  readonly gitCommit: string;
  readonly etcdVersion: string;
}

/** Cluster.Version */
export function versionVerb(services: ApiServices, facts: ClusterFacts): UnaryVerb<apiv1.VersionRequest> {
  return async (_request, { caller }) => {
    checkClusterAccess(services, caller, 'get');
    return apiv1.VersionReply.encode({ ...facts, nodeVersion: process.version }).finish();
  };
}

/** Cluster.ListKinds */
export function listKindsVerb(services: ApiServices): UnaryVerb<apiv1.ListKindsRequest> {
  return async (_request, { caller }) => {
    checkClusterAccess(services, caller, 'list');
    return apiv1.ListKindsReply.encode({ kinds: services.registry.definitions.map(kindInfo) }).finish();
  };
}

const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'apply', 'delete', 'deletecollection'];

function kindInfo({ type, categories }: AnyDefinition): apiv1.KindInfo {
  const { group, version, kind, plural, singular, shortNames, namespaced } = type;
  const names = { group, version, kind, plural, singular, shortNames: [...shortNames], namespaced };
  return { ...names, verbs: VERBS, ...(categories === undefined ? {} : { categories: [...categories] }) };
}

/** Cluster.Explain */
export function explainVerb(services: ApiServices): UnaryVerb<apiv1.ExplainRequest> {
  return async (request, { caller }) => {
    checkClusterAccess(services, caller, 'get');
    return apiv1.ExplainReply.encode(explain(services.registry, request)).finish();
  };
}
