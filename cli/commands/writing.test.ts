import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configMap, deployment } from '../../test/harness/cli-objects.ts';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

async function applied(...objects: object[]): Promise<string> {
  return cli.apply(...objects);
}

describe('apply', () => {
  test('created, unchanged, configured', async () => {
    expect(await applied(deployment('a'), configMap('m'))).toBe('configmap/m created\ndeployment.apps/a created\n');
    expect(await applied(deployment('a'), configMap('m'))).toBe('configmap/m unchanged\ndeployment.apps/a unchanged\n');
    expect(await applied(deployment('a', 'nginx:2'))).toBe('deployment.apps/a configured\n');
  });

  test('namespaces come before what is in them', async () => {
    const inside = { ...configMap('inside'), metadata: { name: 'inside', namespace: 'room' } };
    expect(await applied(inside, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'room' } })).toBe(
      'namespace/room created\nconfigmap/inside created\n',
    );
  });

  test('dry runs change nothing', async () => {
    const file = cli.file('dry.json', JSON.stringify(configMap('dry')));
    expect(await cli.ok('apply', '-f', file, '--dry-run=client')).toBe('configmap/dry created (dry run)\n');
    expect(await cli.ok('apply', '-f', file, '--dry-run=server')).toBe('configmap/dry created (server dry run)\n');
    expect(await cli.ok('get', 'cm', 'dry', '--ignore-not-found')).toBe('');
    expect((await cli.run(['apply', '-f', file, '--dry-run=maybe'])).stderr).toBe(
      'error: Invalid dry-run value (maybe). Must be "none", "server", or "client".\n',
    );
  });

  test('prints the result as name or YAML', async () => {
    const file = cli.file('out.json', JSON.stringify(configMap('out', { k: 'v' })));
    expect(await cli.ok('apply', '-f', file, '-o', 'name')).toBe('configmap/out\n');
    expect(await cli.ok('apply', '-f', file, '-o', 'jsonpath={.data.k}')).toBe('v');
    expect(await cli.ok('apply', '-f', file, '-o', 'yaml')).toMatch(
      /^apiVersion: v1\ndata:\n {2}k: v\nkind: ConfigMap\n/,
    );
  });

  test('what the server refuses is told at its place in the file, everything at once', async () => {
    const file = cli.file(
      'bad.yaml',
      [
        'apiVersion: v1',
        'kind: Pod',
        'metadata: {name: p}',
        'spec:',
        '  containers:',
        '    - name: c',
        '      imagee: busybox',
        '      resources: {limits: {memory: 64Mb}}',
        '---',
        'apiVersion: apps/v1',
        'kind: Deploymnet',
        'metadata: {name: x}',
        '---',
        'apiVersion: v1',
        'kind: ConfigMap',
        'metadata: {name: good}',
        '',
      ].join('\n'),
    );
    expect(await cli.run(['apply', '-f', file])).toEqual({
      code: 1,
      stdout: 'configmap/good created\n',
      stderr: [
        'error: DIR/bad.yaml:7:7: unknown field "spec.containers[0].imagee" (did you mean "image"?)',
        '    7 |       imagee: busybox',
        '      |       ^',
        'error: DIR/bad.yaml:8:36: spec.containers[0].resources.limits.memory: expected a quantity such as "500m", "1.5" or "2Gi", got the string "64Mb"',
        '    8 |       resources: {limits: {memory: 64Mb}}',
        '      |                                    ^',
        'error: DIR/bad.yaml:11:7: no matches for kind "Deploymnet" in version "apps/v1" (did you mean "Deployment"?)',
        '   11 | kind: Deploymnet',
        '      |       ^',
        '',
      ].join('\n'),
    });
  });

  test('an immutable selector is told with old and new', async () => {
    await applied(deployment('fixed'));
    const changed = JSON.stringify(deployment('fixed')).replaceAll('"app":"fixed"', '"app":"other"');
    const { code, stderr } = await cli.run(['apply', '-f', '-'], { stdin: changed });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: STDIN:1:\d+: spec\.selector: Invalid value: .*other.*field is immutable.*fixed/);
  });

  const refused: readonly [string, readonly string[], string, string][] = [
    [
      'no file',
      ['apply'],
      '',
      'error: must specify -f, --filename with a file, folder, address or -, or -k with a folder\n',
    ],
    [
      'a file that is not there',
      ['apply', '-f', '/no/such.yaml'],
      '',
      'error: /no/such.yaml: there is no such file or folder\n',
    ],
    ['nothing in it', ['apply', '-f', '-'], '# empty\n', 'error: STDIN: there are no objects in it\n'],
    [
      'another namespace',
      ['apply', '-n', 'x', '-f', '-'],
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","namespace":"y"}}',
      'error: STDIN:1:74: the namespace from the provided object "y" does not match the namespace "x". You must pass \'--namespace=y\' to perform this operation.\n' +
        '    1 | {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","namespace":"y"}}\n' +
        `      | ${' '.repeat(73)}^\n`,
    ],
  ];
  test.each(refused)('refused: %s', async (_, args, stdin, stderr) => {
    const result = await cli.run(args, { stdin });
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code: 1, stdout: '' });
    expect(result.stderr).toBe(stderr);
  });
});

