/** What kustomizations must know of kinds: which live in no namespace, where their pods are, which names are never changed. */

const CLUSTER_KINDS: ReadonlySet<string> = new Set([
  'APIService',
  'CSIDriver',
  'CSINode',
  'CertificateSigningRequest',
  'ClusterRole',
  'ClusterRoleBinding',
  'ClusterTrustBundle',
  'ComponentStatus',
  'CustomResourceDefinition',
  'DeviceClass',
  'FlowSchema',
  'IPAddress',
  'IngressClass',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
  'MutatingWebhookConfiguration',
  'Namespace',
  'Node',
  'PersistentVolume',
  'PodSecurityPolicy',
  'PriorityClass',
  'PriorityLevelConfiguration',
  'ResourceSlice',
  'RuntimeClass',
  'SelfSubjectAccessReview',
  'SelfSubjectRulesReview',
  'ServiceCIDR',
  'StorageClass',
  'SubjectAccessReview',
  'TokenReview',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'ValidatingWebhookConfiguration',
  'VolumeAttachment',
  'VolumeAttributesClass',
]);

/** Whether objects of the built-in kind live in no namespace. Custom kinds of the same set say so in their definition. */
export function isClusterKind(kind: string): boolean {
  return CLUSTER_KINDS.has(kind);
}

/** Kinds whose names are fixed by what they are, so that prefixes and suffixes do not touch them. */
export function keepsItsName(kind: string): boolean {
  return kind === 'Namespace' || kind === 'CustomResourceDefinition' || kind === 'APIService';
}

const WORKLOADS = ['DaemonSet', 'Deployment', 'Job', 'ReplicaSet', 'ReplicationController', 'StatefulSet'];

/** Where the template of a kind's pods is; undefined for kinds without. */
export function templatePath(kind: string): string | undefined {
  if (WORKLOADS.includes(kind)) return 'spec/template';
  if (kind === 'CronJob') return 'spec/jobTemplate/spec/template';
  return kind === 'PodTemplate' ? 'template' : undefined;
}

/** Where the spec of a kind's pods is; undefined for kinds without. */
export function podSpecPath(kind: string): string | undefined {
  if (kind === 'Pod') return 'spec';
  const template = templatePath(kind);
  return template === undefined ? undefined : `${template}/spec`;
}
