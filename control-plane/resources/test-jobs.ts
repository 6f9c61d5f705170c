/** For tests of jobs: two to begin from, and how they are stored. */
import { type batchv1, type Json, type JsonObject, KINDS, toJson } from '../../proto/index.ts';
import { job } from './job.ts';
import { readObject, withValue } from './test-objects.ts';

/** The template of both. */
export const template: Json = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'busybox:1' }] } };
/** A job of one pod. */
export const simple: Json = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'sum', namespace: 'shop', uid: 'u1' },
  spec: { template },
};
/** Of five pods, each with an index. */
export const indexed = withValue(withValue(simple, 'spec.completionMode', 'Indexed'), 'spec.completions', 5);

/** Rules of a failure policy that ends the job by exit codes. */
export const exit = (onExitCodes: JsonObject): Json => [{ action: 'FailJob', onExitCodes }];

/** The object as it is stored: with its selector. */
export function created(json: Json): JsonObject {
  const object = readObject<batchv1.Job>(json);
  job.prepareForCreate?.(object, { user: 'ann', now: '2026-01-02T03:04:05Z' });
  return toJson(KINDS.Job.messageName, object) as JsonObject;
}
