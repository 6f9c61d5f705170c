import type { ApiClient } from '../api/api-client.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { listAt, textAt, valueAt } from '../resources/fields.ts';

/** Annotation with the number of a ReplicaSet's revision. */
export const REVISION = 'deployment.kubernetes.io/revision';
const CHANGE_CAUSE = 'kubernetes.io/change-cause';
const TEMPLATE_HASH = 'pod-template-hash';

/** One version of a Deployment's pods that is still remembered. */
export interface Revision {
  readonly number: number;
  readonly changeCause: string;
  readonly replicaSet: JsonObject;
  /** The pod template, without the label that tells its pods apart. */
  readonly template: JsonObject;
}

/** The remembered revisions of a Deployment, oldest first. */
export async function listRevisions(api: ApiClient, deployment: JsonObject): Promise<Revision[]> {
  const namespace = textAt(deployment, 'metadata', 'namespace');
  const uid = textAt(deployment, 'metadata', 'uid');
  const { items } = await api.list({ resource: 'replicasets.apps', namespace });
  return items
    .filter((set) => listAt(set, 'metadata', 'ownerReferences').some((owner) => textAt(owner, 'uid') === uid))
    .map((replicaSet) => ({
      number: Number(textAt(replicaSet, 'metadata', 'annotations', REVISION)),
      changeCause: textAt(replicaSet, 'metadata', 'annotations', CHANGE_CAUSE) || '<none>',
      replicaSet,
      template: withoutHash(valueAt(replicaSet, 'spec', 'template')),
    }))
    .filter((revision) => Number.isInteger(revision.number) && revision.number > 0)
    .sort((a, b) => a.number - b.number);
}

/** A pod template without the label the controller adds. */
export function withoutHash(template: JsonValue | undefined): JsonObject {
  if (!isJsonObject(template)) return {};
  const metadata = isJsonObject(template.metadata) ? template.metadata : {};
  const labels = isJsonObject(metadata.labels) ? metadata.labels : {};
  const kept = Object.fromEntries(Object.entries(labels).filter(([key]) => key !== TEMPLATE_HASH));
  return { ...template, metadata: { ...metadata, labels: kept } };
}
