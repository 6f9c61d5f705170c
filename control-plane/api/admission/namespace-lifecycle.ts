import { KINDS, type KubeObject } from '../../../proto/index.ts';
import { forbidden, notFound } from '../api-errors.ts';
import { objectKey } from '../keys.ts';
import type { ApiServices } from '../services.ts';
import type { AdmissionRequest, AdmissionStep } from './admission-step.ts';

/** Refuses new objects in namespaces that do not exist or are being emptied. */
export const namespaceLifecycle: AdmissionStep = (request, services) => {
  const { operation, definition, namespace } = request;
  if (operation !== 'CREATE' || !definition.type.namespaced) return;
  const key = objectKey(KINDS.Namespace, undefined, namespace);
  const known = services.cache.get(key)?.object;
  if (known === undefined) return checkStored(request, services, key);
  checkNamespace(request, known);
};

/** The cache may be a moment behind a namespace just created; only its absence is worth asking the store about. */
async function checkStored(request: AdmissionRequest, services: ApiServices, key: string): Promise<void> {
  const entry = await services.store.get(key, request.signal);
  checkNamespace(request, entry === undefined ? undefined : KINDS.Namespace.message.decode(entry.value));
}

function checkNamespace(request: AdmissionRequest, found: KubeObject | undefined): void {
  const { definition, namespace } = request;
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
}
