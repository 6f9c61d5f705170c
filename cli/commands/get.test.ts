import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest, masked } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

const pod = (name: string, labels: object, node = ''): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { containers: [{ name: 'c', image: 'busybox' }], ...(node === '' ? {} : { nodeName: node }) },
});
const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } },
  },
};

beforeAll(async () => {
  cli = await CliUnderTest.start();
  await cli.apply(deployment, pod('a', { app: 'web', tier: 'front' }), pod('b', { app: 'web' }), pod('c', {}));
});
afterAll(() => cli.stop());

/** Runs a watch until its output matches, then interrupts it; gives all it printed. */
async function watched(args: readonly string[], until: RegExp, meanwhile: () => Promise<unknown>): Promise<string> {
  const stop = new AbortController();
  let started: Promise<unknown> | undefined;
  const { stdout, stderr } = await cli.run(args, {
    signal: stop.signal,
    onOutput: (all) => {
      // What was there is printed before changes are listened for, and nothing between is lost.
      started ??= meanwhile();
      if (until.test(all)) stop.abort();
    },
  });
  await started;
  expect(stderr).toBe('');
  return masked(stdout);
}

describe('labels', () => {
  test('as columns and as a whole, in lists, of single objects, over all namespaces', async () => {
    expect(masked(await cli.ok('get', 'pods', '-L', 'app,tier', '--show-labels'))).toBe(
      'NAME   READY   STATUS    RESTARTS   AGE   APP   TIER    LABELS\n' +
        'a      0/1     Pending   0          Ns    web   front   app=web,tier=front\n' +
        'b      0/1     Pending   0          Ns    web           app=web\n' +
        'c      0/1     Pending   0          Ns                  <none>\n',
    );
    expect(masked(await cli.ok('get', 'pod', 'a', '-L', 'tier', '--no-headers'))).toBe(
      'a     0/1   Pending   0     Ns    front\n',
    );
    expect(masked(await cli.ok('get', 'pods', '-A', '-l', 'tier', '--show-labels'))).toBe(
      'NAMESPACE   NAME   READY   STATUS    RESTARTS   AGE   LABELS\n' +
        'default     a      0/1     Pending   0          Ns    app=web,tier=front\n',
    );
  });

  test('while watching, of what was there and of what changes', async () => {
    const text = await watched(['get', 'pods', '-l', 'app', '-w', '-L', 'tier', '--show-labels'], /back/, () =>
      cli.ok('label', 'pod', 'b', 'tier=back'),
    );
    expect(text).toBe(
      'NAME   READY   STATUS    RESTARTS   AGE   TIER    LABELS\n' +
        'a      0/1     Pending   0          Ns    front   app=web,tier=front\n' +
        'b      0/1     Pending   0          Ns            app=web\n' +
        'b      0/1     Pending   0          Ns    back    app=web,tier=back\n',
    );
    await cli.ok('label', 'pod', 'b', 'tier-');
  });
});

