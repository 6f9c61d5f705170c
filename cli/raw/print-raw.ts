import { ApiError } from '../../lib/errors.ts';
import type { apiv1 } from '../../proto/api.ts';
import { parseObject } from '../api/api-client.ts';
import { CliError } from '../errors/cli-error.ts';
import { encodeJson, type JsonObject } from '../manifest/json-value.ts';
import type { Session } from '../session.ts';
import { apiGroup, apiGroups, apiResources, coreVersions } from './discovery.ts';
import { parseRawPath, type RawRequest } from './parse-raw-path.ts';

type ObjectsRequest = Extract<RawRequest, { type: 'objects' }>;

/** Prints what the Kubernetes API would answer at a path, as JSON. Throws `NotFound` for paths that are not served. */
export async function printRaw(session: Session, path: string): Promise<void> {
  const request = parseRawPath(path);
  if (request === undefined) throw notServed(path);
  const { stdout } = session.terminal;
  if (request.type === 'health') {
    if (!(await session.api.isServing()))
      throw new ApiError('ServiceUnavailable', 'the server runs and does not serve yet, or not any longer');
    stdout.write('ok');
    return;
  }
  stdout.write(`${encodeJson(await answer(session, request, path))}\n`);
}

async function answer(session: Session, request: RawRequest, path: string): Promise<JsonObject> {
  const { api } = session;
  switch (request.type) {
    case 'version':
      return versionOf(await api.version());
    case 'core-versions':
      return coreVersions(await api.listKinds());
    case 'groups':
      return apiGroups(await api.listKinds());
    case 'group':
      return apiGroup(await api.listKinds(), request.group) ?? fail(path);
    case 'resources':
      return apiResources(await api.listKinds(), request.group, request.version) ?? fail(path);
    case 'objects':
      return objects(session, request, path);
    default:
      return fail(path);
  }
}

async function objects({ api }: Session, request: ObjectsRequest, path: string): Promise<JsonObject> {
  const { group, version, plural, namespace, name, subresource } = request;
  const kind = (await api.listKinds()).find(
    (one) => (one.group ?? '') === group && one.version === version && one.plural === plural,
  );
  if (kind === undefined || (namespace !== '' && kind.namespaced !== true)) throw notServed(path);
  if (name !== '' && namespace === '' && kind.namespaced === true) throw notServed(path);
  const target = { apiVersion: group === '' ? version : `${group}/${version}`, kind: kind.kind ?? '', namespace };
  if (subresource === 'log')
    throw new CliError(`the log of a pod is no object; use skiff logs ${name} -n ${namespace}`);
  if (name !== '') return (await api.get({ ...target, name, subresource })).object;
  const { query } = request;
  const items: JsonObject[] = [];
  let page: apiv1.ListReply = { continue: query.continue };
  do {
    page = await api.listPiece(target, { ...query, continue: page.continue ?? '' });
    items.push(...(page.items ?? []).map((item) => parseObject(item.json)));
    // Without a limit the whole list is meant, in however many pieces it comes.
  } while (query.limit === 0 && (page.continue ?? '') !== '');
  return {
    kind: `${target.kind}List`,
    apiVersion: target.apiVersion,
    metadata: {
      resourceVersion: page.resourceVersion ?? '',
      ...((page.continue ?? '') === '' ? {} : { continue: page.continue ?? '' }),
      ...((page.remaining ?? 0) === 0 ? {} : { remainingItemCount: page.remaining ?? 0 }),
    },
    items: items.map(({ apiVersion: _version, kind: _kind, ...rest }) => rest),
  };
}

function versionOf(reply: apiv1.VersionReply): JsonObject {
  const { version = '', gitCommit = '', nodeVersion = '', etcdVersion = '' } = reply;
  const [, major = '', minor = ''] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return { major, minor, gitVersion: version, gitCommit, nodeVersion, etcdVersion };
}

function fail(path: string): never {
  throw notServed(path);
}

function notServed(path: string): ApiError {
  return new ApiError('NotFound', `the server could not find the requested resource: ${path.replace(/\?.*$/s, '')}`);
}
