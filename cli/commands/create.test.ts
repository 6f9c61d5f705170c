import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

/** Asks no server: the config that is named leads nowhere. */
async function generated(...args: string[]): Promise<string> {
  const nowhere = cli.file('nowhere', JSON.stringify({ ...cli.config, contexts: {} }));
  const dashes = args.indexOf('--');
  const at = dashes === -1 ? args.length : dashes;
  const options = ['--dry-run=client', '-o', 'yaml', '--config', nowhere];
  return cli.ok('create', ...args.slice(0, at), ...options, ...args.slice(at));
}

const yaml = (text: string): string => `${text.replace(/^\n/, '').trimEnd()}\n`;

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

describe('data of ConfigMaps and Secrets', () => {
  test('from files, folders and literal values; what is no text is binary', async () => {
    const folder = join(cli.dir, 'conf');
    mkdirSync(join(folder, 'below'), { recursive: true });
    writeFileSync(join(folder, 'b.ini'), 'mode=1\n');
    writeFileSync(join(folder, 'a.bin'), Buffer.from([0xff, 0x00]));
    writeFileSync(join(folder, 'below', 'c'), 'not read');
    const one = cli.file('one.txt', 'x');
    const args = [`--from-file=${folder}`, `--from-file=${one}`, `--from-file=key=${one}`, '--from-literal=l=a,b=c'];
    expect(await generated('cm', 'settings', ...args)).toBe(
      yaml(`
apiVersion: v1
binaryData:
  a.bin: /wA=
data:
  b.ini: |
    mode=1
  key: x
  l: a,b=c
  one.txt: x
kind: ConfigMap
metadata:
  name: settings`),
    );
  });

  test('from env files: comments, empty values, values of the environment', async () => {
    const file = cli.file('my.env', '# note\n\nA=1\n  B = 2 # kept\nHERE\nEMPTY=\r\n');
    const args = ['create', 'cm', 'e', `--from-env-file=${file}`, '--dry-run=client', '-o', 'json'];
    expect((await cli.run(args)).stderr).toBe('error: DIR/my.env:4: "B " is not the name of an environment variable\n');
    writeFileSync(file, '# note\n\nA=1\n  B= 2 # kept\nHERE\nEMPTY=\r\n');
    const { stdout } = await cli.run(args, { env: { HERE: 'there' } });
    expect((JSON.parse(stdout) as { data: object }).data).toEqual({ A: '1', B: ' 2 # kept', HERE: 'there', EMPTY: '' });
  });

  // The names are those that kubectl's own hash gives for the same content.
  test('a hash of the content in the name', async () => {
    const name = async (...args: string[]): Promise<string> =>
      /name: (.*)\n/.exec(await generated(...args, '--append-hash'))?.[1] ?? '';
    const two = ['--from-literal=key1=value1', '--from-literal=key2=value2'];
    expect(await name('cm', 'foo')).toBe('foo-867km9574f');
    expect(await name('cm', 'foo', ...two)).toBe('foo-gcb75dd9gb');
    expect(await name('secret', 'generic', 'foo')).toBe('foo-949tdgdkgg');
    expect(await name('secret', 'generic', 'foo', '--type=my-type')).toBe('foo-dg474f9t76');
    expect(await name('secret', 'generic', 'foo', ...two)).toBe('foo-tf72c228m4');
  });

  test('a certificate and its key; another key is refused', async () => {
    const [key, cert, other] = ['tls.key', 'tls.crt', 'other.key'].map((name) => join(cli.dir, name));
    const newKey = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x'];
    execFileSync('openssl', [...newKey, '-keyout', String(key), '-out', String(cert)], { stdio: 'ignore' });
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', String(other)], { stdio: 'ignore' });
    expect(await generated('secret', 'tls', 't', `--cert=${cert}`, `--key=${key}`)).toMatch(
      /^apiVersion: v1\ndata:\n {2}tls.crt: LS0t\S+\n {2}tls.key: LS0t\S+\nkind: Secret\nmetadata:\n {2}name: t\ntype: kubernetes.io\/tls\n$/,
    );
    const refused = async (...args: string[]): Promise<string> =>
      (await cli.run(['create', 'secret', 'tls', 't', ...args])).stderr;
    expect(await refused(`--cert=${cert}`, `--key=${other}`)).toBe(
      'error: the private key DIR/other.key does not belong to the certificate DIR/tls.crt\n',
    );
    expect(await refused(`--cert=${key}`, `--key=${key}`)).toBe('error: DIR/tls.key is no certificate in PEM\n');
    expect(await refused(`--cert=${cert}`)).toBe('error: key and cert must be specified: give --key and --cert\n');
  });
});

