import { hasReason } from '../../../lib/errors.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { forbidden } from '../api-errors.ts';
import { objectKey } from '../keys.ts';
import { resolveTarget } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import { copyOf } from '../stored-object.ts';
import { createObject } from '../write/create.ts';
import type { AdmissionRequest, AdmissionStep } from './admission-step.ts';

const DEFAULT_NAME = 'default';
/** Pods that a node made by itself. */
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

/**
 * Gives new pods a service account, which must exist, and its registry credentials when they name none of their own. The
 * account `default` of a namespace is made here when it is missing: a pod that is created right after its namespace does not
 * fail because the controller that makes these accounts was slower.
 */
export const serviceAccountOfPods: AdmissionStep = (request, services) => {
  const { operation, definition, subresource, object } = request;
  if (operation !== 'CREATE' || subresource !== '' || definition.type.messageName !== KINDS.Pod.messageName) return;
  const pod = object as corev1.Pod;
  if (pod.spec === undefined || pod.metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined) return;
  return giveAccount(request, services, pod.spec);
};

async function giveAccount(request: AdmissionRequest, services: ApiServices, spec: corev1.PodSpec): Promise<void> {
  const { definition, namespace, name, signal } = request;
  const wanted = spec.serviceAccountName ?? '';
  const accountName = wanted === '' ? DEFAULT_NAME : wanted;
  spec.serviceAccountName = accountName;
  spec.serviceAccount = accountName;
  const account =
    (await findAccount(services, { namespace, name: accountName, signal })) ??
    (accountName === DEFAULT_NAME ? await makeDefault(services, request) : undefined) ??
    assumedAccount(request, accountName);
  if (account === undefined) {
    const missing = `serviceaccount "${accountName}" not found`;
    throw forbidden(definition.type, name, `error looking up service account ${namespace}/${accountName}: ${missing}`);
  }
  if ((spec.imagePullSecrets ?? []).length === 0 && (account.imagePullSecrets ?? []).length > 0) {
    spec.imagePullSecrets = (account.imagePullSecrets ?? []).map((secret) => ({ ...secret }));
  }
}

interface Wanted {
  readonly namespace: string;
  readonly name: string;
  readonly signal: AbortSignal | undefined;
}

async function findAccount(services: ApiServices, wanted: Wanted): Promise<corev1.ServiceAccount | undefined> {
  const key = objectKey(KINDS.ServiceAccount, wanted.namespace, wanted.name);
  const cached = services.cache.get(key)?.object;
  if (cached !== undefined) return cached as corev1.ServiceAccount;
  // The cache may be a moment behind an account just made.
  const entry = await services.store.get(key, wanted.signal);
  const { apiVersion, kind } = KINDS.ServiceAccount;
  const definition = services.registry.findDefinition(apiVersion, kind);
  return entry === undefined || definition === undefined
    ? undefined
    : (copyOf(definition, entry.value) as corev1.ServiceAccount);
}

function assumedAccount({ assumed, namespace }: AdmissionRequest, name: string): corev1.ServiceAccount | undefined {
  return assumed?.has(KINDS.ServiceAccount.kind, namespace, name) === true ? {} : undefined;
}

async function makeDefault(
  services: ApiServices,
  { namespace, dryRun, signal }: AdmissionRequest,
): Promise<corev1.ServiceAccount> {
  const account: corev1.ServiceAccount = { metadata: { name: DEFAULT_NAME, namespace } };
  if (dryRun === true) return account;
  const { apiVersion, kind } = KINDS.ServiceAccount;
  const target = resolveTarget({ apiVersion, kind, namespace, name: DEFAULT_NAME }, services.registry);
  const caller = { user: 'system:kube-controller-manager', groups: [], internal: true };
  try {
    return (await createObject(services, { target, caller, dryRun: false, signal }, account)).object;
  } catch (err) {
    if (hasReason(err, 'AlreadyExists')) return account;
    throw err;
  }
}
