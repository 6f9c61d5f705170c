import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

const configMap = (name: string, data: object, metadata: object = {}): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data });

async function uidOf(name: string): Promise<string> {
  return cli.ok('get', 'cm', name, '-o', 'jsonpath={.metadata.uid}');
}

test('the whole object is what the file says, and it must be there', async () => {
  const file = cli.file('a.json', configMap('a', { x: '1', y: '2' }));
  expect(await cli.run(['replace', '-f', file])).toEqual({
    code: 1,
    stdout: '',
    stderr: 'Error from server (NotFound): configmaps "a" not found\n',
  });
  await cli.ok('create', '-f', file);
  const uid = await uidOf('a');
  const next = cli.file('a2.json', configMap('a', { x: '3' }));
  expect(await cli.ok('replace', '-f', next)).toBe('configmap/a replaced\n');
  expect(await cli.ok('get', 'cm', 'a', '-o', 'jsonpath={.data}')).toBe('{"x":"3"}');
  expect(await uidOf('a')).toBe(uid);
});

test('a copy that is out of date is a conflict', async () => {
  await cli.ok('create', 'cm', 'old', '--from-literal=k=1');
  const copy = cli.file('old.yaml', await cli.ok('get', 'cm', 'old', '-o', 'yaml'));
  await cli.ok('annotate', 'cm', 'old', 'by=another');
  const { code, stderr } = await cli.run(['replace', '-f', copy]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^Error from server \(Conflict\): .*the object has been modified/);
});

test('dry runs, names and objects', async () => {
  await cli.ok('create', 'cm', 'dry', '--from-literal=k=1');
  const file = cli.file('dry.json', configMap('dry', { k: '2' }));
  expect(await cli.ok('replace', '-f', file, '--dry-run=client')).toBe('configmap/dry replaced (dry run)\n');
  expect(await cli.ok('replace', '-f', file, '--dry-run=server')).toBe('configmap/dry replaced (server dry run)\n');
  expect(await cli.ok('get', 'cm', 'dry', '-o', 'jsonpath={.data.k}')).toBe('1');
  expect(await cli.ok('replace', '-f', file, '-o', 'name')).toBe('configmap/dry\n');
  expect(await cli.ok('replace', '-f', file, '-o', 'jsonpath={.data.k}')).toBe('2');
});

test('subresources: the scale and the status', async () => {
  await cli.ok('create', 'deployment', 'web', '--image=nginx:1');
  const scale = JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { replicas: 4, selector: { matchLabels: { app: 'web' } }, template: {} },
    status: { replicas: 3 },
  });
  const file = cli.file('status.json', scale);
  expect(await cli.ok('replace', '-f', file, '--subresource=status')).toBe('deployment.apps/web replaced\n');
  expect(await cli.ok('get', 'deploy', 'web', '-o', 'jsonpath={.status.replicas} {.spec.replicas}')).toBe('3 1');
});

describe('--force', () => {
  test('deletes, waits and creates anew, also what was not there', async () => {
    await cli.ok('create', 'cm', 'f', '--from-literal=k=1');
    const uid = await uidOf('f');
    // A copy of the live object carries its version and uid, which the new one cannot have.
    const live = JSON.parse(await cli.ok('get', 'cm', 'f', '-o', 'json')) as object;
    const file = cli.file('f.yaml', `${JSON.stringify(live)}\n---\n${configMap('g', {})}`);
    expect(await cli.ok('replace', '--force', '-f', file)).toBe(
      'configmap "f" deleted\nconfigmap/f replaced\nconfigmap/g replaced\n',
    );
    expect(await uidOf('f')).not.toBe(uid);
  });

  test('gives up when what holds the object does not let go', async () => {
    const held = configMap('held', {}, { finalizers: ['example.com/hold'] });
    await cli.apply(held);
    const file = cli.file('held.json', held);
    expect(await cli.run(['replace', '--force', '-f', file, '--timeout=100ms'])).toEqual({
      code: 1,
      stdout: 'configmap "held" deleted\n',
      stderr: 'error: timed out waiting for the objects to go; they are still being deleted\n',
    });
  });
});

describe('refused', () => {
  const rows: readonly [readonly string[], RegExp][] = [
    [[], /^error: must specify -f, --filename /],
    [['-f', '-', '--grace-period=5'], /^error: --grace-period must have --force specified\n$/],
    [['-f', '-', '--timeout=5s'], /^error: --timeout must have --force specified\n$/],
    [['-f', '-', '--cascade=orphan'], /^error: --cascade must have --force specified\n$/],
    [['-f', '-', '--force', '--dry-run=server'], /^error: --dry-run cannot be used with --force: /],
    [['-f', '-', '--subresource=log'], /^error: invalid subresource value: "log"\. Must be one of \[status scale\]\n$/],
  ];
  test.each(rows)('%j', async (args, stderr) => {
    const result = await cli.run(['replace', ...args], { stdin: configMap('x', {}) });
    expect(result).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(stderr) as string });
  });

  test('an unknown field is shown in its file', async () => {
    await cli.ok('create', 'cm', 'bad');
    const file = cli.file('bad.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndatta: {}\n');
    expect((await cli.run(['replace', '-f', file])).stderr).toMatch(/^error: DIR\/bad.yaml:4:1: unknown field "datta"/);
  });
});