describe('watching', () => {
  test('says what happened', async () => {
    const text = await watched(['get', 'pods', 'c', '-w', '--output-watch-events'], /DELETED/, async () => {
      await cli.ok('annotate', 'pod', 'c', 'x=y');
      await cli.ok('delete', 'pod', 'c', '--force', '--grace-period=0');
    });
    expect(text).toBe(
      'EVENT   NAME   READY   STATUS    RESTARTS   AGE\n' +
        'ADDED   c      0/1     Pending   0          Ns\n' +
        'MODIFIED   c      0/1     Pending   0          Ns\n' +
        'DELETED    c      0/1     Pending   0          Ns\n',
    );
    await cli.apply(pod('c', {}));
  });

  test('whole objects as events, custom columns under one header', async () => {
    await cli.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm' }, data: { k: '1' } });
    const change = (): Promise<string> => cli.ok('annotate', '--overwrite', 'cm', 'm', `at=${Math.random()}`);
    const json = await watched(['get', 'cm', 'm', '-w', '-o', 'json', '--output-watch-events'], /MODIFIED/, change);
    expect(json).toMatch(/^\{\n {4}"object": \{\n {8}"apiVersion": "v1",/);
    expect(json).toMatch(/\n {4}"type": "MODIFIED"\n\}\n$/);
    const yaml = await watched(['get', 'cm', 'm', '-w', '-o', 'yaml', '--output-watch-events'], /MODIFIED/, change);
    expect(yaml).toMatch(
      /^object:\n {2}apiVersion: v1\n[\s\S]*\ntype: ADDED\n---\nobject:\n[\s\S]*\ntype: MODIFIED\n$/,
    );
    const args = ['get', 'cm', 'm', '-w', '-o', 'custom-columns=N:.metadata.name,K:.data.k'];
    expect(await watched(args, /m.*\nm/, change)).toBe('N     K\nm     1\nm     1\n');
  });
});

describe('several kinds and ways to print', () => {
  test('all is what people mean by it', async () => {
    expect(masked(await cli.ok('get', 'all', '-l', 'app=web', '-o', 'name'))).toBe(
      'pod/a\npod/b\ndeployment.apps/web\n',
    );
  });

  test('sorted, in pieces of the size asked for', async () => {
    expect(
      await cli.ok('get', 'pods', '--chunk-size=1', '--sort-by={.metadata.name}', '-o', 'name', '--no-headers'),
    ).toBe('pod/a\npod/b\npod/c\n');
    expect(masked(await cli.ok('get', 'pods', '--sort-by=.metadata.labels.tier', '--chunk-size=2'))).toMatch(
      /\nb .*\nc .*\na .*\n$/,
    );
  });

  test('subresources', async () => {
    expect(masked(await cli.ok('get', 'deploy', 'web', '--subresource=scale'))).toBe(
      'NAME   DESIRED   AVAILABLE   AGE\nweb    3         0           Ns\n',
    );
    expect(await cli.ok('get', 'deploy/web', '--subresource=scale', '-o', 'jsonpath={.kind} {.spec.replicas}')).toBe(
      'Scale 3',
    );
    expect(await cli.ok('get', 'deploy', 'web', '--subresource', 'status', '-o', 'name')).toBe('deployment.apps/web\n');
  });

  test('templates from files, and as JSON', async () => {
    const file = cli.file('template', '{.metadata.name}: {.spec.containers[*].image}\n');
    expect(await cli.ok('get', 'pod', 'a', '-o', `jsonpath-file=${file}`)).toBe('a: busybox');
    expect(await cli.ok('get', 'pods', '-o', 'jsonpath-as-json={.items[*].metadata.name}')).toBe(
      '[\n    "a",\n    "b",\n    "c"\n]\n',
    );
    const columns = cli.file('columns', 'NAME             IMAGE\nmetadata.name    spec.containers[0].image\n');
    expect(await cli.ok('get', 'pod', 'a', '-o', `custom-columns-file=${columns}`)).toBe(
      'NAME   IMAGE\na      busybox\n',
    );
  });
});

describe('refused', () => {
  const rows: readonly [readonly string[], string][] = [
    [
      ['pods', '-o', 'go-template={{.x}}'],
      'error: the output format go-template is not served: templates of Go are a language of their own\n' +
        "Use -o jsonpath='{…}' or -o custom-columns=… instead; {range .items[*]}…{end} repeats.\n",
    ],
    [['pods', '--chunk-size=many'], 'error: invalid --chunk-size "many": write a number of objects, 0 or more\n'],
    [['pod', 'a', '--subresource=log'], 'error: invalid subresource value: "log". Must be one of [status scale]\n'],
    [['pods', '--subresource=status'], 'error: --subresource is of single objects: name them, or give their files\n'],
    [
      ['pods', '--output-watch-events'],
      'error: --output-watch-events option can only be used with --watch or --watch-only\n',
    ],
    [['pods,deploy', '-w'], 'error: you may only specify a single resource type, or a single object, with --watch\n'],
    [['pods', '--raw', '/x'], 'error: arguments may not be passed when --raw is specified\n'],
    [['--raw', '/x', '-o', 'json'], 'error: --raw and --output are mutually exclusive\n'],
    [['--raw', 'x'], 'error: invalid --raw "x": a path begins with /, such as /api/v1/nodes\n'],
    [
      ['--raw', '/metrics'],
      'Error from server (NotFound): the server could not find the requested resource: /metrics\n',
    ],
    [
      ['--raw', '/api/v1/podz?limit=1'],
      'Error from server (NotFound): the server could not find the requested resource: /api/v1/podz\n',
    ],
    [
      ['--raw', '/apis/apps/v9'],
      'Error from server (NotFound): the server could not find the requested resource: /apis/apps/v9\n',
    ],
    [
      ['--raw', '/api/v1/pods?watch=true'],
      'error: --raw does not watch; use skiff get -w -o json --output-watch-events\n',
    ],
    [
      ['--raw', '/api/v1/pods?fieldValidation=x'],
      'error: the parameter "fieldValidation" is not served by --raw; it takes labelSelector, fieldSelector, limit and continue\n',
    ],
    [['--raw', '/api/v1/namespaces/default/pods/nope'], 'Error from server (NotFound): pods "nope" not found\n'],
    [
      ['--raw', '/api/v1/namespaces/default/pods/a?limit=1'],
      'error: invalid --raw "/api/v1/namespaces/default/pods/a?limit=1": selectors, limit and continue are of lists, and this names one object\n',
    ],
  ];
  test.each(rows)('%j', async (args, stderr) => {
    expect(await cli.run(['get', ...args])).toEqual({ code: 1, stdout: '', stderr });
  });
});

describe('--raw answers paths of the Kubernetes API', () => {
  const raw = async (path: string): Promise<unknown> => JSON.parse(await cli.ok('get', '--raw', path));

  test('objects, lists, subresources', async () => {
    const at = '/api/v1/namespaces/default/pods';
    expect(await raw(`${at}/a`)).toMatchObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } });
    expect(await raw(`${at}/a/status`)).toMatchObject({ kind: 'Pod', status: { phase: 'Pending' } });
    expect(await raw('/apis/apps/v1/namespaces/default/deployments/web/scale')).toMatchObject({ kind: 'Scale' });
    expect(await raw('/api/v1/namespaces/default')).toMatchObject({ kind: 'Namespace' });
    expect(await raw('/api/v1/namespaces/default/status')).toMatchObject({ kind: 'Namespace' });
    const list = (await raw(at)) as { items: { metadata: { name: string } }[] };
    expect(list).toMatchObject({
      kind: 'PodList',
      apiVersion: 'v1',
      metadata: { resourceVersion: expect.stringMatching(/^\d+$/) as string },
    });
    expect(list.items.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c']);
    expect(list.items[0]).not.toHaveProperty('kind');
    expect(await raw('/apis/apps/v1/deployments')).toMatchObject({ kind: 'DeploymentList', items: [{}] });
  });

  test('selectors and pages', async () => {
    const names = (list: unknown): string[] =>
      (list as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
    expect(names(await raw('/api/v1/pods?labelSelector=app%3Dweb,tier'))).toEqual(['a']);
    expect(names(await raw('/api/v1/pods?fieldSelector=metadata.name=c'))).toEqual(['c']);
    const first = (await raw('/api/v1/pods?limit=2')) as { metadata: { continue: string; remainingItemCount: number } };
    expect(names(first)).toEqual(['a', 'b']);
    expect(first.metadata.remainingItemCount).toBe(1);
    const rest = await raw(`/api/v1/pods?limit=2&continue=${encodeURIComponent(first.metadata.continue)}`);
    expect(names(rest)).toEqual(['c']);
    expect((rest as { metadata: object }).metadata).not.toHaveProperty('continue');
  });

  test('what there is, and how it is', async () => {
    expect(await raw('/api')).toEqual({ kind: 'APIVersions', versions: ['v1'] });
    const groups = (await raw('/apis')) as { groups: { name: string }[] };
    expect(groups.groups.find(({ name }) => name === 'apps')).toEqual({
      name: 'apps',
      versions: [{ groupVersion: 'apps/v1', version: 'v1' }],
      preferredVersion: { groupVersion: 'apps/v1', version: 'v1' },
    });
    expect(await raw('/apis/apps')).toMatchObject({ kind: 'APIGroup', name: 'apps' });
    const { resources } = (await raw('/api/v1')) as { resources: { name: string }[] };
    expect(resources.find(({ name }) => name === 'pods')).toEqual({
      name: 'pods',
      singularName: 'pod',
      namespaced: true,
      kind: 'Pod',
      verbs: expect.arrayContaining(['get', 'list', 'watch', 'delete']) as string[],
      shortNames: ['po'],
    });
    expect(await raw('/version')).toMatchObject({ major: '1', minor: '2', gitVersion: '1.2.3', gitCommit: 'abc' });
    for (const path of ['/healthz', '/readyz', '/livez']) expect(await cli.ok('get', '--raw', path)).toBe('ok');
  });
});
