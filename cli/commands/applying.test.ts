import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KINDS } from '../../proto/index.ts';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

const configMap = (name: string, rest: { namespace?: string; app?: string } = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name,
      ...(rest.namespace === undefined ? {} : { namespace: rest.namespace }),
      ...(rest.app === undefined ? {} : { labels: { app: rest.app } }),
    },
  });
const namespace = (name: string): string => JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

describe('a folder whose objects need each other', () => {
  test('is tried as a whole and then applied, whatever the names of its files', async () => {
    const folder = join(cli.dir, 'set');
    mkdirSync(folder);
    cli.file(
      'set/a-pod.json',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p', namespace: 'shop' },
        spec: { containers: [{ name: 'c', image: 'x:1' }] },
      }),
    );
    cli.file('set/b-config.json', configMap('c', { namespace: 'shop' }));
    cli.file('set/z-namespace.json', namespace('shop'));
    expect(await cli.ok('apply', '-f', folder, '--dry-run=server')).toBe(
      'namespace/shop created (server dry run)\n' +
        'configmap/c created (server dry run)\n' +
        'pod/p created (server dry run)\n',
    );
    expect(await cli.ok('get', 'ns', 'shop', '--ignore-not-found')).toBe('');
    expect(await cli.ok('apply', '-f', folder)).toBe('namespace/shop created\nconfigmap/c created\npod/p created\n');
  });

  test('a dry run still finds what is wrong in a namespace that is not there yet, and namespaces nobody makes', async () => {
    const text = [
      namespace('new'),
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"new"},"dat":{}}',
      configMap('d', { namespace: 'nowhere' }),
    ].join('\n---\n');
    const { code, stdout, stderr } = await cli.run(['apply', '-f', '-', '--dry-run=server'], { stdin: text });
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'namespace/new created (server dry run)\n' });
    expect(stderr).toContain('STDIN:3:81: unknown field "dat" (did you mean "data"?)');
    expect(stderr).toContain('Error from server (NotFound): namespaces "nowhere" not found\n');
  });
});

describe('apply --prune', () => {
  const set = (...names: string[]): string =>
    names.map((name) => configMap(name, { namespace: 'p', app: 'web' })).join('\n---\n');

  test('deletes what was applied before and is in the files no more, and nothing else', async () => {
    await cli.apply(namespace('p'), set('a', 'b', 'c'), configMap('other', { namespace: 'p', app: 'db' }));
    await cli.ok('create', '-f', cli.file('made.json', configMap('made', { namespace: 'p', app: 'web' })));
    await cli.apply(configMap('a', { app: 'web' }));
    const args = ['apply', '-f', cli.file('set.json', set('a')), '--prune', '-l', 'app=web'];
    expect(await cli.ok(...args, '--dry-run=server')).toBe(
      'configmap/a unchanged (server dry run)\nconfigmap/b pruned (server dry run)\nconfigmap/c pruned (server dry run)\n',
    );
    expect(await cli.ok(...args)).toBe('configmap/a unchanged\nconfigmap/b pruned\nconfigmap/c pruned\n');
    expect(await cli.ok('get', 'cm', '-n', 'p', '-o', 'name')).toBe('configmap/a\nconfigmap/made\nconfigmap/other\n');
    expect(await cli.ok('get', 'cm', 'a', '-o', 'name')).toBe('configmap/a\n');
  });

  test('only the kinds allowed, and not after a failure', async () => {
    await cli.apply(set('x', 'y'));
    const only = ['--prune', '--all', '--prune-allowlist=core/v1/Secret'];
    expect(await cli.ok('apply', '-f', cli.file('x.json', set('x')), ...only)).toBe('configmap/x unchanged\n');
    const broken = `${set('x')}\n---\n{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"UPPER","namespace":"p"}}`;
    const { code, stdout } = await cli.run(['apply', '-f', '-', '--prune', '--all'], { stdin: broken });
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'configmap/x unchanged\n' });
    expect(await cli.ok('get', 'cm', 'y', '-n', 'p', '-o', 'name')).toBe('configmap/y\n');
  });
});

const refused: readonly [readonly string[], string][] = [
  [['--force-conflicts'], '--force-conflicts only works with --server-side'],
  [
    ['--server-side', '--dry-run=client'],
    "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)",
  ],
  [['--prune', '--all', '-l', 'a=b'], 'cannot set --all and --selector at the same time'],
  [
    ['--prune', '--server-side', '--all'],
    '--prune finds what plain apply has marked; it does not work with --server-side',
  ],
  [['--prune-allowlist=core/v1/Pod'], '--all and --prune-allowlist only work with --prune'],
  [['-k', 'x'], '-f, --filename and -k, --kustomize cannot be given together'],
  [['-l', 'app=none'], 'no objects passed to apply: none has labels that match app=none'],
  [
    ['--prune', '--all', '--prune-allowlist=Pod'],
    'invalid --prune-allowlist "Pod": write group/version/Kind, such as core/v1/ConfigMap',
  ],
  [['--overwrite=maybe'], '--overwrite must be true or false, not "maybe"'],
];
test.each(refused)('refused: apply %j', async (args, message) => {
  const { code, stderr } = await cli.run(['apply', '-f', '-', ...args], { stdin: configMap('refused') });
  expect({ code, stderr }).toEqual({ code: 1, stderr: `error: ${message}\n` });
});

test('a kustomization among the files is told to be one', async () => {
  const file = cli.file('kustomization.yaml', 'resources: []\n');
  expect((await cli.run(['apply', '-f', file])).stderr).toMatch(
    /^error: DIR\/kustomization\.yaml:1:1: this is a kustomization, no object: give its folder with -k\n/,
  );
  const stdin = 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n';
  expect((await cli.run(['apply', '-f', '-'], { stdin })).stderr).toContain('this is a kustomization, no object');
});

test('--overwrite=false keeps what others changed, and says where', async () => {
  const text = (value: string): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\ndata:\n  a: "1"\n  b: "${value}"\n`;
  await cli.apply(text('1'));
  await cli.ok('label', 'cm', 'kept', 'by=hand');
  const file = cli.file('kept.yaml', text('2'));
  expect(await cli.ok('apply', '-f', file, '--overwrite=false')).toBe('configmap/kept configured\n');
  const at = { namespace: 'default', name: 'kept' };
  await cli.system.patch(KINDS.ConfigMap, at, { type: 'merge', body: { data: { a: 'hand' } } });
  expect(await cli.run(['apply', '-f', file, '--overwrite=false'])).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'error: DIR/kept.yaml:5:6: it was changed to "hand" since the last apply, and --overwrite is false\n' +
      '    5 |   a: "1"\n      |      ^\n',
  });
  expect(await cli.ok('apply', '-f', file)).toBe('configmap/kept configured\n');
});

test('prune needs to be told how far', async () => {
  const { stderr } = await cli.run(['apply', '-f', '-', '--prune'], { stdin: configMap('refused') });
  expect(stderr).toMatch(/^error: all resources selected for prune without explicitly passing --all\./);
});