describe('create', () => {
  test('once, and not again', async () => {
    const file = cli.file('once.json', JSON.stringify(configMap('once')));
    expect(await cli.ok('create', '-f', file)).toBe('configmap/once created\n');
    expect(await cli.run(['create', '-f', file])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'Error from server (AlreadyExists): error when creating "DIR/once.json": configmaps "once" already exists\n',
    });
  });

  test('a namespace by its name; on a dry run without any server', async () => {
    const nowhere = cli.file('nowhere', JSON.stringify({ ...cli.config, contexts: {} }));
    expect(await cli.ok('create', 'namespace', 'x', '--dry-run=client', '-o', 'yaml', '--config', nowhere)).toBe(
      'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\nspec: {}\nstatus: {}\n',
    );
    expect(await cli.ok('create', 'ns', 'made')).toBe('namespace/made created\n');
    expect((await cli.run(['create', 'ns', 'made'])).stderr).toBe(
      'Error from server (AlreadyExists): namespaces "made" already exists\n',
    );
  });
});

describe('delete', () => {
  test('by name, by label, from a file; messages as kubectl has them', async () => {
    await applied(deployment('d1'), configMap('c1'), configMap('c2'), configMap('c3'));
    expect(await cli.ok('delete', 'deploy', 'd1')).toBe('deployment.apps "d1" deleted\n');
    expect(await cli.ok('delete', 'cm/c1', '-o', 'name')).toBe('configmap/c1\n');
    await cli.ok('label', 'cm', 'c2', 'gone=soon');
    expect(await cli.ok('delete', 'cm', '-l', 'gone=soon')).toBe('configmap "c2" deleted\n');
    const file = cli.file('c3.json', JSON.stringify(configMap('c3')));
    expect(await cli.ok('delete', '-f', file, '--dry-run=server')).toBe('configmap "c3" deleted (server dry run)\n');
    expect(await cli.ok('delete', '-f', file)).toBe('configmap "c3" deleted\n');
    expect(await cli.ok('delete', '-f', file, '--ignore-not-found')).toBe('');
  });

  test('asks first when told to', async () => {
    await applied(configMap('ask-1'), configMap('ask-2'));
    const question =
      'You are about to delete the following 2 resource(s):\ncm/ask-1\ncm/ask-2\nDo you want to continue? (y/N): \n';
    const args = ['delete', 'cm', 'ask-1', 'ask-2', '-i'];
    expect(await cli.run(args)).toEqual({ code: 0, stdout: `${question}deletion is cancelled\n`, stderr: '' });
    expect((await cli.run(args, { stdin: 'no\n' })).stdout).toBe(`${question}deletion is cancelled\n`);
    expect((await cli.run(args, { stdin: 'y\n' })).stdout).toBe(
      `${question}configmap "ask-1" deleted\nconfigmap "ask-2" deleted\n`,
    );
  });

  test('waits until what holds the object has let go', async () => {
    await applied({ ...configMap('held'), metadata: { name: 'held', finalizers: ['example.com/hold'] } });
    let finished = false;
    const deleting = cli.run(['delete', 'cm', 'held']).finally(() => {
      finished = true;
    });
    const late = await cli.run(['delete', 'cm', 'held', '--timeout=100ms']);
    expect(late).toEqual({
      code: 1,
      stdout: 'configmap "held" deleted\n',
      stderr: 'error: timed out waiting for the objects to go; they are still being deleted\n',
    });
    expect(finished).toBe(false);
    const live = JSON.parse(await cli.ok('get', 'cm', 'held', '-o', 'json')) as { metadata: { finalizers?: string[] } };
    delete live.metadata.finalizers;
    expect(await cli.ok('delete', 'cm', 'held', '--wait=false')).toBe('configmap "held" deleted\n');
    const { KINDS } = await import('../../proto/index.ts');
    const at = { namespace: 'default', name: 'held' };
    await cli.system.patch(KINDS.ConfigMap, at, { type: 'merge', body: { metadata: { finalizers: null } } });
    expect(await deleting).toEqual({ code: 0, stdout: 'configmap "held" deleted\n', stderr: '' });
  });

  const refused: readonly [readonly string[], string][] = [
    [['delete', 'pods'], 'error: resource(s) were provided, but no name was specified\n'],
    [['delete', 'cm', 'nope'], 'Error from server (NotFound): configmaps "nope" not found\n'],
    [
      ['delete', 'cm', 'm', '--cascade=maybe'],
      'error: invalid cascade value (maybe). Must be "background", "foreground", or "orphan"\n',
    ],
    [
      ['delete', 'cm', 'm', '--grace-period=0'],
      'error: --grace-period=0 must be given together with --force: the containers may go on for a while\n',
    ],
  ];
  test.each(refused)('refused: %j', async (args, stderr) => {
    expect(await cli.run(args)).toEqual({ code: 1, stdout: '', stderr });
  });
});

