import {
  type appsv1,
  type batchv1,
  type corev1,
  KINDS,
  type KubeObject,
  type metav1,
} from '../../../../proto/index.ts';

/** Metadata and spec of the pods an object stands for. */
export interface PodParts {
  readonly metadata: metav1.ObjectMeta;
  readonly spec: corev1.PodSpec;
}

type TemplateOf = (object: KubeObject) => corev1.PodTemplateSpec | undefined;

const bySpec: TemplateOf = (object) => (object as appsv1.Deployment).spec?.template;

/** Kinds whose objects make pods, by message name. */
const TEMPLATES: ReadonlyMap<string, TemplateOf> = new Map([
  ...[
    KINDS.Deployment.messageName,
    KINDS.ReplicaSet.messageName,
    KINDS.StatefulSet.messageName,
    KINDS.DaemonSet.messageName,
    KINDS.Job.messageName,
    KINDS.ReplicationController.messageName,
  ].map((name) => [name, bySpec] as const),
  [KINDS.CronJob.messageName, (object) => (object as batchv1.CronJob).spec?.jobTemplate?.spec?.template],
  [KINDS.PodTemplate.messageName, (object) => (object as corev1.PodTemplate).template],
]);

/** The template of a workload; undefined for every other kind. */
export function templateOf(messageName: string, object: KubeObject): PodParts | undefined {
  const template = TEMPLATES.get(messageName)?.(object);
  return template?.spec === undefined ? undefined : { metadata: template.metadata ?? {}, spec: template.spec };
}
