import { describe, expect, it } from 'vitest';
import type { apiregistrationv1, Json, KubeObject, rbacv1 } from '../../proto/index.ts';
import { definitionFor, problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { pem, RBAC, sequence, VALID, valid, webhook } from './valid-cluster-objects.ts';
import { expectProblem } from './valid-objects.ts';

const WEBHOOK = 'webhooks.0';
const RULE = 'webhooks.0.rules.0';

describe('kinds of the cluster', () => {
  it.each(Object.keys(VALID))('%s is valid, and may stay as it is', (kind) => {
    expect(problemsOf(valid(kind))).toEqual([]);
    expect(updateProblems(valid(kind), valid(kind))).toEqual([]);
  });

  it.each<[kind: string, path: string, value: Json | undefined, problem: string]>([
    ['Role', 'metadata.name', 'a/b', `metadata.name: Invalid value: "a/b": may not contain '/'`],
    ['Role', 'rules.0.verbs', [], 'rules[0].verbs: Required value'],
    ['Role', 'rules.0.resources', [], 'rules[0].resources: Required value: resource rules must supply at least one…'],
    ['Role', 'rules.0.apiGroups', [], 'rules[0].apiGroups: Required value: resource rules must supply at least one…'],
    [
      'Role',
      'rules.0',
      { nonResourceURLs: ['/a'], verbs: ['get'] },
      'rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs',
    ],
    [
      'ClusterRole',
      'rules.0.resources',
      ['pods'],
      'rules[0].nonResourceURLs: Invalid value: ["/healthz"]: rules cannot apply to both regular resources and…',
    ],
    [
      'ClusterRole',
      'aggregationRule',
      {},
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if…',
    ],
    ['RoleBinding', 'roleRef.name', undefined, 'roleRef.name: Required value'],
    [
      'RoleBinding',
      'roleRef.kind',
      'User',
      'roleRef.kind: Unsupported value: "User": supported values: "ClusterRole", "Role"',
    ],
    ['RoleBinding', 'roleRef.apiGroup', 'a', `roleRef.apiGroup: Unsupported value: "a": supported values: "${RBAC}"`],
    [
      'ClusterRoleBinding',
      'roleRef.kind',
      'Role',
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
    ],
    ['RoleBinding', 'subjects.0.name', undefined, 'subjects[0].name: Required value'],
    [
      'RoleBinding',
      'subjects.0.kind',
      'Robot',
      'subjects[0].kind: Unsupported value: "Robot": supported values: "Group", …',
    ],
    [
      'RoleBinding',
      'subjects.0.apiGroup',
      'a',
      `subjects[0].apiGroup: Unsupported value: "a": supported values: "${RBAC}"`,
    ],
    ['RoleBinding', 'subjects.1.apiGroup', 'a', 'subjects[1].apiGroup: Unsupported value: "a": supported values: ""'],
    ['RoleBinding', 'subjects.1.name', 'A', 'subjects[1].name: Invalid value: "A": a lowercase RFC 1123 subdomain…'],
    ['ClusterRoleBinding', 'subjects.1.namespace', undefined, 'subjects[1].namespace: Required value'],
    ['RuntimeClass', 'handler', undefined, 'handler: Required value'],
    ['RuntimeClass', 'handler', 'a.b', 'handler: Invalid value: "a.b": a lowercase RFC 1123 label must consist of…'],
    [
      'RuntimeClass',
      'overhead.podFixed.memory',
      '-1',
      'overhead.podFixed.memory: Invalid value: "-1": must be greater than or equal to 0',
    ],
    [
      'RuntimeClass',
      'scheduling.tolerations.0.operator',
      'Maybe',
      'scheduling.tolerations[0].operator: Unsupported value: "Maybe": supported values: "…',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.name`,
      'b.example',
      'webhooks[0].name: Invalid value: "b.example": should be a domain with at least three segments separated by dots',
    ],
    ['ValidatingWebhookConfiguration', 'webhooks.1', webhook, 'webhooks[1].name: Duplicate value: "a.b.example.com"'],
    ['ValidatingWebhookConfiguration', `${WEBHOOK}.sideEffects`, undefined, 'webhooks[0].sideEffects: Required value'],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.sideEffects`,
      'Some',
      'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.timeoutSeconds`,
      31,
      'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.admissionReviewVersions`,
      [],
      'webhooks[0].admissionReviewVersions: Required value',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.admissionReviewVersions`,
      ['v7'],
      'webhooks[0].admissionReviewVersions: Invalid value: ["v7"]: must include at least one of v1, v1beta1',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.admissionReviewVersions`,
      ['v1', 'v1'],
      'webhooks[0].admissionReviewVersions[1]: Duplicate value: "v1"',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.clientConfig`,
      undefined,
      'webhooks[0].clientConfig: Required value',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.clientConfig.url`,
      'https://a',
      'webhooks[0].clientConfig: Required value: exactly one of url or service is required',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.clientConfig.service.port`,
      0,
      'webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535…',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.clientConfig.service.path`,
      'a',
      `webhooks[0].clientConfig.service.path: Invalid value: "a": must start with a '/'`,
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.clientConfig.service.path`,
      '/a//b',
      'webhooks[0].clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty',
    ],
    [
      'MutatingWebhookConfiguration',
      `${WEBHOOK}.clientConfig`,
      { url: 'http://a.example.com' },
      `webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format:…`,
    ],
    [
      'MutatingWebhookConfiguration',
      `${WEBHOOK}.clientConfig`,
      { url: 'https://a.example.com?b' },
      'webhooks[0].clientConfig.url: Invalid value: "b": query parameters are not permitted in the URL',
    ],
    [
      'MutatingWebhookConfiguration',
      `${WEBHOOK}.clientConfig`,
      { url: 'https://me:secret@a.example.com' },
      'webhooks[0].clientConfig.url: Invalid value: "me": user information is not permitted in the URL',
    ],
    [
      'MutatingWebhookConfiguration',
      `${WEBHOOK}.clientConfig`,
      { url: 'nowhere' },
      'webhooks[0].clientConfig.url: Required value: url must be a valid URL; desired format: https://host[/path]',
    ],
    [
      'MutatingWebhookConfiguration',
      `${WEBHOOK}.reinvocationPolicy`,
      'Always',
      'webhooks[0].reinvocationPolicy: Unsupported value: "Always": supported values: "IfNeeded", "Never"',
    ],
    ['ValidatingWebhookConfiguration', `${RULE}.operations`, [], 'webhooks[0].rules[0].operations: Required value'],
    [
      'ValidatingWebhookConfiguration',
      `${RULE}.operations`,
      ['*', 'CREATE'],
      `webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`,
    ],
    [
      'ValidatingWebhookConfiguration',
      `${RULE}.apiVersions`,
      [''],
      'webhooks[0].rules[0].apiVersions[0]: Required value',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${RULE}.resources`,
      ['pods/*', 'pods/status'],
      `webhooks[0].rules[0].resources[1]: Invalid value: "pods/status": if 'pods/*' is present, must not specify pods/status`,
    ],
    [
      'ValidatingWebhookConfiguration',
      `${RULE}.resources`,
      ['*', 'pods'],
      `webhooks[0].rules[0].resources[1]: Invalid value: "pods": if '*' is present, must not specify other resources…`,
    ],
    [
      'ValidatingWebhookConfiguration',
      `${RULE}.scope`,
      'Galaxy',
      'webhooks[0].rules[0].scope: Unsupported value: "Galaxy": supported values: "*", "Cluster", "Namespaced"',
    ],
    [
      'ValidatingWebhookConfiguration',
      `${WEBHOOK}.matchConditions`,
      [
        { name: 'a', expression: 'true' },
        { name: 'a', expression: 'true' },
      ],
      'webhooks[0].matchConditions[1].name: Duplicate value: "a"',
    ],
    [
      'APIService',
      'metadata.name',
      'v2.example.com',
      'metadata.name: Invalid value: "v2.example.com": must be `spec.version+"."+spec.group`: "v1.example.com"',
    ],
    [
      'APIService',
      'spec.groupPriorityMinimum',
      20_001,
      'spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000',
    ],
    [
      'APIService',
      'spec.versionPriority',
      0,
      'spec.versionPriority: Invalid value: 0: must be positive and less than 1000',
    ],
    ['APIService', 'spec.service.namespace', undefined, 'spec.service.namespace: Required value'],
    [
      'CertificateSigningRequest',
      'spec.request',
      pem('CERTIFICATE', sequence),
      'spec.request: Invalid value: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BSUZBQT09Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K": PEM block type must be CERTIFICATE REQUEST',
    ],
    ['CertificateSigningRequest', 'spec.request', undefined, 'spec.request: Required value'],
    ['CertificateSigningRequest', 'spec.usages', [], 'spec.usages: Required value'],
    [
      'CertificateSigningRequest',
      'spec.usages',
      ['fun'],
      'spec.usages[0]: Unsupported value: "fun": supported values:…',
    ],
    ['CertificateSigningRequest', 'spec.usages', ['any', 'any'], 'spec.usages[1]: Duplicate value: "any"'],
    ['CertificateSigningRequest', 'spec.signerName', undefined, 'spec.signerName: Required value'],
    [
      'CertificateSigningRequest',
      'spec.signerName',
      'plain',
      `spec.signerName: Invalid value: "plain": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
    ],
    [
      'CertificateSigningRequest',
      'spec.signerName',
      'local/s',
      'spec.signerName: Invalid value: "local": should be a domain with at least two segments separated by dots',
    ],
    [
      'CertificateSigningRequest',
      'spec.expirationSeconds',
      599,
      'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)',
    ],
  ])('%s with another %s is refused', (kind, path, value, problem) => {
    expectProblem(problemsOf(withValue(valid(kind), path, value)), problem);
  });

  it.each<[kind: string, path: string, value: Json | undefined, problem: string]>([
    [
      'RoleBinding',
      'roleRef.name',
      'other',
      `roleRef: Invalid value: {"kind":"Role","apiGroup":"${RBAC}","name":"other"}: cannot change roleRef (it was {"kind":"Role","apiGroup":"${RBAC}","name":"system:r"})`,
    ],
    ['RuntimeClass', 'handler', 'crun', 'handler: Invalid value: "crun": field is immutable (it was "runc")'],
    [
      'CertificateSigningRequest',
      'spec.signerName',
      'example.com/t',
      'spec.signerName: Invalid value: "example.com/t": field is immutable (it was "example.com/s")',
    ],
    [
      'CertificateSigningRequest',
      'spec.usages',
      ['any'],
      'spec.usages: Invalid value: ["any"]: field is immutable (it was ["client auth"])',
    ],
  ])('%s may not change its %s', (kind, path, value, problem) => {
    expectProblem(updateProblems(withValue(valid(kind), path, value), valid(kind)), problem);
  });
});

describe('defaults of the kinds of the cluster', () => {
  it('are those of Kubernetes', () => {
    expect(
      readObject<rbacv1.RoleBinding>(withValue(valid('RoleBinding'), 'roleRef.apiGroup', undefined)),
    ).toMatchObject({
      roleRef: { apiGroup: RBAC },
      subjects: [{ kind: 'User', apiGroup: RBAC }, { kind: 'ServiceAccount' }],
    });
    expect(readObject(valid('MutatingWebhookConfiguration'))).toMatchObject({
      webhooks: [
        {
          clientConfig: { service: { port: 443 } },
          failurePolicy: 'Fail',
          matchPolicy: 'Equivalent',
          namespaceSelector: {},
          objectSelector: {},
          reinvocationPolicy: 'Never',
          rules: [{ scope: '*' }],
          timeoutSeconds: 10,
        },
      ],
    });
    expect(readObject(valid('APIService'))).toMatchObject({ spec: { service: { port: 443 } } });
  });
});

describe('an API service', () => {
  it('that is served here is available at once, and has no certificate to trust', () => {
    const local = withValue(valid('APIService'), 'spec.service', undefined);
    expect(problemsOf(local)).toEqual([]);
    const object = readObject<apiregistrationv1.APIService>(local);
    definitionFor(local).prepareForCreate?.(object, { user: 'u', now: '2026-01-02T03:04:05Z' });
    expect(object.status?.conditions).toMatchObject([{ type: 'Available', status: 'True', reason: 'Local' }]);
    expectProblem(
      problemsOf(withValue(local, 'spec.caBundle', 'YQ==')),
      'spec.caBundle: Invalid value: "1 bytes": local APIServices may not have a caBundle',
    );
    expectProblem(
      problemsOf(withValue(local, 'spec.insecureSkipTLSVerify', true)),
      'spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify',
    );
  });

  it('may be that of the core group', () => {
    const core = withValue(withValue(valid('APIService'), 'spec.group', undefined), 'metadata.name', 'v1.');
    expect(problemsOf(core)).toEqual([]);
  });
});

describe('columns of the kinds of the cluster', () => {
  const cells = (json: Json): string[] => {
    const object = readObject<KubeObject>(json);
    return definitionFor(json).columns.map((column) => `${column.name}=${column.cell(object)}`);
  };

  it.each<[kind: string, row: string]>([
    ['Role', 'NAME=system:r CREATED AT='],
    ['RoleBinding', 'NAME=system:a ROLE=Role/system:r AGE= USERS=ada GROUPS= SERVICEACCOUNTS=shop/default'],
    [
      'ClusterRoleBinding',
      'NAME=system:a ROLE=ClusterRole/system:r AGE= USERS=ada GROUPS= SERVICEACCOUNTS=shop/default',
    ],
    ['RuntimeClass', 'NAME=r HANDLER=runc AGE='],
    ['ValidatingWebhookConfiguration', 'NAME=w WEBHOOKS=1 AGE='],
    ['MutatingWebhookConfiguration', 'NAME=w WEBHOOKS=1 AGE='],
    ['APIService', 'NAME=v1.example.com SERVICE=n/s AVAILABLE=Unknown AGE='],
    [
      'CertificateSigningRequest',
      'NAME=c AGE= SIGNERNAME=example.com/s REQUESTOR= REQUESTEDDURATION=<none> CONDITION=Pending',
    ],
  ])('of %s are %s', (kind, row) => {
    expect(cells(valid(kind)).join(' ')).toBe(row);
  });
});
