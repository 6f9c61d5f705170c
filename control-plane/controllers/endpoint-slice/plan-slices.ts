/**
 * Spreads endpoints over slices so that as few slices as possible are written: an endpoint stays in the slice it is in, new
 * ones go into slices that are written anyway, then into one that has room for all the rest, and only then into new slices.
 */
import type { discoveryv1 } from '../../../proto/index.ts';
import { isControlledBy } from '../ownership.ts';
import { sameStatus, sameValue } from '../same-value.ts';

type Endpoint = discoveryv1.Endpoint;
type EndpointSlice = discoveryv1.EndpointSlice;

/** Endpoints in one slice, unless said. */
export const MAX_ENDPOINTS = 100;

/** Endpoints that serve on the same ports. */
export interface EndpointGroup {
  readonly addressType: 'IPv4' | 'IPv6';
  readonly ports: readonly discoveryv1.EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** What {@link planSlices} works from. */
export interface SliceInput {
  readonly groups: readonly EndpointGroup[];
  /** The slices there are, all of the same service and writer. */
  readonly existing: readonly EndpointSlice[];
  /** Metadata of a new slice: generateName, namespace, labels, annotations, and the owner, who owns the existing ones, too. */
  readonly metadata: NonNullable<EndpointSlice['metadata']>;
  readonly maxEndpoints?: number;
  /** Keep one slice without endpoints when there are none, so that readers see the service is empty. */
  readonly keepOne: boolean;
}

/** What to write. */
export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

interface Draft {
  readonly slice: EndpointSlice | undefined;
  readonly endpoints: Endpoint[];
  changed: boolean;
}

const NO_ENDPOINTS: EndpointGroup = { addressType: 'IPv4', ports: [], endpoints: [] };

/** See the top of the file. */
export function planSlices({
  groups,
  existing,
  metadata,
  maxEndpoints = MAX_ENDPOINTS,
  keepOne,
}: SliceInput): SlicePlan {
  const owner = { metadata: { uid: metadata.ownerReferences?.[0]?.uid } };
  const left = new Map<string, EndpointSlice[]>();
  const remove: EndpointSlice[] = [];
  for (const slice of existing) {
    if (slice.metadata?.deletionTimestamp !== undefined) continue;
    if (!isControlledBy(slice, owner)) remove.push(slice);
    else push(left, groupKey(slice), slice);
  }
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const filled = groups.filter(({ endpoints }) => endpoints.length > 0);
  const wanted = filled.length === 0 && keepOne ? [NO_ENDPOINTS] : filled;
  for (const group of wanted) {
    const key = groupKey(group);
    const drafts = fill(group, left.get(key) ?? [], maxEndpoints);
    left.delete(key);
    const keepEmpty = group === NO_ENDPOINTS ? (drafts[0] ?? newDraft([])) : undefined;
    if (keepEmpty !== undefined && drafts.length === 0) drafts.push(keepEmpty);
    for (const draft of drafts) {
      const { slice, endpoints } = draft;
      if (endpoints.length === 0 && draft !== keepEmpty) {
        if (slice !== undefined) remove.push(slice);
      } else if (slice === undefined) create.push(newSlice(group, endpoints, metadata));
      else if (draft.changed || !sameLabels(slice, metadata))
        update.push(changedSlice(slice, group, endpoints, metadata));
    }
  }
  remove.push(...[...left.values()].flat());
  return recycle({ create, update, remove }, owner);
}

/** One slice rewritten is less for everybody than one removed and one made. */
function recycle(
  plan: { readonly create: EndpointSlice[]; readonly update: EndpointSlice[]; readonly remove: EndpointSlice[] },
  owner: { readonly metadata: { readonly uid: string | undefined } },
): SlicePlan {
  const { create, update, remove } = plan;
  const gone: EndpointSlice[] = [];
  for (const slice of remove) {
    const next = create.findIndex(({ addressType }) => addressType === slice.addressType);
    const fresh = create[next];
    if (fresh === undefined || !isControlledBy(slice, owner)) {
      gone.push(slice);
      continue;
    }
    create.splice(next, 1);
    update.push({ ...fresh, metadata: { ...slice.metadata, ...withoutName(fresh.metadata) } });
  }
  return { create, update, remove: gone };
}

function fill(group: EndpointGroup, slices: readonly EndpointSlice[], max: number): Draft[] {
  const missing = new Map(group.endpoints.map((endpoint) => [endpointId(endpoint), endpoint]));
  const drafts = slices.map((slice): Draft => {
    const before = slice.endpoints ?? [];
    const endpoints: Endpoint[] = [];
    for (const old of before) {
      const id = endpointId(old);
      const now = missing.get(id);
      if (now === undefined || endpoints.length === max) continue;
      missing.delete(id);
      endpoints.push(now);
    }
    return { slice, endpoints, changed: !sameValue(before, endpoints) };
  });
  const rest = [...missing.values()];
  const take = (draft: Draft): void => {
    draft.endpoints.push(...rest.splice(0, max - draft.endpoints.length));
  };
  for (const draft of drafts) if (draft.changed && rest.length > 0) take(draft);
  while (rest.length >= max) drafts.push(newDraft(rest.splice(0, max)));
  if (rest.length > 0) {
    // The fullest that has room for all of them.
    const [roomy] = drafts
      .filter(({ endpoints }) => endpoints.length + rest.length <= max)
      .sort((a, b) => b.endpoints.length - a.endpoints.length);
    if (roomy === undefined) drafts.push(newDraft(rest.splice(0)));
    else {
      roomy.changed = true;
      take(roomy);
    }
  }
  return drafts;
}

function newDraft(endpoints: Endpoint[]): Draft {
  return { slice: undefined, endpoints, changed: true };
}

/** Names an endpoint across its changes: its pod, or its address when it is no pod. */
function endpointId({ targetRef, addresses = [] }: Endpoint): string {
  const { uid = '' } = targetRef ?? {};
  return uid === '' ? addresses.join() : uid;
}

/** The same for slices whose endpoints may be in any of them. */
export function groupKey({
  addressType = 'IPv4',
  ports = [],
}: Pick<EndpointSlice, 'addressType' | 'ports'> | EndpointGroup): string {
  const lines = ports.map(({ name = '', port, protocol = 'TCP', appProtocol = '' }) =>
    JSON.stringify([name, port ?? null, protocol, appProtocol]),
  );
  return [addressType, ...lines.sort()].join('\n');
}

function newSlice(group: EndpointGroup, endpoints: Endpoint[], metadata: SliceInput['metadata']): EndpointSlice {
  return { metadata, addressType: group.addressType, ports: [...group.ports], endpoints };
}

function changedSlice(
  slice: EndpointSlice,
  group: EndpointGroup,
  endpoints: Endpoint[],
  metadata: SliceInput['metadata'],
): EndpointSlice {
  return { ...newSlice(group, endpoints, metadata), metadata: { ...slice.metadata, ...withoutName(metadata) } };
}

function withoutName(metadata: SliceInput['metadata'] = {}): SliceInput['metadata'] {
  const { generateName: _generateName, ...rest } = metadata;
  return rest;
}

function sameLabels(slice: EndpointSlice, { labels, annotations }: SliceInput['metadata']): boolean {
  if (!sameStatus(slice.metadata?.labels, labels)) return false;
  return annotations === undefined || sameStatus(slice.metadata?.annotations, annotations);
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
