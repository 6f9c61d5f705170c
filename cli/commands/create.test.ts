import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest, yaml } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

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

  test('objects of a kustomization are created, shown and deleted', async () => {
    const folder = join(cli.dir, 'kustomization');
    mkdirSync(folder);
    writeFileSync(
      join(folder, 'kustomization.yaml'),
      'namePrefix: my-\nconfigMapGenerator:\n- name: made\n  literals: [a=1]\ngeneratorOptions: {disableNameSuffixHash: true}\n',
    );
    expect(await cli.ok('create', '-k', folder)).toBe('configmap/my-made created\n');
    expect(await cli.ok('get', '-k', folder, '-o', 'name')).toBe('configmap/my-made\n');
    expect(await cli.ok('replace', '-k', folder)).toBe('configmap/my-made replaced\n');
    expect(await cli.ok('delete', '-k', folder)).toBe('configmap "my-made" deleted\n');
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
      "error: required option '--image <image>' not specified\nSee 'skiff create deployment --help' for usage.\n",
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
