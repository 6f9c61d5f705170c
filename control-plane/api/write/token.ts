import { randomUUID } from 'node:crypto';
import { rfc3339 } from '../../../lib/clock.ts';
import { type authenticationv1, type corev1, KINDS, type KubeObject, type ResourceType } from '../../../proto/index.ts';
import { invalid as invalidValue, required } from '../../resources/validation/field-errors.ts';
import { badRequest, conflict, invalid, notFound } from '../api-errors.ts';
import { getObject } from '../read/get.ts';
import { requireName, resolveTarget } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import { TOKEN_ISSUER } from './token-signer.ts';
import type { WriteRequest } from './write-request.ts';

/** Full name of the message that the token subresource speaks. */
export const TOKEN_REQUEST_MESSAGE = 'skiff.authentication.v1.TokenRequest';

const DEFAULT_SECONDS = 3600;
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;

const BINDABLE: ReadonlyMap<string, ResourceType> = new Map(
  [KINDS.Pod, KINDS.Secret, KINDS.Node].map((type) => [type.kind, type as unknown as ResourceType] as const),
);

/**
 * Makes a token of a service account: signed, limited in time, for certain audiences, and bound to an object if asked for.
 * Nothing is stored. Throws `NotFound` (the account, the bound object), `Invalid`, `BadRequest`, `Conflict` (another uid).
 */
export async function requestToken(
  services: ApiServices,
  { target, signal }: WriteRequest,
  request: authenticationv1.TokenRequest,
): Promise<authenticationv1.TokenRequest> {
  const name = requireName(target);
  if (services.tokens === undefined) throw badRequest('this server has no key to sign tokens with');
  refuseInvalid(name, request);
  const { namespace } = target;
  const account = await find(services, KINDS.ServiceAccount as unknown as ResourceType, { namespace, name, signal });
  const bound = await boundObject(services, request.spec?.boundObjectRef, { account, namespace, signal });
  const seconds = request.spec?.expirationSeconds ?? DEFAULT_SECONDS;
  const audiences = request.spec?.audiences ?? [];
  const issuedAt = Math.floor(services.now() / 1000);
  const token = await services.tokens.sign({
    subject: `system:serviceaccount:${namespace}:${name}`,
    audiences: audiences.length === 0 ? [TOKEN_ISSUER] : audiences,
    issuedAt,
    expiresAt: issuedAt + seconds,
    id: randomUUID(),
    details: { namespace, serviceaccount: { name, uid: account.metadata?.uid ?? '' }, ...bound },
  });
  return {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { name, namespace, creationTimestamp: rfc3339(services.now()) },
    spec: {
      ...request.spec,
      audiences: audiences.length === 0 ? [TOKEN_ISSUER] : [...audiences],
      expirationSeconds: seconds,
    },
    status: { token, expirationTimestamp: rfc3339((issuedAt + seconds) * 1000) },
  };
}

function refuseInvalid(name: string, { spec = {} }: authenticationv1.TokenRequest): void {
  const seconds = spec.expirationSeconds ?? DEFAULT_SECONDS;
  const field = 'spec.expirationSeconds';
  const causes = [
    ...(seconds < MIN_SECONDS ? [invalidValue(field, seconds, 'may not specify a duration less than 10 minutes')] : []),
    ...(seconds > MAX_SECONDS
      ? [invalidValue(field, seconds, 'may not specify a duration larger than 2^32 seconds')]
      : []),
    ...(spec.audiences ?? []).flatMap((audience, i) => (audience === '' ? [required(`spec.audiences[${i}]`)] : [])),
  ];
  const type = { ...KINDS.ServiceAccount, kind: 'TokenRequest', group: 'authentication.k8s.io' };
  if (causes.length > 0) throw invalid(type as unknown as ResourceType, name, causes);
}

interface Wanted {
  readonly namespace: string;
  readonly name: string;
  readonly signal: AbortSignal | undefined;
}

async function find(services: ApiServices, type: ResourceType, { signal, ...at }: Wanted): Promise<KubeObject> {
  const { apiVersion, kind } = type;
  const entry = await getObject(services, resolveTarget({ apiVersion, kind, ...at }, services.registry), signal);
  if (entry.object === undefined) throw notFound(type, at.name);
  return entry.object;
}

/** What the token says about the object it is bound to. */
async function boundObject(
  services: ApiServices,
  reference: authenticationv1.BoundObjectReference | undefined,
  { account, namespace, signal }: { account: KubeObject; namespace: string; signal: AbortSignal | undefined },
): Promise<Readonly<Record<string, unknown>>> {
  if (reference === undefined) return {};
  const { apiVersion = '', kind = '', name = '', uid = '' } = reference;
  const accountName = account.metadata?.name ?? '';
  const type = BINDABLE.get(kind);
  if (type === undefined || (apiVersion !== '' && apiVersion !== 'v1')) {
    throw badRequest(
      `cannot bind token for serviceaccount "${accountName}" to object of type "${apiVersion}, Kind=${kind}"`,
    );
  }
  const object = await find(services, type, { namespace: type.namespaced ? namespace : '', name, signal });
  const actual = object.metadata?.uid ?? '';
  if (uid !== '' && uid !== actual) {
    throw conflict(
      type,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  const claim = { [kind.toLowerCase()]: { name, uid: actual } };
  if (kind !== KINDS.Pod.kind) return claim;
  const { spec } = object as corev1.Pod;
  if (spec?.serviceAccountName !== accountName) {
    throw badRequest(
      `cannot bind token for serviceaccount "${accountName}" to pod running with different serviceaccount name.`,
    );
  }
  const nodeName = spec.nodeName ?? '';
  if (nodeName === '') return claim;
  const node = services.cache.list('core/nodes/').entries.find(({ object: one }) => one?.metadata?.name === nodeName);
  return { ...claim, node: { name: nodeName, uid: node?.object?.metadata?.uid ?? '' } };
}
