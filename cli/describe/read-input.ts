import { hasReason } from '../../lib/errors.ts';
import type { apiv1 } from '../../proto/api.ts';
import type { ApiClient, ResourceTarget } from '../api/api-client.ts';
import { lastSeen } from '../commands/events.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { mapAt, textAt } from '../resources/fields.ts';
import type { DescribeInput } from './common.ts';

/** Reads what describing an object takes: its events, and its relatives where the view shows them. */
export async function readInput(
  api: ApiClient,
  { object, identity }: { readonly object: JsonObject; readonly identity: apiv1.ObjectIdentity },
  options: { readonly showEvents: boolean; readonly nowMs: number },
): Promise<DescribeInput> {
  const [events, relatives, place] = await Promise.all([
    options.showEvents ? readEvents(api, object) : [],
    readRelatives(api, object, identity),
    readPlace(api, object, identity),
  ]);
  return { object, events, relatives, ...place, nowMs: options.nowMs };
}

/** The machine's lease, and for a pod that is being deleted its node: they say whether it waits for the machine. */
async function readPlace(
  api: ApiClient,
  object: JsonObject,
  { kind = '' }: apiv1.ObjectIdentity,
): Promise<Pick<DescribeInput, 'node' | 'lease'>> {
  const leaseOf = (name: string) => readIfAllowed(api, { resource: 'leases', namespace: 'kube-node-lease', name });
  if (kind === 'Node') {
    const lease = await leaseOf(textAt(object, 'metadata', 'name'));
    return lease === undefined ? {} : { lease };
  }
  const name = textAt(object, 'spec', 'nodeName');
  if (kind !== 'Pod' || name === '' || textAt(object, 'metadata', 'deletionTimestamp') === '') return {};
  const [node, lease] = await Promise.all([readIfAllowed(api, { resource: 'nodes', name }), leaseOf(name)]);
  return { ...(node === undefined ? {} : { node }), ...(lease === undefined ? {} : { lease }) };
}

async function readIfAllowed(api: ApiClient, target: ResourceTarget): Promise<JsonObject | undefined> {
  try {
    return (await api.get(target)).object;
  } catch (err) {
    if (hasReason(err, 'NotFound', 'Forbidden')) return undefined;
    throw err;
  }
}

async function readEvents(api: ApiClient, object: JsonObject): Promise<readonly JsonObject[]> {
  const namespace = textAt(object, 'metadata', 'namespace');
  const uid = textAt(object, 'metadata', 'uid');
  const kind = textAt(object, 'kind');
  // Events about nodes name them as uid in older clusters; the name is always there.
  const identity = kind === 'Node' || uid === '' ? '' : `,involvedObject.uid=${uid}`;
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${textAt(object, 'metadata', 'name')}${identity}`;
  const target = namespace === '' ? { resource: 'events' } : { resource: 'events', namespace };
  const { items } = await api.list(target, { fieldSelector });
  return [...items].sort((a, b) => lastSeen(a).localeCompare(lastSeen(b)));
}

const FAMILY = ['Deployment', 'ReplicaSet', 'Pod'];

async function readRelatives(
  api: ApiClient,
  object: JsonObject,
  { kind = '' }: apiv1.ObjectIdentity,
): Promise<readonly JsonObject[]> {
  const namespace = textAt(object, 'metadata', 'namespace');
  if (kind === 'Node') {
    const fieldSelector = `spec.nodeName=${textAt(object, 'metadata', 'name')}`;
    return (await api.list({ resource: 'pods' }, { fieldSelector })).items;
  }
  if (kind === 'Service') return readEndpoints(api, object, namespace);
  if (!FAMILY.includes(kind)) return [];
  const lists = await Promise.all(
    ['deployments.apps', 'replicasets.apps', 'pods'].map(async (resource) => {
      try {
        return (await api.list({ resource, namespace })).items;
      } catch (err) {
        if (hasReason(err, 'NotFound', 'BadRequest', 'Forbidden')) return [];
        throw err;
      }
    }),
  );
  return family(object, lists.flat());
}

/** The slices of a service, and the pods it selects, whether they are endpoints or not. */
async function readEndpoints(api: ApiClient, object: JsonObject, namespace: string): Promise<readonly JsonObject[]> {
  const selector = mapAt(object, 'spec', 'selector').map(([key, value]) => `${key}=${value}`);
  const wanted = [
    ['endpointslices.discovery.k8s.io', `kubernetes.io/service-name=${textAt(object, 'metadata', 'name')}`],
    ...(selector.length === 0 ? [] : [['pods', selector.join(',')]]),
  ];
  const lists = await Promise.all(
    wanted.map(async ([resource = '', labelSelector = '']) => {
      try {
        return (await api.list({ resource, namespace }, { labelSelector })).items;
      } catch (err) {
        if (hasReason(err, 'NotFound', 'BadRequest', 'Forbidden')) return [];
        throw err;
      }
    }),
  );
  return lists.flat();
}

/** Those of `all` that are bound to the object by ownership, upwards and downwards. */
function family(object: JsonObject, all: readonly JsonObject[]): JsonObject[] {
  const uidOf = (one: JsonObject): string => textAt(one, 'metadata', 'uid');
  const owners = (one: JsonObject): string[] =>
    (Array.isArray((one.metadata as JsonObject | undefined)?.ownerReferences)
      ? ((one.metadata as JsonObject).ownerReferences as readonly JsonObject[])
      : []
    ).map((owner) => textAt(owner, 'uid'));
  const above = new Set<string>();
  for (let next = owners(object); next.length > 0; ) {
    for (const uid of next) above.add(uid);
    next = all.filter((one) => next.includes(uidOf(one))).flatMap((one) => owners(one));
  }
  const below = new Set([uidOf(object), ...above]);
  for (let grown = true; grown; ) {
    const more = all.filter((one) => !below.has(uidOf(one)) && owners(one).some((uid) => below.has(uid)));
    for (const one of more) below.add(uidOf(one));
    grown = more.length > 0;
  }
  return all.filter((one) => below.has(uidOf(one)) && uidOf(one) !== uidOf(object));
}
