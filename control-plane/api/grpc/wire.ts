/**
 * The few replies that carry stored bytes, written straight onto the wire: the bytes are copied once, whatever their
 * number, and one event's encoding serves every watcher. Field numbers are those of `skiff/api/v1/resources.proto`.
 */
import { apiv1, type ResourceType, typeUrl } from '../../../proto/index.ts';

const LENGTH_DELIMITED = 2;

/** What is around an object's bytes in a reply. */
interface Around {
  /** Field of the enclosing reply that repeats. */
  readonly outer: number;
  readonly any: number;
  readonly resourceVersion: number;
  /** Bytes before the object within the item. */
  readonly head: Uint8Array;
}

const LIST_ITEM: Around = { outer: 1, any: 1, resourceVersion: 3, head: new Uint8Array() };
const typeUrls = new WeakMap<ResourceType, Buffer>();

/** One item of a ListReply, ready to be concatenated with others. */
export function packListItem(type: ResourceType, value: Uint8Array, version: number): Buffer {
  return packItem(LIST_ITEM, { type, value, version });
}

/** One event of a WatchReply with its object, ready to be concatenated with others. */
export function packWatchEvent(
  eventType: apiv1.EventType,
  object: { readonly type: ResourceType; readonly value: Uint8Array; readonly version: number },
): Buffer {
  return packItem({ outer: 1, any: 2, resourceVersion: 5, head: Uint8Array.of(8, eventType) }, object);
}

/** One event of a WatchReply in another form, ready to be concatenated. */
export function packOtherWatchEvent(event: apiv1.WatchEvent): Buffer {
  return Buffer.from(apiv1.WatchReply.encode({ events: [event] }).finish());
}

function packItem(
  around: Around,
  { type, value, version }: { readonly type: ResourceType; readonly value: Uint8Array; readonly version: number },
): Buffer {
  const url = urlOf(type);
  const text = Buffer.from(String(version), 'latin1');
  const anyBytes = fieldBytes(1, url.byteLength) + fieldBytes(2, value.byteLength);
  const itemBytes =
    around.head.byteLength + fieldBytes(around.any, anyBytes) + fieldBytes(around.resourceVersion, text.byteLength);
  const out = Buffer.allocUnsafe(fieldBytes(around.outer, itemBytes));
  let at = writeHeader(out, 0, around.outer, itemBytes);
  out.set(around.head, at);
  at = writeHeader(out, at + around.head.byteLength, around.any, anyBytes);
  at = writeBytes(out, at, 1, url);
  at = writeBytes(out, at, 2, value);
  writeBytes(out, at, around.resourceVersion, text);
  return out;
}

function urlOf(type: ResourceType): Buffer {
  let url = typeUrls.get(type);
  if (url === undefined) {
    url = Buffer.from(typeUrl(type));
    typeUrls.set(type, url);
  }
  return url;
}

/** Size of a length-delimited field with so many bytes in it. Field numbers here are below 16: one byte of tag. */
function fieldBytes(_field: number, length: number): number {
  return 1 + varintBytes(length) + length;
}

function varintBytes(value: number): number {
  let size = 1;
  for (let rest = value; rest > 127; rest >>>= 7) size += 1;
  return size;
}

function writeHeader(out: Buffer, at: number, field: number, length: number): number {
  out[at] = (field << 3) | LENGTH_DELIMITED;
  let next = at + 1;
  let rest = length;
  for (; rest > 127; rest >>>= 7) out[next++] = (rest & 127) | 128;
  out[next++] = rest;
  return next;
}

function writeBytes(out: Buffer, at: number, field: number, bytes: Uint8Array): number {
  const start = writeHeader(out, at, field, bytes.byteLength);
  out.set(bytes, start);
  return start + bytes.byteLength;
}