describe('scale', () => {
  test('sets the replicas, under conditions too', async () => {
    await applied(deployment('s'));
    expect(await cli.ok('scale', 'deployment/s', '--replicas=5')).toBe('deployment.apps/s scaled\n');
    expect(await cli.ok('get', 'deploy', 's', '-o', 'jsonpath={.spec.replicas}')).toBe('5');
    expect((await cli.run(['scale', 'deploy', 's', '--replicas=1', '--current-replicas=2'])).stderr).toBe(
      'error: Expected replicas to be 2, was 5\n',
    );
    expect(await cli.ok('scale', 'deploy', 's', '--replicas=0', '--current-replicas=5')).toBe(
      'deployment.apps/s scaled\n',
    );
    expect(await cli.ok('get', 'deploy', 's', '-o', 'jsonpath={.spec.replicas}')).toBe('0');
  });

  test('waits until there are as many, and not for ever', async () => {
    await applied(deployment('slow'));
    const waiting = cli.run(['scale', 'deploy', 'slow', '--replicas=3', '--timeout=20s']);
    await cli.patchStatus('deployments', 'slow', { replicas: 3, observedGeneration: 2 });
    expect(await waiting).toEqual({ code: 0, stdout: 'deployment.apps/slow scaled\n', stderr: '' });
    expect(await cli.run(['scale', 'deploy', 'slow', '--replicas=4', '--timeout=50ms'])).toEqual({
      code: 1,
      stdout: 'deployment.apps/slow scaled\n',
      stderr: 'error: timed out waiting for "slow" to have 4 replicas\n',
    });
  });

  test('refused without a number, or for what has no replicas', async () => {
    expect((await cli.run(['scale', 'deploy/s'])).stderr).toContain(
      "required option '--replicas <count>' not specified",
    );
    expect((await cli.run(['scale', 'deploy/s', '--replicas=-1'])).stderr).toBe(
      'error: invalid --replicas "-1": write a number of replicas, 0 or more\n',
    );
    await applied(configMap('noscale'));
    expect((await cli.run(['scale', 'cm/noscale', '--replicas=1'])).stderr).toContain(
      'configmaps have no subresource "scale"',
    );
  });
});

describe('label and annotate', () => {
  test('set, change, remove, list', async () => {
    await applied(configMap('l'));
    expect(await cli.ok('label', 'cm', 'l', 'a=1', 'b=2')).toBe('configmap/l labeled\n');
    expect(await cli.ok('label', 'cm', 'l', 'a=1')).toBe('configmap/l not labeled\n');
    expect((await cli.run(['label', 'cm', 'l', 'a=2'])).stderr).toBe(
      "error: 'a' already has a value (1), and --overwrite is false\n",
    );
    expect(await cli.ok('label', '--overwrite', 'cm/l', 'a=2', 'b-')).toBe('configmap/l labeled\n');
    expect(await cli.ok('label', 'cm', 'l', 'a-', 'c-')).toBe('label "c" not found.\nconfigmap/l unlabeled\n');
    expect(await cli.ok('annotate', 'cm', 'l', 'note=some text', 'x=')).toBe('configmap/l annotated\n');
    expect(await cli.ok('get', 'cm', 'l', '-o', 'jsonpath={.metadata.annotations.note}|{.metadata.labels}')).toBe(
      'some text|',
    );
    await cli.ok('label', 'cm', 'l', 'k=v');
    expect(await cli.ok('label', 'cm', 'l', '--list')).toBe('Listing labels for configmap/l:\n k=v\n');
  });

  test('refused without a change, or with a contradiction', async () => {
    expect((await cli.run(['label', 'cm', 'l'])).stderr).toBe('error: at least one label update is required\n');
    expect((await cli.run(['label', 'cm', 'l', 'a=1', 'a-'])).stderr).toBe(
      'error: can not both modify and remove a label in the same command: a\n',
    );
    expect((await cli.run(['label', 'cm', 'l', 'bad key=1'])).code).toBe(1);
  });
});

describe('edit', () => {
  test('of the status, nothing else is taken over', async () => {
    await applied(deployment('es'));
    await cli.patchStatus('deployments', 'es', { replicas: 1 });
    const env = { SKIFF_EDITOR: "sed -i 's/replicas: 1/replicas: 7/; s/replicas: 2/replicas: 9/'" };
    expect((await cli.run(['edit', 'deploy', 'es', '--subresource=status'], { env })).stdout).toBe(
      'deployment.apps/es edited\n',
    );
    expect(await cli.ok('get', 'deploy', 'es', '-o', 'jsonpath={.spec.replicas} {.status.replicas}')).toBe('2 7');
    expect((await cli.run(['edit', 'deploy', 'es', '--subresource=scale'])).stderr).toBe(
      'error: invalid subresource value: "scale". Must be one of [status]\n',
    );
  });
});
