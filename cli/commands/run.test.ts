import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest, yaml } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

describe('run', () => {
  test('the pod as it is printed without a server', async () => {
    const args = [
      'run',
      'web',
      '--image=nginx:1',
      '--port=80',
      '--env=A=1=2',
      '-l',
      'app=web,tier=front',
      '-n',
      'room',
    ];
    const nowhere = cli.file('nowhere', JSON.stringify({ ...cli.config, contexts: {} }));
    expect(
      await cli.ok(...args, '--dry-run=client', '-o', 'yaml', '--config', nowhere, '--', 'serve', '--verbose'),
    ).toBe(
      yaml(`
apiVersion: v1
kind: Pod
metadata:
  labels:
    app: web
    tier: front
  name: web
  namespace: room
spec:
  containers:
  - args:
    - serve
    - --verbose
    env:
    - name: A
      value: 1=2
    image: nginx:1
    name: web
    ports:
    - containerPort: 80
    resources: {}
  dnsPolicy: ClusterFirst
  restartPolicy: Always
status: {}`),
    );
  });

  test('a command in place of the image’s own, once', async () => {
    expect(await cli.ok('run', 'once', '--image=busybox', '--restart=Never', '--command', '--', 'date', '-u')).toBe(
      'pod/once created\n',
    );
    const paths = '{.spec.containers[0].command} {.spec.containers[0].args} {.spec.restartPolicy} {.metadata.labels}';
    expect(await cli.ok('get', 'pod', 'once', '-o', `jsonpath=${paths}`)).toBe('["date","-u"]  Never {"run":"once"}');
  });

  const refused: readonly [readonly string[], string][] = [
    [[], 'error: NAME is required for run\n'],
    [['x'], 'error: --image is required\n'],
    [['x', '--image=a b'], 'error: Invalid image name "a b": it has blanks in it\n'],
    [['x', '--image=a', '--restart=Maybe'], 'error: invalid restart policy: Maybe (it is Always, OnFailure, Never)\n'],
    [['x', '--image=a', '--env=B'], 'error: invalid --env "B": write it as key=value\n'],
    [['x', '--image=a', '--expose'], 'error: --port must be set when exposing a service\n'],
    [['x', '--image=a', '--command'], 'error: --command is to be followed by -- and a command\n'],
    [['x', '--image=a', '-it'], 'error: --stdin: a pod cannot be attached to yet; start it and use skiff exec -it\n'],
  ];
  test.each(refused)('refused: %j', async (args, stderr) => {
    expect(await cli.run(['run', ...args])).toEqual({ code: 1, stdout: '', stderr });
  });
});

describe('expose', () => {
  test('the Service of a deployment: its pods, its ports, its labels', async () => {
    await cli.ok('create', 'deployment', 'web', '--image=nginx:1', '--port=8080');
    const args = ['expose', 'deployment', 'web', '--dry-run=client', '-o', 'yaml'];
    expect(await cli.ok(...args)).toBe(
      yaml(`
apiVersion: v1
kind: Service
metadata:
  labels:
    app: web
  name: web
spec:
  ports:
  - port: 8080
    protocol: TCP
    targetPort: 8080
  selector:
    app: web
status:
  loadBalancer: {}`),
    );
    const more = [
      '--port=80,443',
      '--target-port=http',
      '--type=NodePort',
      '--name=front',
      '--session-affinity=ClientIP',
    ];
    expect(await cli.ok(...args, ...more)).toBe(
      yaml(`
apiVersion: v1
kind: Service
metadata:
  labels:
    app: web
  name: front
spec:
  ports:
  - name: port-1
    port: 80
    protocol: TCP
    targetPort: http
  - name: port-2
    port: 443
    protocol: TCP
    targetPort: http
  selector:
    app: web
  sessionAffinity: ClientIP
  type: NodePort
status:
  loadBalancer: {}`),
    );
  });

  test('a pod, and what it says when there is nothing to lead to', async () => {
    await cli.ok('run', 'one', '--image=nginx:1', '--labels=a=b');
    expect(await cli.ok('expose', 'pod', 'one', '--port=80', '--dry-run=client')).toBe(
      'service/one exposed (dry run)\n',
    );
    const refused = async (...args: string[]): Promise<string> => (await cli.run(['expose', ...args])).stderr;
    expect(await refused('pod/one')).toBe(
      'error: could not find port via --port flag or introspection: the object names no port\n',
    );
    expect(await refused('pod/one', '--port=80', '--type=Magic')).toBe(
      'error: invalid --type "Magic": it is one of ClusterIP, NodePort, LoadBalancer, ExternalName\n',
    );
    await cli.ok('create', 'cm', 'm');
    expect(await refused('cm', 'm', '--port=80')).toBe('error: cannot expose a ConfigMap\n');
    expect(await refused('pod', 'nope', '--port=80')).toBe('Error from server (NotFound): pods "nope" not found\n');
  });
});
