import { CliError } from '../errors/cli-error.ts';

/** What a path of the Kubernetes API asks for. */
export type RawRequest =
  | { readonly type: 'health' | 'version' | 'core-versions' | 'groups' }
  | { readonly type: 'group'; readonly group: string }
  | { readonly type: 'resources'; readonly group: string; readonly version: string }
  | {
      readonly type: 'objects';
      readonly group: string;
      readonly version: string;
      readonly plural: string;
      /** Empty over all namespaces, and for what lives in none. */
      readonly namespace: string;
      /** Empty for a list. */
      readonly name: string;
      readonly subresource: string;
      readonly query: RawQuery;
    };

/** Parameters of a list. */
export interface RawQuery {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  /** 0 for everything. */
  readonly limit: number;
  readonly continue: string;
}

const HEALTH: readonly string[] = ['healthz', 'readyz', 'livez'];

/**
 * Reads a path with its query. Undefined for a path that Kubernetes may have and Skiff has not. Throws a {@link CliError} for
 * what is no path and for parameters that would be ignored.
 */
export function parseRawPath(text: string): RawRequest | undefined {
  if (!text.startsWith('/')) throw new CliError(`invalid --raw "${text}": a path begins with /, such as /api/v1/nodes`);
  const url = new URL(`http://localhost${text}`);
  const parts = url.pathname
    .split('/')
    .filter((part) => part !== '')
    .map((part) => decoded(part, text));
  const request = readParts(parts);
  if (request === undefined) return undefined;
  const query = readQuery(url.searchParams);
  if (request.type === 'objects') {
    if (request.name !== '' && Object.values(query).some((value) => value !== '' && value !== 0))
      throw new CliError(
        `invalid --raw "${text}": selectors, limit and continue are of lists, and this names one object`,
      );
    return { ...request, query };
  }
  return request;
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
  } catch (err) {
    throw new CliError(`invalid --raw "${text}": "${part}" is not encoded as parts of addresses are`, { cause: err });
  }
}

function readParts(parts: readonly string[]): RawRequest | undefined {
  const [root = '', ...rest] = parts;
  if (HEALTH.includes(root) && rest.length === 0) return { type: 'health' };
  if (root === 'version' && rest.length === 0) return { type: 'version' };
  if (root === 'api') {
    const [version, ...path] = rest;
    return version === undefined ? { type: 'core-versions' } : readObjects('', version, path);
  }
  if (root !== 'apis') return undefined;
  const [group, version, ...path] = rest;
  if (group === undefined) return { type: 'groups' };
  return version === undefined ? { type: 'group', group } : readObjects(group, version, path);
}

function readObjects(group: string, version: string, path: readonly string[]): RawRequest | undefined {
  if (path.length === 0) return { type: 'resources', group, version };
  // /namespaces/x/pods is in a namespace; /namespaces/x and /namespaces/x/status are about it.
  const isWithin =
    path[0] === 'namespaces' && path.length > 2 && !(path.length === 3 && OF_NAMESPACES.includes(path[2] ?? ''));
  const [plural = '', name = '', subresource = '', ...more] = isWithin ? path.slice(2) : path;
  if (more.length > 0) return undefined;
  const namespace = isWithin ? (path[1] ?? '') : '';
  const query = readQuery(new URLSearchParams());
  return { type: 'objects', group, version, plural, namespace, name, subresource, query };
}

const OF_NAMESPACES: readonly string[] = ['status', 'finalize'];

/** Parameters that change nothing of what is printed. */
const WITHOUT_EFFECT: readonly string[] = ['pretty', 'timeoutSeconds', 'verbose'];

function readQuery(parameters: URLSearchParams): RawQuery {
  const query = { labelSelector: '', fieldSelector: '', limit: 0, continue: '' };
  for (const [key, value] of parameters) {
    if (key === 'labelSelector' || key === 'fieldSelector' || key === 'continue') query[key] = value;
    else if (key === 'limit') {
      if (!/^\d{1,9}$/.test(value)) throw new CliError(`invalid limit "${value}" in --raw: write a number of objects`);
      query.limit = Number(value);
    } else if (key === 'watch') {
      if (value !== 'false' && value !== '0')
        throw new CliError('--raw does not watch; use skiff get -w -o json --output-watch-events');
    } else if (!WITHOUT_EFFECT.includes(key)) {
      throw new CliError(
        `the parameter "${key}" is not served by --raw; it takes labelSelector, fieldSelector, limit and continue`,
      );
    }
  }
  return query;
}
