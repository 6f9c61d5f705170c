import { ApiError, hasReason, VERSION_TOO_LARGE } from '../../../lib/errors.ts';
import type { KubeObject } from '../../../proto/index.ts';
import { LAST_INDEX, type ResourceVersion, revisionOf, versionOf } from '../../store/store.ts';
import { badRequest } from '../api-errors.ts';
import { collectionPrefix } from '../keys.ts';
import type { Target } from '../request/target.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import { copyOf, parseVersion, withVersion } from '../stored-object.ts';
import { continueExpired, decodeContinue, encodeContinue } from './continue-token.ts';
import { compileSelection } from './selection.ts';
import { SnapshotShelf } from './snapshot-shelf.ts';

/** One object read: its stored bytes and, decoded on demand, the object itself (shared, with its resourceVersion). */
export interface ReadEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: ResourceVersion;
  readonly object: KubeObject | undefined;
}

/** How to list. */
export interface ListOptions {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  /** Most objects; 0 for no limit of the caller's. */
  readonly limit: number;
  readonly continueText: string;
  readonly resourceVersion: string;
  readonly exact: boolean;
  /** Most bytes of stored objects in the reply. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** One page of a list. */
export interface ListPage {
  readonly entries: readonly ReadEntry[];
  readonly version: ResourceVersion;
  /** Empty on the last page. */
  readonly continueText: string;
  /** Objects left after this page; 0 also when a selector makes them unknown. */
  readonly remaining: number;
}

/** Pages of a list that was cut are served from the same picture as its first page, as long as that is kept: per cache. */
const shelves = new WeakMap<ApiServices['cache'], SnapshotShelf<ReadEntry>>();

function shelfOf({ cache }: ApiServices): SnapshotShelf<ReadEntry> {
  let shelf = shelves.get(cache);
  if (shelf === undefined) {
    shelf = new SnapshotShelf();
    shelves.set(cache, shelf);
  }
  return shelf;
}

/** Lists a collection, all pages of one version. Throws `Expired` for a version that is gone. */
export async function listObjects(services: ApiServices, target: Target, options: ListOptions): Promise<ListPage> {
  const { definition } = target;
  checkOptions(options);
  const selection = compileSelection(target, { ...options, name: target.name });
  const prefix = collectionPrefix(definition.type, target.namespace);
  const { entries, version, from } = await readPicture(services, definition, { prefix, options });
  const page: ReadEntry[] = [];
  let bytes = 0;
  let at = from;
  for (; at < entries.length; at++) {
    const entry = entries[at];
    if (entry === undefined) break;
    if (page.length > 0 && bytes + entry.value.byteLength > options.maxBytes) break;
    if (options.limit > 0 && page.length >= options.limit) break;
    if (!selection.everything && (entry.object === undefined || !selection.matches(entry.object))) continue;
    page.push(entry);
    bytes += entry.value.byteLength;
  }
  const more = at < entries.length && (selection.everything || anyLeft(entries, at, selection.matches));
  if (!more) return { entries: page, version, continueText: '', remaining: 0 };
  shelfOf(services).keep(prefix, version, entries);
  const after = entries[at - 1]?.key ?? prefix;
  return {
    entries: page,
    version,
    continueText: encodeContinue({ version, after }),
    remaining: selection.everything ? entries.length - at : 0,
  };
}

function checkOptions({ limit, continueText, resourceVersion, exact }: ListOptions): void {
  if (limit < 0) throw badRequest(`limit: Invalid value: ${limit}: must be greater than or equal to 0`);
  if (continueText !== '' && resourceVersion !== '' && resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  if (!exact) return;
  if (continueText !== '') throw badRequest('an exact resource version is not allowed when using continue');
  if (resourceVersion === '' || resourceVersion === '0') {
    throw badRequest(`resourceVersion: Invalid value: "${resourceVersion}": a list at exactly a version must name it`);
  }
}

function anyLeft(entries: readonly ReadEntry[], at: number, matches: (object: KubeObject) => boolean): boolean {
  for (let i = at; i < entries.length; i++) {
    const object = entries[i]?.object;
    if (object !== undefined && matches(object)) return true;
  }
  return false;
}

/** All objects of a collection at one version, and where to begin. */
interface Picture {
  readonly entries: readonly ReadEntry[];
  readonly version: ResourceVersion;
  readonly from: number;
}

async function readPicture(
  services: ApiServices,
  definition: AnyDefinition,
  { prefix, options }: { readonly prefix: string; readonly options: ListOptions },
): Promise<Picture> {
  if (options.continueText !== '') {
    const token = decodeContinue(options.continueText, prefix);
    if (token.version === 0) {
      await services.cache.catchUp(options.signal);
      const latest = services.cache.list(prefix);
      return { ...latest, from: firstAfter(latest.entries, token.after) };
    }
    const entries = await atVersion(services, definition, { prefix, version: token.version, options }).catch(
      (err: unknown) => {
        throw hasReason(err, 'Expired') ? continueExpired(token, err) : err;
      },
    );
    return { entries, version: token.version, from: firstAfter(entries, token.after) };
  }
  const wanted = parseVersion(options.resourceVersion);
  if (Number.isNaN(wanted)) throw badRequest(`resourceVersion: Invalid value: "${options.resourceVersion}"`);
  if (wanted === undefined) await services.cache.catchUp(options.signal);
  else if (wanted > 0) await waitForVersion(services, wanted, options.signal);
  if (wanted !== undefined && options.exact) {
    // Of a transaction all is shown or nothing, so the version of one of its objects means the whole of it.
    const version = versionOf(Math.max(revisionOf(wanted), 1), LAST_INDEX);
    return { entries: await atVersion(services, definition, { prefix, version, options }), version, from: 0 };
  }
  return { ...services.cache.list(prefix), from: 0 };
}

/** Longest wait for a version a client has seen elsewhere and this server has not. */
const MAX_VERSION_WAIT_MS = 3_000;

/** Waits until this server has seen `version`. Throws `Timeout` with the cause `ResourceVersionTooLarge` after 3 s. */
export async function waitForVersion(
  services: ApiServices,
  version: ResourceVersion,
  signal?: AbortSignal,
): Promise<void> {
  if (services.cache.version >= version) return;
  const deadline = AbortSignal.timeout(MAX_VERSION_WAIT_MS);
  try {
    await services.cache.waitFor(version, signal === undefined ? deadline : AbortSignal.any([signal, deadline]));
  } catch (err) {
    if (!deadline.aborted) throw err;
    throw new ApiError('Timeout', `Too large resource version: ${version}, current: ${services.cache.version}`, {
      retryAfterMs: 1_000,
      causes: [{ field: '', reason: VERSION_TOO_LARGE, message: 'Too large resource version' }],
      cause: err,
    });
  }
}

interface ExactRead {
  readonly prefix: string;
  readonly version: ResourceVersion;
  readonly options: ListOptions;
}

async function atVersion(
  services: ApiServices,
  definition: AnyDefinition,
  { prefix, version, options }: ExactRead,
): Promise<readonly ReadEntry[]> {
  const shelf = shelfOf(services);
  const kept = shelf.find(prefix, version);
  if (kept !== undefined) return kept;
  const page = await services.store.list(prefix, { at: version }, options.signal);
  const entries = page.entries.map((entry): ReadEntry => {
    let object: KubeObject | undefined;
    return {
      ...entry,
      get object() {
        object ??= withVersion(copyOf(definition, entry.value), entry.version);
        return object;
      },
    };
  });
  shelf.keep(prefix, version, entries);
  return entries;
}

function firstAfter(entries: readonly ReadEntry[], key: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]?.key ?? '') <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}
