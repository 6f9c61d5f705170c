import type { KubeObject } from '../../proto/index.ts';
import type { Decode } from '../store/cached-entry.ts';
import type { ResourceVersion } from '../store/store.ts';
import type { AnyDefinition, KindRegistry } from './services.ts';

/** How the cache reads stored bytes: decoded by the kind the key belongs to, with today's defaults and resourceVersion. */
export function storedObjectDecoder(registry: Pick<KindRegistry, 'findStored'>): Decode<KubeObject> {
  return (key, bytes, version) => {
    const prefix = key.slice(0, key.indexOf('/', key.indexOf('/') + 1) + 1);
    const definition = registry.findStored(prefix);
    if (definition === undefined) throw new Error(`no kind is stored under ${prefix}`);
    return withVersion(copyOf(definition, bytes), version);
  };
}

/** A private copy of stored bytes, decoded, with today's defaults and without a resourceVersion. */
export function copyOf(definition: AnyDefinition, value: Uint8Array): KubeObject {
  const object = definition.type.message.decode(value);
  definition.afterRead?.(object);
  definition.setDefaults?.(object);
  return object;
}

/** Sets the resourceVersion, which the stored bytes do not carry, in place. */
export function withVersion<T extends KubeObject>(object: T, version: ResourceVersion): T {
  object.metadata = { ...object.metadata, resourceVersion: String(version) };
  return object;
}

/** The bytes to store: everything but the resourceVersion. */
export function encodeForStore(definition: AnyDefinition, object: KubeObject): Uint8Array {
  const { resourceVersion, ...metadata } = object.metadata ?? {};
  return definition.type.message.encode(resourceVersion === undefined ? object : { ...object, metadata }).finish();
}

/** Whether two encodings are the same. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** A resourceVersion as clients send it; undefined for none, NaN (which equals nothing) for text that is no version. */
export function parseVersion(text: string | undefined): ResourceVersion | undefined {
  if (text === undefined || text === '') return undefined;
  return /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
}
