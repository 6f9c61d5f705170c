import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest, yaml } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

const generated = (...args: string[]): Promise<string> => cli.generated(...args);

describe('objects made from arguments, as they are printed without a server', () => {
  const rows: readonly [readonly string[], string][] = [
    [['namespace', 'web'], 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: web\nspec: {}\nstatus: {}'],
    [
      ['sa', 'builder', '-n', 'tools'],
      'apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: builder\n  namespace: tools',
    ],
    [
      ['deployment', 'web', '--image=example.com/shop/front:1.2@sha256:00', '--image', 'side', '-r', '3', '--port=80'],
      `
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app: web
  name: web
spec:
  replicas: 3
  selector:
    matchLabels:
      app: web
  strategy: {}
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
      - image: example.com/shop/front:1.2@sha256:00
        name: front
        ports:
        - containerPort: 80
        resources: {}
      - image: side
        name: side
        resources: {}
status: {}`,
    ],
    [
      ['job', 'once', '--image=busybox', '--', 'sh', '-c', 'date; exit 0'],
      `
apiVersion: batch/v1
kind: Job
metadata:
  name: once
spec:
  template:
    metadata: {}
    spec:
      containers:
      - command:
        - sh
        - -c
        - date; exit 0
        image: busybox
        name: once
        resources: {}
      restartPolicy: Never
status: {}`,
    ],
    [
      ['cronjob', 'tick', '--image=busybox', '--schedule', '*/5 * * * *', '--', 'date'],
      `
apiVersion: batch/v1
kind: CronJob
metadata:
  name: tick
spec:
  jobTemplate:
    metadata:
      name: tick
    spec:
      template:
        metadata: {}
        spec:
          containers:
          - command:
            - date
            image: busybox
            name: tick
            resources: {}
          restartPolicy: OnFailure
  schedule: '*/5 * * * *'
status: {}`,
    ],
    [
      ['service', 'clusterip', 'web', '--tcp=80:8080,443:https', '--clusterip=10.43.0.9'],
      `
apiVersion: v1
kind: Service
metadata:
  labels:
    app: web
  name: web
spec:
  clusterIP: 10.43.0.9
  ports:
  - name: 80-8080
    port: 80
    protocol: TCP
    targetPort: 8080
  - name: 443-https
    port: 443
    protocol: TCP
    targetPort: https
  selector:
    app: web
  type: ClusterIP
status:
  loadBalancer: {}`,
    ],
    [
      ['svc', 'nodeport', 'web', '--tcp=80', '--node-port=30080'],
      `
apiVersion: v1
kind: Service
metadata:
  labels:
    app: web
  name: web
spec:
  ports:
  - name: "80"
    nodePort: 30080
    port: 80
    protocol: TCP
    targetPort: 80
  selector:
    app: web
  type: NodePort
status:
  loadBalancer: {}`,
    ],
    [
      ['service', 'externalname', 'db', '--external-name=db.example.com'],
      `
apiVersion: v1
kind: Service
metadata:
  labels:
    app: db
  name: db
spec:
  externalName: db.example.com
  selector:
    app: db
  type: ExternalName
status:
  loadBalancer: {}`,
    ],
    [
      [
        'ingress',
        'web',
        '--class=traefik',
        '--rule=a.example/shop=shop:8080,tls=cert',
        '--rule=a.example/api*=api:http',
        '--rule=b.example/=shop:8080,tls=cert',
        '--rule=/any*=any:1',
        '--default-backend=rest:80',
        '--annotation=note=a,b=c',
      ],
      `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  annotations:
    note: a,b=c
  name: web
spec:
  defaultBackend:
    service:
      name: rest
      port:
        number: 80
  ingressClassName: traefik
  rules:
  - host: a.example
    http:
      paths:
      - backend:
          service:
            name: shop
            port:
              number: 8080
        path: /shop
        pathType: Exact
      - backend:
          service:
            name: api
            port:
              name: http
        path: /api
        pathType: Prefix
  - host: b.example
    http:
      paths:
      - backend:
          service:
            name: shop
            port:
              number: 8080
        path: /
        pathType: Exact
  - http:
      paths:
      - backend:
          service:
            name: any
            port:
              number: 1
        path: /any
        pathType: Prefix
  tls:
  - hosts:
    - a.example
    - b.example
    secretName: cert
status:
  loadBalancer: {}`,
    ],
    [
      ['clusterrole', 'metrics', '--verb=get,get', '--non-resource-url=/metrics,/logs/*'],
      `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: metrics
rules:
- nonResourceURLs:
  - /metrics
  - /logs/*
  verbs:
  - get`,
    ],
    [
      ['clusterrole', 'all', '--aggregation-rule=part-of=monitoring'],
      `
aggregationRule:
  clusterRoleSelectors:
  - matchLabels:
      part-of: monitoring
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: all
rules: null`,
    ],
    [
      ['rolebinding', 'b', '--clusterrole=admin', '--user=anna', '--group=ops', '--serviceaccount=tools:ci'],
      `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: b
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: admin
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: anna
- apiGroup: rbac.authorization.k8s.io
  kind: Group
  name: ops
- kind: ServiceAccount
  name: ci
  namespace: tools`,
    ],
    [
      ['quota', 'team', '--hard=cpu=1000m,pods=20', '--scopes=BestEffort,NotTerminating'],
      `
apiVersion: v1
kind: ResourceQuota
metadata:
  name: team
spec:
  hard:
    cpu: "1"
    pods: "20"
  scopes:
  - BestEffort
  - NotTerminating
status: {}`,
    ],
    [
      ['priorityclass', 'high', '--value=-5', '--global-default=true', '--description=comes first'],
      `
apiVersion: scheduling.k8s.io/v1
description: comes first
globalDefault: true
kind: PriorityClass
metadata:
  name: high
preemptionPolicy: PreemptLowerPriority
value: -5`,
    ],
    [
      ['pdb', 'web', '--selector=app=web,tier==front', '--max-unavailable=25%'],
      `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: web
spec:
  maxUnavailable: 25%
  selector:
    matchLabels:
      app: web
      tier: front
status:
  currentHealthy: 0
  desiredHealthy: 0
  disruptionsAllowed: 0
  expectedPods: 0`,
    ],
    [
      ['secret', 'docker-registry', 'pull', '--docker-server=r.example', '--docker-username=me', '--docker-password=p'],
      `
apiVersion: v1
data:
  .dockerconfigjson: ${Buffer.from('{"auths":{"r.example":{"username":"me","password":"p","auth":"bWU6cA=="}}}').toString('base64')}
kind: Secret
metadata:
  name: pull
type: kubernetes.io/dockerconfigjson`,
    ],
  ];
  test.each(rows)('%j', async (args, expected) => {
    expect(await generated(...args)).toBe(yaml(expected));
  });

  test('names of images that are no names get letters of their own', async () => {
    expect(await generated('deployment', 'x', '--image=my_app.v2:1')).toMatch(/ name: my-app-v2-[a-z0-9]{5}\n/);
  });

  test('as JSON, and as a name', async () => {
    expect(JSON.parse(await cli.ok('create', 'ns', 'x', '--dry-run=client', '-o', 'json'))).toEqual({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'x' },
      spec: {},
      status: {},
    });
    expect(await cli.ok('create', 'pdb', 'x', '--selector=a=b', '--min-available=1', '--dry-run=client')).toBe(
      'poddisruptionbudget.policy/x created (dry run)\n',
    );
    expect(await cli.ok('create', '-o', 'name', 'quota', 'x', '--dry-run=client')).toBe('resourcequota/x\n');
  });
});
