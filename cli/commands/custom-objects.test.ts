import { afterAll, beforeAll, expect, test } from 'vitest';
import { CliUnderTest, masked } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

const spec = { type: 'object', properties: { size: { type: 'integer' }, replicas: { type: 'integer' } } };
const status = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget', shortNames: ['wd'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        schema: { openAPIV3Schema: { type: 'object', properties: { spec, status } } },
      },
    ],
  },
};

beforeAll(async () => {
  cli = await CliUnderTest.start();
  await cli.apply(definition);
  await cli.apply({
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    metadata: { name: 'w', labels: { a: 'b' } },
    spec: { size: 3, replicas: 2 },
  });
});
afterAll(() => cli.stop());

test('tables, labels and sorting', async () => {
  expect(masked(await cli.ok('get', 'wd', '-L', 'a', '--show-labels', '--sort-by=.spec.size'))).toBe(
    'NAME   AGE   A     LABELS\nw      Ns    b     a=b\n',
  );
  expect(await cli.ok('get', 'widgets.example.com', '-o', 'name')).toBe('widget.example.com/w\n');
});

test('paths of the Kubernetes API', async () => {
  const raw = async (path: string): Promise<unknown> => JSON.parse(await cli.ok('get', '--raw', path));
  expect(await raw('/apis/example.com/v1/namespaces/default/widgets/w')).toMatchObject({
    kind: 'Widget',
    spec: { size: 3 },
  });
  expect(await raw('/apis/example.com/v1/widgets')).toMatchObject({
    kind: 'WidgetList',
    items: [{ spec: { size: 3 } }],
  });
  expect(await raw('/apis/example.com/v1')).toMatchObject({ resources: [{ name: 'widgets', shortNames: ['wd'] }] });
});

test('changed, scaled, waited for and replaced', async () => {
  expect(await cli.ok('patch', 'wd', 'w', '--type=merge', '-p', 'spec: {size: 4}')).toBe(
    'widget.example.com/w patched\n',
  );
  expect(await cli.run(['patch', 'wd', 'w', '-p', 'spec: {size: 5}'])).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'error: strategic patches are of built-in kinds: a custom kind does not say how its lists merge\nUse --type=merge or --type=json.\n',
  });
  await cli.ok('patch', 'wd', 'w', '--subresource=status', '--type=merge', '-p', 'status: {phase: Up, replicas: 1}');
  expect(await cli.ok('wait', 'wd/w', '--for=jsonpath={.status.phase}=Up')).toBe(
    'widget.example.com/w condition met\n',
  );
  expect(await cli.ok('scale', 'wd', 'w', '--replicas=5')).toBe('widget.example.com/w scaled\n');
  expect(masked(await cli.ok('get', 'wd', 'w', '--subresource=scale'))).toBe(
    'NAME   DESIRED   AVAILABLE   AGE\nw      5         1           Ns\n',
  );
  const copy = cli.file('w.yaml', (await cli.ok('get', 'wd', 'w', '-o', 'yaml')).replace('size: 4', 'size: 6'));
  expect(await cli.ok('replace', '-f', copy)).toBe('widget.example.com/w replaced\n');
  expect(await cli.ok('get', 'wd', 'w', '-o', 'jsonpath={.spec.size} {.status.phase}')).toBe('6 Up');
});

test('a role for them knows their group', async () => {
  const args = ['create', 'role', 'r', '--verb=get', '--resource=wd', '--dry-run=client', '-o', 'jsonpath={.rules}'];
  expect(await cli.ok(...args)).toBe('[{"apiGroups":["example.com"],"resources":["widgets"],"verbs":["get"]}]');
});
