/** For tests of this folder: one valid object of each kind that the cluster itself is set up with. */
import type { Json } from '../../proto/index.ts';

/** The API group of roles and bindings. */
export const RBAC = 'rbac.authorization.k8s.io';
/** A PEM block of these bytes, in base64 as fields of bytes are. */
export const pem = (label: string, der: Uint8Array): string =>
  Buffer.from(`-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`).toString(
    'base64',
  );
/** The least that passes for a certificate or a request: an ASN.1 sequence. */
export const sequence = Buffer.from([0x30, 2, 5, 0]);

/** A webhook that both kinds of configuration take. */
export const webhook: Json = {
  name: 'a.b.example.com',
  admissionReviewVersions: ['v1'],
  sideEffects: 'None',
  clientConfig: { service: { namespace: 'n', name: 's' } },
  rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
};
const binding = (kind: string, roleKind: string): Json => ({
  apiVersion: `${RBAC}/v1`,
  kind,
  metadata: kind === 'RoleBinding' ? { name: 'system:a', namespace: 'shop' } : { name: 'system:a' },
  roleRef: { apiGroup: RBAC, kind: roleKind, name: 'system:r' },
  subjects: [
    { kind: 'User', name: 'ada' },
    { kind: 'ServiceAccount', name: 'default', namespace: 'shop' },
  ],
});

/** One valid object of each kind of the cluster. */
export const VALID: Readonly<Record<string, Json>> = {
  Role: {
    apiVersion: `${RBAC}/v1`,
    kind: 'Role',
    metadata: { name: 'system:r', namespace: 'shop' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  },
  ClusterRole: {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRole',
    metadata: { name: 'system:r' },
    rules: [{ nonResourceURLs: ['/healthz'], verbs: ['get'] }],
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] },
  },
  RoleBinding: binding('RoleBinding', 'Role'),
  ClusterRoleBinding: binding('ClusterRoleBinding', 'ClusterRole'),
  RuntimeClass: {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'r' },
    handler: 'runc',
    overhead: { podFixed: { memory: '1Mi' } },
    scheduling: { tolerations: [{ key: 'a', operator: 'Exists' }] },
  },
  ValidatingWebhookConfiguration: {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'w' },
    webhooks: [webhook],
  },
  MutatingWebhookConfiguration: {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'w' },
    webhooks: [webhook],
  },
  APIService: {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1.example.com' },
    spec: {
      group: 'example.com',
      version: 'v1',
      groupPriorityMinimum: 1,
      versionPriority: 1,
      service: { name: 's', namespace: 'n' },
    },
  },
  CertificateSigningRequest: {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'c' },
    spec: { signerName: 'example.com/s', usages: ['client auth'], request: pem('CERTIFICATE REQUEST', sequence) },
  },
};
/** The valid object of that kind. */
export const valid = (kind: string): Json => VALID[kind] ?? null;
