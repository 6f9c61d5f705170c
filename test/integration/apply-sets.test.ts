/** Sets of objects that need each other, on a real server and etcd: applied in any order, tried, compared, pruned, owned. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeConfig } from '../../cli/config/client-config.ts';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import { adminConfigFor, type CliResult, runSkiff } from '../harness/run-skiff.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const CRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.sets.example.com}
spec:
  group: sets.example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties: {spec: {type: object, properties: {size: {type: integer}}}}
`;
const WIDGET = 'apiVersion: sets.example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: sets}\nspec: {size: 3}\n';
const POD = `
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: sets}
spec:
  serviceAccountName: worker
  containers: [{name: c, image: "x:1"}]
`;

describe.skipIf(apiUnavailable() !== undefined)('sets of objects', () => {
  let under: ServerUnderTest;

  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
    writeConfig(join(under.root, 'config'), adminConfigFor(under.endpoint, under.server.pki));
  });
  afterAll(() => under?.stop());

  const skiff = (args: readonly string[], stdin = ''): Promise<CliResult> =>
    runSkiff(args, {
      stdin,
      env: { SKIFF_CONFIG: join(under.root, 'config'), PATH: process.env.PATH },
      mask: (text) => text.replaceAll(under.root, 'ROOT'),
    });

  async function ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await skiff(args);
    if (code !== 0) throw new Error(`skiff ${args.join(' ')} ended with ${code}\n${stderr}${stdout}`);
    return stdout;
  }

  function folder(name: string, files: Readonly<Record<string, string>>): string {
    const path = join(under.root, name);
    mkdirSync(path);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  }

  test('a namespace, a definition, its objects and a pod with its account, in the worst order', async () => {
    const set = folder('set', {
      '1-pod.yaml': POD,
      '2-widget.yaml': WIDGET,
      '3-account.yaml': 'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: worker, namespace: sets}\n',
      '4-definition.yaml': CRD,
      '5-namespace.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: sets}\n',
    });
    const names = [
      'namespace/sets',
      'customresourcedefinition.apiextensions.k8s.io/widgets.sets.example.com',
      'serviceaccount/worker',
      'pod/p',
      'widget.sets.example.com/w',
    ];
    const lines = (word: string): string => names.map((name) => `${name} ${word}\n`).join('');
    expect(await skiff(['apply', '-f', set, '--dry-run=server'])).toEqual({
      code: 0,
      stdout: lines('created (server dry run)'),
      stderr: '',
    });
    expect((await skiff(['get', 'namespace', 'sets'])).stderr).toContain('(NotFound)');
    const compared = await skiff(['diff', '-f', set]);
    expect(compared).toMatchObject({ code: 1, stderr: '' });
    expect(compared.stdout).toContain('+  size: 3\n');
    const applied = await skiff(['apply', '-f', set]);
    expect({ code: applied.code, stderr: applied.stderr }).toEqual({ code: 0, stderr: '' });
    expect(applied.stdout.split('\n').sort()).toEqual(lines('created').split('\n').sort());
    expect(await ok('diff', '-f', set)).toBe('');
    expect(await ok('apply', '-f', set)).toBe(lines('unchanged'));
  });

  test('objects of a kind that only the set defines are checked by its schema', async () => {
    const set = folder('checked', {
      'a.yaml': 'apiVersion: gadgets.example.com/v1\nkind: Gadget\nmetadata: {name: g}\nspec:\n  size: large\n',
      'b.yaml': CRD.replaceAll('sets.example.com', 'gadgets.example.com')
        .replaceAll('widgets', 'gadgets')
        .replaceAll('Widget', 'Gadget'),
    });
    const { code, stdout, stderr } = await skiff(['apply', '-f', set, '--dry-run=server']);
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: 'customresourcedefinition.apiextensions.k8s.io/gadgets.gadgets.example.com created (server dry run)\n',
    });
    expect(stderr).toMatch(/^error: ROOT\/checked\/a\.yaml:5:9: .*spec\.size.*integer/);
    expect((await skiff(['get', 'gadgets'])).stderr).toContain("doesn't have a resource type");
    const broken = CRD.replaceAll('sets', 'broken').replace('scope: Namespaced', 'scope: Nowhere');
    const both = `${broken}---\n${WIDGET.replaceAll('sets', 'broken').replace(', namespace: broken', '')}`;
    const refused = await skiff(['apply', '-f', '-', '--dry-run=server'], both);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^Warning: Widget "w" is not checked: .*\nerror: STDIN:\d+:\d+: .*scope/);
  });

  test('what is wrong in an object of the set is told although its namespace is not there yet', async () => {
    const set = folder('wrong', {
      'a.yaml': POD.replace('x:1', 'x:1", imagee: "y').replaceAll('sets', 'later'),
      'n.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: later}\n',
    });
    const { code, stdout, stderr } = await skiff(['apply', '-f', set, '--dry-run=server']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'namespace/later created (server dry run)\n' });
    expect(stderr).toMatch(/^error: ROOT\/wrong\/a\.yaml:7:40: unknown field "spec\.containers\[0\]\.imagee"/);
  });

  test('prune deletes what left the set, of custom kinds too', async () => {
    const both = `${WIDGET.replace('name: w', 'name: w, labels: {set: a}')}---\n${WIDGET.replace('name: w', 'name: old, labels: {set: a}')}`;
    const file = join(under.root, 'widgets.yaml');
    writeFileSync(file, both);
    await ok('apply', '-f', file);
    writeFileSync(file, both.split('---\n')[0] ?? '');
    const args = ['-f', file, '--prune', '-l', 'set=a', '--prune-allowlist=sets.example.com/v1/Widget'];
    const compared = await skiff(['diff', ...args]);
    expect(compared.code).toBe(1);
    expect(compared.stdout).toContain('-  name: old\n');
    expect(await ok('apply', ...args)).toBe(
      'widget.sets.example.com/w unchanged\nwidget.sets.example.com/old pruned\n',
    );
    expect(await ok('get', 'widgets', '-n', 'sets', '-o', 'name')).toBe('widget.sets.example.com/w\n');
  });

  test('two managers: a conflict is told at its place with what can be done, and can be taken over', async () => {
    const file = join(under.root, 'owned.yaml');
    const write = (value: string): void =>
      writeFileSync(file, `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: owned}\ndata:\n  a: "${value}"\n`);
    write('1');
    expect(await ok('apply', '--server-side', '--field-manager=one', '-f', file)).toBe(
      'configmap/owned serverside-applied\n',
    );
    write('2');
    const { code, stdout, stderr } = await skiff(['apply', '--server-side', '--field-manager=two', '-f', file]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('Apply failed with 1 conflict: conflict with "one": .data.a\n');
    expect(stderr).toContain('ROOT/owned.yaml:5:6: ');
    expect(stderr).toContain('  - take them over: apply again with --force-conflicts; or\n');
    const conflicting = await skiff(['diff', '--server-side', '--field-manager=two', '-f', file]);
    expect(conflicting.code).toBe(2);
    const forced = await skiff(['diff', '--server-side', '--force-conflicts', '--field-manager=two', '-f', file]);
    expect(forced.stdout).toContain('-  a: "1"\n+  a: "2"\n');
    expect(await ok('apply', '--server-side', '--force-conflicts', '--field-manager=two', '-f', file)).toBe(
      'configmap/owned serverside-applied\n',
    );
    expect(await ok('get', 'cm', 'owned', '-o', 'jsonpath={.data.a}')).toBe('2');
  });

  test('a kustomization of the lot', async () => {
    const set = folder('kustomized', {
      'kustomization.yaml':
        'namespace: other\nnamePrefix: k-\nresources: [all.yaml]\nconfigMapGenerator: [{name: c, literals: [a=b]}]\n',
      'all.yaml': `${POD.replace('serviceAccountName: worker', 'volumes: [{name: c, configMap: {name: c}}]')}---\napiVersion: v1\nkind: Namespace\nmetadata: {name: any}\n`,
    });
    expect(await ok('apply', '-k', set)).toBe(
      'namespace/other created\nconfigmap/k-c-4h2mbtbbt6 created\npod/k-p created\n',
    );
    expect(await ok('get', 'pod', 'k-p', '-n', 'other', '-o', 'jsonpath={.spec.volumes[0].configMap.name}')).toBe(
      'k-c-4h2mbtbbt6',
    );
  });
});
