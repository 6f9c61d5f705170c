import { afterAll, beforeAll, expect, test } from 'vitest';
import { CliUnderTest, masked } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

/** Without the folders' and the files' times and places. */
function shown(text: string): string {
  return masked(text)
    .replaceAll(/\/\S*\/skiff-diff-\w+\//g, '')
    .replace(/^((?:---|\+\+\+) \S+)\t.*$/gm, '$1');
}

const configMap = (name: string, data: object, app = 'web'): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { app } }, data });

test('no difference is nothing printed and 0; a change is printed and 1', async () => {
  await cli.apply(configMap('c', { a: '1', b: '2' }));
  expect(await cli.ok('diff', '-f', cli.file('same.json', configMap('c', { a: '1', b: '2' })))).toBe('');
  const { code, stdout, stderr } = await cli.run([
    'diff',
    '-f',
    cli.file('c.json', configMap('c', { a: '1', b: '3' })),
  ]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  expect(shown(stdout)).toBe(
    [
      'diff -u -N LIVE/v1.ConfigMap.default.c MERGED/v1.ConfigMap.default.c',
      '--- LIVE/v1.ConfigMap.default.c',
      '+++ MERGED/v1.ConfigMap.default.c',
      '@@ -1,7 +1,7 @@',
      ' apiVersion: v1',
      ' data:',
      '   a: "1"',
      '-  b: "2"',
      '+  b: "3"',
      ' kind: ConfigMap',
      ' metadata:',
      '   creationTimestamp: "TIME"',
      '',
    ].join('\n'),
  );
  expect(await cli.ok('get', 'cm', 'c', '-o', 'jsonpath={.data.b}')).toBe('2');
});

test('the values of secrets are masked', async () => {
  const secret = (data: object): string =>
    JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: data });
  await cli.apply(secret({ same: 'hidden1', changed: 'hidden2' }));
  const { code, stdout } = await cli.run(['diff', '-f', '-'], {
    stdin: secret({ same: 'hidden1', changed: 'hidden3', added: 'hidden4' }),
  });
  expect(code).toBe(1);
  expect(stdout).toContain(
    " data:\n-  changed: '*** (before)'\n+  added: '***'\n+  changed: '*** (after)'\n   same: '***'\n",
  );
  for (const value of [
    'hidden',
    ...['hidden1', 'hidden2', 'hidden3'].map((text) => Buffer.from(text).toString('base64')),
  ]) {
    expect(stdout).not.toContain(value);
  }
});

test('new objects are all plus, with the namespace of the same files; pruned ones all minus', async () => {
  const set = [
    JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'new' } }),
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'n', namespace: 'new' } }),
  ].join('\n---\n');
  const made = await cli.run(['diff', '-f', '-'], { stdin: set });
  expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 1, stderr: '' });
  expect(made.stdout).toContain('+  name: "n"\n+  namespace: new\n');
  await cli.apply(configMap('keep', {}, 'shop'), configMap('gone', {}, 'shop'));
  const args = ['diff', '-f', '-', '--prune', '-l', 'app=shop', '--prune-allowlist=core/v1/ConfigMap'];
  const pruned = await cli.run(args, { stdin: configMap('keep', {}, 'shop') });
  expect(pruned.code).toBe(1);
  expect(pruned.stdout).toContain('-kind: ConfigMap\n');
  expect(pruned.stdout).toContain('-  name: gone\n');
  expect(pruned.stdout).not.toContain('name: keep');
});

test('another program shows them', async () => {
  const env = { KUBECTL_EXTERNAL_DIFF: 'diff -r -q' };
  const { code, stdout } = await cli.run(['diff', '-f', '-'], { stdin: configMap('c', { z: '' }), env });
  expect(code).toBe(1);
  expect(shown(stdout)).toBe('Files LIVE/v1.ConfigMap.default.c and MERGED/v1.ConfigMap.default.c differ\n');
  const none = await cli.run(['diff', '-f', '-'], {
    stdin: configMap('c', {}),
    env: { SKIFF_EXTERNAL_DIFF: 'no-such-program' },
  });
  expect(none).toMatchObject({ code: 2, stdout: '' });
  expect(none.stderr).toContain('or name another program in SKIFF_EXTERNAL_DIFF');
});

const failing: readonly [string, readonly string[], string, string][] = [
  [
    'nothing to compare',
    ['diff'],
    '',
    'error: must specify -f, --filename with a file, folder, address or -, or -k with a folder\n',
  ],
  [
    'a file that cannot be applied',
    ['diff', '-f', '-'],
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"dta":{}}',
    'error: STDIN:1:63: unknown field "dta" (did you mean "data"?)\n',
  ],
  [
    'a namespace nobody makes',
    ['diff', '-f', '-'],
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"nowhere"}}',
    'Error from server (NotFound): namespaces "nowhere" not found\n',
  ],
];
test.each(failing)('a failure is 2: %s', async (_, args, stdin, text) => {
  const { code, stdout, stderr } = await cli.run(args, { stdin });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.startsWith(text)).toBe(true);
});

test('folders with a kustomization are compared, applied and printed', async () => {
  cli.file('kustomization.yaml', 'namePrefix: k-\nconfigMapGenerator: [{name: made, literals: [a=b]}]\n');
  const printed = await cli.ok('kustomize', cli.dir);
  expect(printed).toBe('apiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\nmetadata:\n  name: k-made-4h2mbtbbt6\n');
  expect((await cli.run(['diff', '-k', cli.dir])).code).toBe(1);
  expect(await cli.ok('apply', '-k', cli.dir)).toBe('configmap/k-made-4h2mbtbbt6 created\n');
  expect(await cli.ok('diff', '-k', cli.dir)).toBe('');
});
