import type { corev1 } from '../../../proto/index.ts';
import { KINDS } from '../../../proto/index.ts';
import { forbidden, notFound } from '../api-errors.ts';
import { objectKey } from '../keys.ts';
import type { ApiServices } from '../services.ts';
import type { AdmissionStep } from './admission-step.ts';

/** Refuses new objects in namespaces that do not exist or are being emptied. */
export const namespaceLifecycle: AdmissionStep = async (request, services) => {
  const { operation, definition, namespace, signal } = request;
  if (operation !== 'CREATE' || !definition.type.namespaced) return;
  const found = await findNamespace(namespace, services, signal);
  if (found === undefined) {
    if (request.assumed?.hasNamespace(namespace) === true) return;
    throw notFound(KINDS.Namespace, namespace);
  }
  if (found.metadata?.deletionTimestamp !== undefined) {
    throw forbidden(
      definition.type,
      request.name,
      `unable to create new content in namespace ${namespace} because it is being terminated`,
      [
        {
          field: 'metadata.namespace',
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
        },
      ],
    );
  }
};

/** Decoded namespaces by stored bytes, so that a busy namespace is decoded once per change. */
const decoded = new WeakMap<Uint8Array, corev1.Namespace>();

async function findNamespace(
  name: string,
  services: ApiServices,
  signal: AbortSignal | undefined,
): Promise<corev1.Namespace | undefined> {
  const key = objectKey(KINDS.Namespace, undefined, name);
  // The cache may be a moment behind a namespace just created; only its absence is worth asking the store about.
  const entry = services.cache.get(key) ?? (await services.store.get(key, signal));
  if (entry === undefined) return undefined;
  let namespace = decoded.get(entry.value);
  if (namespace === undefined) {
    namespace = KINDS.Namespace.message.decode(entry.value);
    decoded.set(entry.value, namespace);
  }
  return namespace;
}
