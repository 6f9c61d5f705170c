/** Credentials for registries from a pod's pull secrets. */
import type { corev1 } from '../../proto/index.ts';
import type { RegistryAuth } from '../images/image-store.ts';
import { parseReference, repositoryName } from '../images/reference.ts';
import type { PodConfig } from './pod-config.ts';

/** All credentials the pod's `imagePullSecrets` have for the image's registry, in their order. Bad secrets are skipped. */
export function pullAuth(pod: corev1.Pod, config: PodConfig, image: string): readonly RegistryAuth[] {
  const repository = repositoryName(parseReference(image));
  return (pod.spec?.imagePullSecrets ?? []).flatMap(({ name = '' }) => {
    const data = config.secrets.get(name)?.data ?? {};
    const entries = [
      ...entriesOf(data['.dockerconfigjson'], (json) => json.auths),
      ...entriesOf(data['.dockercfg'], (json) => json),
    ];
    return entries.filter(([server]) => covers(server, repository)).map(([, auth]) => auth);
  });
}

/** Whether credentials stored for `server` (a host, host/path, or URL) are meant for the repository. */
function covers(server: string, repository: string): boolean {
  const plain = server.replace(/^https?:\/\//, '').replace(/\/(v1|v2)?\/?$/, '');
  const host = plain === 'index.docker.io' ? 'docker.io' : plain;
  return repository === host || repository.startsWith(`${host}/`);
}

type Loose = Readonly<Record<string, unknown>>;

function entriesOf(bytes: Uint8Array | undefined, pick: (json: Loose) => unknown): (readonly [string, RegistryAuth])[] {
  if (bytes === undefined) return [];
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    const servers = isObject(json) ? pick(json) : undefined;
    if (!isObject(servers)) return [];
    return Object.entries(servers).flatMap(([server, entry]) =>
      isObject(entry) ? [[server, authOf(entry)] as const] : [],
    );
  } catch {
    // Not JSON: the pull goes on without it and the registry says what is missing.
    return [];
  }
}

function authOf(entry: Loose): RegistryAuth {
  const text = (key: string): string | undefined => (typeof entry[key] === 'string' ? entry[key] : undefined);
  const identityToken = text('identitytoken');
  if (identityToken !== undefined && identityToken !== '') return { identityToken };
  const decoded = Buffer.from(text('auth') ?? '', 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  const username = text('username') ?? (colon < 0 ? undefined : decoded.slice(0, colon));
  const password = text('password') ?? (colon < 0 ? undefined : decoded.slice(colon + 1));
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
}

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
