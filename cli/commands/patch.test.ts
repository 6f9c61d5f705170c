import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [
          { name: 'main', image: 'nginx:1' },
          { name: 'side', image: 'side:1' },
        ],
      },
    },
  },
};

beforeAll(async () => {
  cli = await CliUnderTest.start();
  await cli.apply(deployment, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'm' },
    data: { a: '1', b: '2' },
  });
});
afterAll(() => cli.stop());

const images = (): Promise<string> =>
  cli.ok('get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers[*].image}');

describe('the three forms of a patch', () => {
  test('strategic, the one meant without --type: lists merge by name; nothing new is told', async () => {
    const patch = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"side:2"}]}}}}';
    expect(await cli.ok('patch', 'deployment', 'web', '-p', patch)).toBe('deployment.apps/web patched\n');
    expect(await images()).toBe('nginx:1 side:2');
    expect(await cli.ok('patch', 'deploy/web', '-p', patch)).toBe('deployment.apps/web patched (no change)\n');
  });

  test('written in YAML', async () => {
    const yaml = 'spec:\n  template:\n    spec:\n      containers:\n      - name: main\n        image: nginx:2\n';
    expect(await cli.ok('patch', 'deploy', 'web', '--patch', yaml, '--type=strategic')).toBe(
      'deployment.apps/web patched\n',
    );
    expect(await images()).toBe('nginx:2 side:2');
  });

  test('merge: lists are replaced, null removes', async () => {
    const file = cli.file('merge.yaml', 'data: {a: null, c: "3"}\n');
    expect(await cli.ok('patch', 'cm', 'm', '--type=merge', '--patch-file', file, '-o', 'jsonpath={.data}')).toBe(
      '{"b":"2","c":"3"}',
    );
  });

  test('json: operations by position, which may test first', async () => {
    const patch = JSON.stringify([
      { op: 'test', path: '/data/b', value: '2' },
      { op: 'replace', path: '/data/b', value: '20' },
    ]);
    expect(await cli.ok('patch', 'cm', 'm', '--type', 'json', '-p', patch)).toBe('configmap/m patched\n');
    expect(await cli.run(['patch', 'cm', 'm', '--type=json', '-p', patch])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'Cannot apply operation 0 (test) of the JSON patch: the test of /data/b failed: the value is another\n',
    });
    expect(await cli.ok('get', 'cm', 'm', '-o', 'jsonpath={.data.b}')).toBe('20');
  });
});

describe('subresources', () => {
  test('the scale', async () => {
    const args = ['patch', 'deploy', 'web', '--subresource=scale', '--type=merge', '-p', '{"spec":{"replicas":5}}'];
    expect(await cli.ok(...args)).toBe('scale.autoscaling/web patched\n');
    expect(await cli.ok('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('5');
    expect(await cli.ok(...args)).toBe('scale.autoscaling/web patched (no change)\n');
  });

  test('the status, and nothing but the status', async () => {
    const patch = '{"status":{"replicas":7,"observedGeneration":1},"spec":{"replicas":9}}';
    expect(await cli.ok('patch', 'deploy', 'web', '--subresource=status', '-p', patch)).toBe(
      'deployment.apps/web patched\n',
    );
    expect(await cli.ok('get', 'deploy', 'web', '-o', 'jsonpath={.status.replicas} {.spec.replicas}')).toBe('7 5');
  });
});

test('dry runs change nothing and show what would be', async () => {
  const patch = ['patch', 'cm', 'm', '--type=merge', '-p', '{"data":{"dry":"yes"}}'];
  expect(await cli.ok(...patch, '--dry-run=client')).toBe('configmap/m patched (dry run)\n');
  expect(await cli.ok(...patch, '--dry-run=server')).toBe('configmap/m patched (server dry run)\n');
  expect(await cli.ok(...patch, '--dry-run=server', '-o', 'jsonpath={.data.dry}')).toBe('yes');
  expect(await cli.ok('get', 'cm', 'm', '-o', 'jsonpath={.data.dry}')).toBe('');
});

test('the object of a file', async () => {
  const file = cli.file('m.json', '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"}}');
  expect(await cli.ok('patch', '-f', file, '-p', 'data: {f: "1"}')).toBe('configmap/m patched\n');
});

describe('refused', () => {
  const rows: readonly [readonly string[], string][] = [
    [['cm', 'm'], 'error: must specify --patch or --patch-file containing the contents of the patch\n'],
    [['cm', 'm', '-p', '{}', '--patch-file=x'], 'error: cannot specify --patch and --patch-file together\n'],
    [['cm', 'm', '-p', '{}', '--type=odd'], 'error: --type must be one of [json merge strategic], not "odd"\n'],
    [
      ['cm', 'm', '-p', '{}', '--subresource=log'],
      'error: invalid subresource value: "log". Must be one of [status scale]\n',
    ],
    [
      ['cm', 'm', '-p', '[]'],
      'error: --patch:1:1: a strategic patch is an object such as {"spec":{"replicas":3}}\n    1 | []\n      | ^\n',
    ],
    [
      ['cm', 'm', '-p', '{}', '--type=json'],
      'error: --patch:1:1: a JSON patch is a list of operations such as [{"op":"replace","path":"/spec/replicas","value":3}]\n    1 | {}\n      | ^\n',
    ],
    [['cm', 'nope', '-p', '{}'], 'Error from server (NotFound): configmaps "nope" not found\n'],
    [['cm', '-p', '{}'], 'error: resource(s) were provided, but no name was specified\n'],
  ];
  test.each(rows)('%j', async (args, stderr) => {
    expect(await cli.run(['patch', ...args])).toEqual({ code: 1, stdout: '', stderr });
  });

  test('what is no JSON and no YAML is told with its place', async () => {
    const { code, stderr } = await cli.run(['patch', 'cm', 'm', '-p', '{"data":']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: --patch:1:\d+: .+\n {4}1 \| \{"data":\n/);
  });

  test('an unknown field is told with its path', async () => {
    const { code, stderr } = await cli.run(['patch', 'deploy', 'web', '-p', '{"spec":{"replcas":1}}']);
    expect(code).toBe(1);
    expect(stderr).toContain('spec.replcas');
  });
});
