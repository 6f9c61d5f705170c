import { hasReason } from '../../../lib/errors.ts';
import { apiv1, type KubeObject } from '../../../proto/index.ts';
import { mayDoAll } from '../authorization/authorize.ts';
import { checkAccess } from '../authorization/check-access.ts';
import { batchAsAsked, checkCollection } from '../read/peers.ts';
import { tooOld, type WatchBatch, type WatchedEvent, watchObjects } from '../read/watch.ts';
import { resolveTarget, type Target } from '../request/target.ts';
import { servedEntry } from '../request/versions.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import { withVersion } from '../stored-object.ts';
import type { StreamingVerb } from './call.ts';
import { columnsOf, jsonOf, outputOf, rowOf } from './reply.ts';
import { packOtherWatchEvent, packWatchEvent } from './wire.ts';

/** Most bytes in one reply, beyond its first event: one reply, copied, is what each slow watcher costs. */
const MAX_REPLY_BYTES = 32 * 1024;

const EVENT_TYPES = {
  ADDED: apiv1.EventType.ADDED,
  MODIFIED: apiv1.EventType.MODIFIED,
  DELETED: apiv1.EventType.DELETED,
} as const;

/** Resources.Watch */
export function watchVerb(services: ApiServices): StreamingVerb<apiv1.WatchRequest> {
  return async function* (request, { caller, signal }) {
    const target = resolveTarget(request.target, services.registry);
    const access = { verb: 'watch', target, fieldSelector: request.fieldSelector, signal };
    await checkAccess(services, caller, access);
    checkCollection(target);
    const options = {
      labelSelector: request.labelSelector ?? '',
      fieldSelector: request.fieldSelector ?? '',
      resourceVersion: request.resourceVersion ?? '',
      sendInitialEvents: request.sendInitialEvents === true,
      bookmarks: request.bookmarks === true,
    };
    const { subresource } = target;
    const form = { subresource, output: outputOf(request.output), rowObject: request.rowObject };
    try {
      for await (const batch of watchObjects(services, target, options, signal)) {
        // What was allowed because of a pod is no longer when the pod is gone.
        if (!mayDoAll(caller)) await checkAccess(services, caller, access);
        yield* encodeBatch(target.served, inServedVersion(target, batchAsAsked(target, batch)), form);
      }
    } catch (err) {
      throw hasReason(err, 'Expired') ? tooOld(options.resourceVersion, err) : err;
    }
  };
}

/** Events in another version than the stored one are converted for each watcher: too rare to be kept. */
function inServedVersion(target: Target, batch: WatchBatch): WatchBatch {
  if (target.served.storedAs === undefined) return batch;
  const events = batch.events.map((event) => ({
    ...event,
    entry: servedEntry(target, event.entry),
    source: undefined,
  }));
  return { ...batch, events };
}

/** How a watcher wants its events. */
interface EventForm {
  readonly subresource: string;
  readonly output: apiv1.Output;
  readonly rowObject: apiv1.RowObject | undefined;
}

function* encodeBatch(definition: AnyDefinition, batch: WatchBatch, form: EventForm): Generator<Uint8Array> {
  if (batch.bookmark) {
    yield packOtherWatchEvent({
      type: apiv1.EventType.BOOKMARK,
      resourceVersion: String(batch.version),
      initialEventsEnd: batch.initialEventsEnd,
    });
    return;
  }
  let parts: Buffer[] = [];
  let bytes = 0;
  for (const event of batch.events) {
    const part = encodeOnce(definition, event, form);
    if (bytes > 0 && bytes + part.byteLength > MAX_REPLY_BYTES) {
      yield concat(parts, batch.unfiltered);
      parts = [];
      bytes = 0;
    }
    parts.push(part);
    bytes += part.byteLength;
  }
  if (parts.length > 0) yield concat(parts, batch.unfiltered);
}

/** The last reply that began with an event's bytes, and the bytes it ended with. */
interface Joined {
  readonly count: number;
  readonly last: Buffer | undefined;
  readonly reply: Buffer;
}

const joined = new WeakMap<Buffer, Joined>();

/** Parts as one reply. Watchers that keep pace are given the same events at the same time, and so the same reply. */
function concat(parts: readonly Buffer[], unfiltered: boolean): Buffer {
  const [first] = parts;
  if (first === undefined || parts.length === 1) return first ?? Buffer.alloc(0);
  const last = parts.at(-1);
  const known = unfiltered ? joined.get(first) : undefined;
  if (known !== undefined && known.count === parts.length && known.last === last) return known.reply;
  const reply = Buffer.concat(parts);
  if (unfiltered) joined.set(first, { count: parts.length, last, reply });
  return reply;
}

/**
 * Encodings kept with a change: one for each way watchers see it (selectors make a change an ADDED for some of them, or show
 * the version before it).
 */
type Memo = Map<string, Buffer>;

/** The event's bytes, made once however many watchers receive it. */
function encodeOnce(definition: AnyDefinition, event: WatchedEvent, form: EventForm): Buffer {
  const { source } = event;
  if (source === undefined) return encode(definition, event, form);
  source.memo ??= new Map<string, Buffer>();
  const memo = source.memo as Memo;
  const key = `${event.type} ${form.output} ${form.rowObject ?? 0} ${event.entry.version} ${form.subresource}`;
  let bytes = memo.get(key);
  if (bytes === undefined) {
    bytes = encode(definition, event, form);
    memo.set(key, bytes);
  }
  return bytes;
}

function encode(definition: AnyDefinition, event: WatchedEvent, { output, rowObject }: EventForm): Buffer {
  const { entry, version } = event;
  const type = EVENT_TYPES[event.type];
  if (output === apiv1.Output.OBJECT)
    return packWatchEvent(type, { type: definition.type, value: entry.value, version });
  const base: apiv1.WatchEvent = { type, resourceVersion: String(version) };
  const object = objectAt(event);
  if (output === apiv1.Output.NONE || object === undefined) return packOtherWatchEvent(base);
  if (output === apiv1.Output.JSON) return packOtherWatchEvent({ ...base, json: jsonOf(definition, object) });
  const rows = [rowOf(definition, object, { version, rowObject })];
  return packOtherWatchEvent({ ...base, table: { columns: columnsOf(definition), rows } });
}

function objectAt({ entry, version }: WatchedEvent): KubeObject | undefined {
  const { object } = entry;
  return object === undefined || entry.version === version ? object : withVersion({ ...object }, version);
}
