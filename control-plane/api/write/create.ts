import { randomUUID } from 'node:crypto';
import { rfc3339 } from '../../../lib/clock.ts';
import { hasReason } from '../../../lib/errors.ts';
import type { KubeObject } from '../../../proto/index.ts';
import { validateObject } from '../../resources/validate-object.ts';
import { alreadyExists, badRequest } from '../api-errors.ts';
import { stampType } from '../request/decode.ts';
import { nameForWrite, namespaceForWrite } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import { copyOf, encodeForStore } from '../stored-object.ts';
import { generateName } from './generate-name.ts';
import { guardedWrite } from './guarded-write.ts';
import { type OwnersOf, setOwners } from './managed-fields/track-update.ts';
import { admit, contextOf, countsGenerations, refuseInvalid, warningsFor } from './prepare.ts';
import type { WriteOutcome, WriteRequest } from './write-request.ts';

/** How many generated names are tried before the caller learns that they are all taken. */
const NAME_ATTEMPTS = 8;

/** What is particular about a creation. */
export interface CreateOptions {
  /** Who owns what of it; without, nobody keeps track. */
  readonly ownersOf?: OwnersOf;
}

/**
 * Creates `object` (a private copy, decoded but not defaulted). Throws `AlreadyExists`, `Invalid`, `Forbidden`,
 * `NotFound` (the namespace).
 */
export async function createObject(
  services: ApiServices,
  request: WriteRequest,
  object: KubeObject,
  options: CreateOptions = {},
): Promise<WriteOutcome> {
  stampType(object, request.target.definition.type);
  const namespace = namespaceForWrite(request.target, object);
  const given = nameForWrite(request.target, object);
  const prefix = object.metadata?.generateName ?? '';
  if ((object.metadata?.resourceVersion ?? '') !== '') {
    throw badRequest('resourceVersion should not be set on objects to be created');
  }
  const inNamespace = { ...request, ...options, target: { ...request.target, namespace } };
  const generated = given === '' && prefix !== '';
  if (!generated) return createNamed(services, inNamespace, object, given);
  const bytes = encodeForStore(request.target.definition, object);
  for (let attempt = 1; ; attempt++) {
    try {
      const fresh = attempt === 1 ? object : copyOf(request.target.definition, bytes);
      return await createNamed(services, inNamespace, fresh, generateName(prefix));
    } catch (err) {
      if (attempt === NAME_ATTEMPTS || !hasReason(err, 'AlreadyExists')) throw err;
    }
  }
}

async function createNamed(
  services: ApiServices,
  request: WriteRequest & CreateOptions,
  object: KubeObject,
  name: string,
): Promise<WriteOutcome> {
  const { definition, namespace } = request.target;
  const meta = { ...object.metadata };
  object.metadata = meta;
  for (const owned of ['selfLink', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation'] as const)
    delete meta[owned];
  delete meta.managedFields;
  if (name !== '') meta.name = name;
  if (namespace === '') delete meta.namespace;
  else meta.namespace = namespace;
  meta.uid = randomUUID();
  meta.creationTimestamp = rfc3339(services.now());
  if (countsGenerations(definition)) meta.generation = 1;
  definition.setDefaults?.(object);
  await admit(services, request, { name, object, old: undefined });
  definition.prepareForCreate?.(object, contextOf(services, request));
  // Preparing may bring in messages that have defaults of their own.
  definition.setDefaults?.(object);
  refuseInvalid(definition, name === '' ? (meta.generateName ?? '') : name, validateObject(definition, object));
  if (request.ownersOf !== undefined) setOwners(object, request.ownersOf(object));
  const outcome = await guardedWrite(services, request, name, (current) => {
    if (current !== undefined) throw alreadyExists(definition.type, name);
    return { type: 'put', object, action: 'created' };
  });
  return { ...outcome, warnings: warningsFor(definition, object) };
}
