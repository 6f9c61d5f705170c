import { hasReason } from '../../lib/errors.ts';
import type { apiv1 } from '../../proto/api.ts';
import { LAST_APPLIED } from '../create/last-applied.ts';
import { CliError } from '../errors/cli-error.ts';
import { textAt } from '../resources/fields.ts';
import type { Session } from '../session.ts';

/** A kind that is looked through for objects to prune. */
export interface PrunedKind {
  readonly apiVersion: string;
  readonly kind: string;
}

/** The kinds kubectl prunes unless told others. */
const USUAL_KINDS: readonly PrunedKind[] = [
  ...['ConfigMap', 'Endpoints', 'PersistentVolumeClaim', 'Pod', 'ReplicationController', 'Secret', 'Service'].map(
    (kind) => ({ apiVersion: 'v1', kind }),
  ),
  { apiVersion: 'batch/v1', kind: 'Job' },
  { apiVersion: 'batch/v1', kind: 'CronJob' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
  ...['DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'].map((kind) => ({ apiVersion: 'apps/v1', kind })),
];
const USUAL_CLUSTER_KINDS: readonly PrunedKind[] = ['Namespace', 'PersistentVolume'].map((kind) => ({
  apiVersion: 'v1',
  kind,
}));

/** What is pruned. */
export interface PruneOptions {
  readonly selector: string | undefined;
  /** `group/version/Kind`, with `core` for the group without name; undefined means the usual kinds. */
  readonly allowlist: readonly string[] | undefined;
  /** Whether `-n` was given: then the kinds outside namespaces are left alone unless listed. */
  readonly namespaceGiven: boolean;
  /** The objects that are in the set: their uids, and the namespaces they are in. */
  readonly kept: readonly apiv1.ObjectIdentity[];
}

/** Reads `core/v1/ConfigMap` and `apps/v1/Deployment`. Throws a {@link CliError}. */
function parseAllowlist(texts: readonly string[]): PrunedKind[] {
  return texts.map((text) => {
    const [group = '', version = '', kind = '', ...rest] = text.split('/');
    if (group === '' || version === '' || kind === '' || rest.length > 0)
      throw new CliError(`invalid --prune-allowlist "${text}": write group/version/Kind, such as core/v1/ConfigMap`);
    return { apiVersion: group === 'core' ? version : `${group}/${version}`, kind };
  });
}

/**
 * The live objects that were applied before and are no longer in the set: they carry the last applied configuration, match the
 * selector, and are in one of the namespaces the set touches (or in none). Ordered by kind as listed, then by name.
 */
export async function findPrunable({ api }: Session, options: PruneOptions): Promise<apiv1.ObjectIdentity[]> {
  const { allowlist, kept, selector } = options;
  const listed = allowlist === undefined ? undefined : parseAllowlist(allowlist);
  const kinds = listed ?? [...USUAL_KINDS, ...(options.namespaceGiven ? [] : USUAL_CLUSTER_KINDS)];
  const served = await api.listKinds();
  const namespaces = [...new Set(kept.map(({ namespace = '' }) => namespace).filter((name) => name !== ''))].sort();
  const uids = new Set(kept.map(({ uid = '' }) => uid));
  const found: apiv1.ObjectIdentity[] = [];
  for (const { apiVersion, kind } of kinds) {
    const info = served.find((one) => one.kind === kind && apiVersionOf(one) === apiVersion);
    if (info === undefined) {
      if (listed === undefined) continue;
      throw new CliError(`--prune-allowlist: no matches for kind "${kind}" in version "${apiVersion}"`);
    }
    for (const namespace of info.namespaced === true ? namespaces : [undefined]) {
      const target = { apiVersion, kind, ...(namespace === undefined ? {} : { namespace }) };
      const { items, identity } = await api.list(target, { labelSelector: selector });
      for (const item of items) {
        const uid = textAt(item, 'metadata', 'uid');
        const isGoing = textAt(item, 'metadata', 'deletionTimestamp') !== '';
        if (uids.has(uid) || isGoing || textAt(item, 'metadata', 'annotations', LAST_APPLIED) === '') continue;
        const name = textAt(item, 'metadata', 'name');
        found.push({ ...identity, kind, ...(namespace === undefined ? {} : { namespace }), name, uid });
      }
    }
  }
  return found;
}

/** Deletes what {@link findPrunable} found, in the background; tells `done` each. What is gone already counts as done. */
export async function prune(
  { api }: Session,
  objects: readonly apiv1.ObjectIdentity[],
  options: { readonly dryRun: 'none' | 'client' | 'server'; readonly done: (identity: apiv1.ObjectIdentity) => void },
): Promise<void> {
  for (const identity of objects) {
    const { namespace = '', name = '' } = identity;
    if (options.dryRun !== 'client') {
      try {
        await api.delete(
          { apiVersion: apiVersionOf(identity), kind: identity.kind ?? '', namespace, name },
          { propagationPolicy: 'Background', dryRun: options.dryRun === 'server' },
        );
      } catch (err) {
        if (!hasReason(err, 'NotFound')) throw err;
      }
    }
    options.done(identity);
  }
}

function apiVersionOf({
  group = '',
  version = '',
}: {
  group?: string | undefined;
  version?: string | undefined;
}): string {
  return group === '' ? version : `${group}/${version}`;
}