describe('on a server', () => {
  test('creates, and says so; a dry run there changes nothing', async () => {
    expect(await cli.ok('create', 'deployment', 'made', '--image=nginx:1', '--dry-run=server')).toBe(
      'deployment.apps/made created (server dry run)\n',
    );
    expect(await cli.ok('get', 'deploy', 'made', '--ignore-not-found')).toBe('');
    expect(await cli.ok('create', 'deployment', 'made', '--image=nginx:1', '-r2')).toBe(
      'deployment.apps/made created\n',
    );
    expect(
      await cli.ok('get', 'deploy', 'made', '-o', 'jsonpath={.spec.replicas} {.spec.template.spec.containers}'),
    ).toMatch(/^2 \[\{"image":"nginx:1",/);
    expect((await cli.run(['create', 'deployment', 'made', '--image=nginx:1'])).stderr).toBe(
      'Error from server (AlreadyExists): deployments.apps "made" already exists\n',
    );
  });

  test('options before the kind mean the same', async () => {
    await cli.ok('create', 'ns', 'room');
    expect(await cli.ok('-n', 'room', 'create', 'cm', 'inside', '--from-literal=a=b')).toBe(
      'configmap/inside created\n',
    );
    expect(await cli.ok('get', 'cm', 'inside', '-n', 'room', '-o', 'jsonpath={.data.a}')).toBe('b');
  });

  test('--save-config lets a later apply remove what it no longer names', async () => {
    await cli.ok('create', 'cm', 'saved', '--from-literal=a=1', '--from-literal=b=2', '--save-config');
    await cli.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'saved' }, data: { a: '1' } });
    expect(await cli.ok('get', 'cm', 'saved', '-o', 'jsonpath={.data}')).toBe('{"a":"1"}');
  });

  test('a role knows resources by all their names, in their groups', async () => {
    const args = ['--verb=get,list', '--resource=deploy,po/log,pods,replicaset.apps', '--resource-name=x'];
    const { stdout, stderr } = await cli.run(['create', 'role', 'r', ...args, '--dry-run=client', '-o', 'yaml']);
    expect(stderr).toBe('');
    expect(stdout).toBe(
      yaml(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: r
rules:
- apiGroups:
  - ""
  resourceNames:
  - x
  resources:
  - pods/log
  - pods
  verbs:
  - get
  - list
- apiGroups:
  - apps
  resourceNames:
  - x
  resources:
  - deployments
  - replicasets
  verbs:
  - get
  - list`),
    );
    expect((await cli.run(['create', 'role', 'r', '--verb=dance', '--resource=pods', '--dry-run=client'])).stderr).toBe(
      "Warning: 'dance' is not a standard resource verb\n",
    );
    expect((await cli.run(['create', 'role', 'r', '--verb=get', '--resource=podz', '--dry-run=client'])).stderr).toBe(
      'error: the server doesn\'t have a resource type "podz"; did you mean "pods"?\n',
    );
  });
});

describe('refused, exit 1, nothing printed', () => {
  const rows: readonly [readonly string[], string][] = [
    [[], 'error: must specify -f, --filename with a file, folder, address or -, or -k with a folder\n'],
    [
      ['deploymnt', 'x'],
      'error: create makes no "deploymnt" from arguments: write it in a file and use -f\nDid you mean this?\n\tdeployment\n',
    ],
    [['namespace'], 'error: exactly one NAME is required, got 0\n'],
    [['ns', 'a', 'b'], 'error: exactly one NAME is required, got 2\n'],
    [['ns', 'a', '--', 'b'], 'error: a namespace runs no command: leave out "-- b"\n'],
    [
      ['deployment', 'x'],
      "error: required option '--image <image>' not specified\nSee 'skiff create --help' for usage.\n",
    ],
    [
      ['deployment', 'x', '--image=a', '--replicas=-1'],
      'error: invalid --replicas "-1": write a whole number from 0 to 2147483647\n',
    ],
    [
      ['deployment', 'x', '--image=a', '--port=70000'],
      'error: invalid --port "70000": write a whole number from 1 to 65535\n',
    ],
    [['deployment', 'x', '--image=a,b', '--', 'c'], 'error: cannot specify multiple --image options and command\n'],
    [['job', 'x'], 'error: either --image or --from must be specified\n'],
    [['job', 'x', '--from=cronjob'], 'error: invalid --from "cronjob": write it as cronjob/name\n'],
    [['job', 'x', '--from=cronjob/a', '--', 'b'], 'error: cannot specify --from and command\n'],
    [
      ['cronjob', 'x', '--image=a', '--schedule=@daily', '--restart=Always'],
      'error: invalid --restart "Always": the pods of a job restart OnFailure or Never\n',
    ],
    [['cm', 'x', '--from-literal=a'], 'error: invalid literal source a, expected key=value\n'],
    [
      ['cm', 'x', '--from-literal=a=1', '--from-literal=a=2'],
      'error: cannot add key "a": another key by that name is already in ConfigMap "x"\n',
    ],
    [
      ['cm', 'x', '--from-literal=a b=1'],
      "error: \"a b\" is not a valid key name for a ConfigMap: a valid key consists of letters, digits, '-', '_' or '.'\n",
    ],
    [['cm', 'x', '--from-file=/no/such'], 'error: error reading /no/such: no such file or directory\n'],
    [['cm', 'x', '--from-file=a=/etc'], 'error: cannot give a key name for a directory path: a=/etc\n'],
    [['cm', 'x', '--from-file==/etc'], 'error: key name for file path /etc missing\n'],
    [
      ['cm', 'x', '--from-env-file=/e', '--from-literal=a=1'],
      'error: from-env-file cannot be combined with from-file or from-literal\n',
    ],
    [
      ['secret', 'docker-registry', 'x', '--docker-username=u'],
      'error: either --from-file or the combination of --docker-username, --docker-password and --docker-server is required\n',
    ],
    [['service', 'clusterip', 'x'], 'error: at least one tcp port specifier must be provided: give --tcp\n'],
    [['service', 'clusterip', 'x', '--tcp=0'], 'error: invalid --tcp "0": write a whole number from 1 to 65535\n'],
    [['service', 'clusterip', 'x', '--tcp=1:2:3'], 'error: invalid --tcp "1:2:3": write it as port or port:target\n'],
    [
      ['service', 'clusterip', 'x', '--tcp=1:123-'],
      'error: invalid --tcp "123-": a port\'s name has at most 15 characters, lower-case letters, digits and dashes, and at least one letter\n',
    ],
    [
      ['service', 'externalname', 'x', '--external-name=a_b'],
      'error: invalid service external name a_b: it must be the name of a host, in lower case\n',
    ],
    [['ingress', 'x'], 'error: an ingress has rules, a default backend or both: give --rule or --default-backend\n'],
    [
      ['ingress', 'x', '--rule=a.b=svc:1'],
      'error: rule a.b=svc:1 is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]\n',
    ],
    [
      ['ingress', 'x', '--default-backend=a'],
      'error: default-backend should be in format servicename:serviceport, not "a"\n',
    ],
    [['role', 'x', '--verb=get'], 'error: at least one resource must be specified: give --resource\n'],
    [['role', 'x', '--resource=*'], 'error: at least one verb must be specified: give --verb\n'],
    [['role', 'x', '--verb=bind', '--resource=pods'], "error: can not perform 'bind' on 'pods' in group ''\n"],
    [
      ['clusterrole', 'x', '--verb=get'],
      'error: one of resource or nonResourceURL must be specified: give --resource or --non-resource-url\n',
    ],
    [
      ['clusterrole', 'x', '--verb=watch', '--non-resource-url=/a'],
      "error: invalid verb: 'watch' for nonResourceURL\n",
    ],
    [['clusterrole', 'x', '--verb=get', '--non-resource-url=a'], 'error: nonResourceURL should start with /: a\n'],
    [
      ['clusterrole', 'x', '--verb=get', '--aggregation-rule=a=b'],
      'error: aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames\n',
    ],
    [
      ['rolebinding', 'x', '--role=a', '--clusterrole=b'],
      'error: exactly one of clusterrole or role must be specified: give --clusterrole or --role\n',
    ],
    [
      ['rolebinding', 'x', '--role=a', '--serviceaccount=b'],
      'error: invalid --serviceaccount "b": serviceaccount must be <namespace>:<name>\n',
    ],
    [['quota', 'x', '--hard=cpu'], 'error: invalid --hard: argument syntax cpu, expected <resource>=<value>\n'],
    [
      ['quota', 'x', '--hard=cpu=many'],
      'error: invalid --hard: cpu is to be a quantity such as 500m, 10 or 2Gi, not "many"\n',
    ],
    [['quota', 'x', '--scopes=A,'], 'error: invalid resource quota scope ""\n'],
    [
      ['priorityclass', 'x', '--preemption-policy=Maybe'],
      'error: invalid --preemption-policy "Maybe": it is PreemptLowerPriority or Never\n',
    ],
    [['pdb', 'x', '--min-available=1'], 'error: a selector must be specified: give --selector\n'],
    [['pdb', 'x', '--selector=a=b'], 'error: one of min-available or max-unavailable must be specified\n'],
    [
      ['pdb', 'x', '--selector=a=b', '--min-available=1Gi'],
      'error: invalid format specified for min-available: write a number or a percentage, not "1Gi"\n',
    ],
    [
      ['token', 'x', '--bound-object-name=a'],
      'error: --bound-object-name can only be set if --bound-object-kind is provided\n',
    ],
    [
      ['token', 'x', '--bound-object-kind=Job', '--bound-object-name=a'],
      'error: supported --bound-object-kind values are Node, Pod, Secret\n',
    ],
    [['token', 'x', '--duration=10ms'], 'error: --duration cannot be expressed in units less than seconds\n'],
  ];
  test.each(rows)('%j', async (args, stderr) => {
    expect(await cli.run(['create', ...args])).toEqual({ code: 1, stdout: '', stderr });
  });
});

test('help names every generator, and each has help with examples', async () => {
  const help = await cli.ok('create', '--help');
  const commands = help.slice(help.indexOf('Commands:'), help.indexOf('Examples:'));
  expect(commands.match(/^ {2}[a-z]+/gm)?.map((line) => line.trim())).toEqual([
    ...['namespace', 'configmap', 'secret', 'deployment', 'job', 'cronjob', 'service', 'ingress', 'serviceaccount'],
    ...[
      'role',
      'clusterrole',
      'rolebinding',
      'clusterrolebinding',
      'quota',
      'priorityclass',
      'poddisruptionbudget',
      'token',
    ],
  ]);
  for (const words of [['configmap'], ['secret', 'tls'], ['service', 'nodeport'], ['token']]) {
    expect(await cli.ok('create', ...words, '--help')).toMatch(/\nExamples:\n {2}# /);
  }
});
