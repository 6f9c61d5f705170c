import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';
import type { CliResult } from '../../test/harness/run-skiff.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

async function pods(...names: string[]): Promise<void> {
  for (const name of names) {
    await cli.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { set: name.replace(/-.*/, '') } },
      spec: { containers: [{ name: 'c', image: 'busybox' }] },
    });
  }
}

const setReady = (name: string, status = 'True'): Promise<void> =>
  cli.patchStatus('pods', name, { phase: 'Running', conditions: [{ type: 'Ready', status }] });

/** Starts waiting; the watch is known to be open when the first object that is already so has been told. */
function waiting(args: readonly string[]): { result: Promise<CliResult>; told: (text: string) => Promise<void> } {
  let shown = '';
  const listeners: (() => void)[] = [];
  const result = cli.run(['wait', ...args], {
    onOutput: (all) => {
      shown = all;
      for (const listener of listeners) listener();
    },
  });
  const told = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (shown.includes(text)) resolve();
      };
      listeners.push(look);
      look();
    });
  return { result, told };
}

test('conditions, of those that are so and of those that become so', async () => {
  await pods('a-1', 'a-2');
  await setReady('a-1');
  const { result, told } = waiting(['--for=condition=Ready', 'pod', '-l', 'set=a', '--timeout=20s']);
  await told('pod/a-1 condition met\n');
  await setReady('a-2', 'False');
  await setReady('a-2');
  expect(await result).toEqual({ code: 0, stdout: 'pod/a-1 condition met\npod/a-2 condition met\n', stderr: '' });
});

test('a value at a path; several objects by name share a watch', async () => {
  await pods('b-1', 'b-2', 'b-3');
  await setReady('b-1');
  const { result, told } = waiting(['--for=jsonpath={.status.phase}=Running', 'pod/b-1', 'pod/b-2']);
  await told('b-1');
  await setReady('b-3');
  await setReady('b-2');
  expect((await result).stdout).toBe('pod/b-1 condition met\npod/b-2 condition met\n');
});

test('what is not so in time is told by name', async () => {
  await pods('c-1', 'c-2');
  await setReady('c-1');
  expect(await cli.run(['wait', '--for=condition=Ready', 'pod/c-1', 'pod/c-2', '--timeout=100ms'])).toEqual({
    code: 1,
    stdout: 'pod/c-1 condition met\n',
    stderr: 'error: timed out waiting for the condition on pods/c-2\n',
  });
  expect(await cli.run(['wait', '--for=condition=Ready', 'pod/c-2', '--timeout=0'])).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: condition not met for pods/c-2\n',
  });
});

describe('deletion', () => {
  test('of what is there; what is not there is gone already', async () => {
    await pods('d-1', 'd-2');
    const { result } = waiting(['--for=delete', 'pod/d-1', 'pod/d-2', 'pod/d-3', '--timeout=20s']);
    await cli.ok('delete', 'pods', 'd-1', 'd-2', '--force', '--grace-period=0');
    const { code, stdout, stderr } = await result;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    // What went before the wait looked is not told of.
    expect(stdout).toMatch(/^(?:pod\/d-[12] condition met\n){0,2}$/);
    expect(await cli.run(['wait', '--for=delete', 'pod/nope'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await cli.run(['wait', '--for=delete', 'pods', '-l', 'x=y'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('is not done while something holds the object', async () => {
    await cli.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'h', finalizers: ['example.com/hold'] } });
    await cli.ok('delete', 'cm', 'h', '--wait=false');
    expect(await cli.run(['wait', '--for=delete', 'cm/h', '--timeout=50ms'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: timed out waiting for the condition on configmaps/h\n',
    });
  });
});

describe('creation', () => {
  test('of a name', async () => {
    await cli.ok('create', 'cm', 'first');
    const { result, told } = waiting(['--for=create', 'cm/first', 'cm/later', '--timeout=20s']);
    await told('configmap/first condition met\n');
    await cli.ok('create', 'cm', 'later');
    expect((await result).stdout).toBe('configmap/first condition met\nconfigmap/later condition met\n');
  });

  test('of anything with a label', async () => {
    const { result } = waiting(['--for=create', 'cm', '-l', 'born=now', '--timeout=20s']);
    await cli.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'n', labels: { born: 'now' } } });
    expect(await result).toEqual({ code: 0, stdout: 'configmap/n condition met\n', stderr: '' });
  });
});

test('objects without a namespace', async () => {
  expect(await cli.ok('wait', 'ns/default', '--for=jsonpath={.status.phase}=Active')).toBe(
    'namespace/default condition met\n',
  );
  expect((await cli.run(['wait', 'ns/none', '--for=jsonpath={.status.phase}=Active'])).stderr).toBe(
    'Error from server (NotFound): namespaces "none" not found\n',
  );
});

test('objects as they are then, by name or whole', async () => {
  await pods('o-1');
  await setReady('o-1');
  const args = ['wait', '--for=condition=Ready', 'pod/o-1'];
  expect(await cli.ok(...args, '-o', 'name')).toBe('pod/o-1\n');
  expect(await cli.ok(...args, '-o', 'jsonpath={.status.phase}')).toBe('Running');
});

test('objects of a file, and of a deployment its full name', async () => {
  await cli.ok('create', 'deployment', 'web', '--image=nginx:1');
  const file = cli.file('web.json', await cli.ok('get', 'deploy', 'web', '-o', 'json'));
  expect(await cli.ok('wait', '-f', file, '--for=jsonpath={.spec.replicas}=1')).toBe(
    'deployment.apps/web condition met\n',
  );
  expect((await cli.run(['wait', '-f', file, '--for=condition=Available', '--timeout=0'])).stderr).toBe(
    'error: condition not met for deployments.apps/web\n',
  );
});

describe('refused', () => {
  const rows: readonly [readonly string[], string][] = [
    [
      ['pod/x'],
      'error: unrecognized condition: ""\nWait for condition=NAME[=VALUE], jsonpath=\'{PATH}\'[=VALUE], create or delete.\n',
    ],
    [['pods', '--for=delete'], 'error: resource(s) were provided, but no name was specified\n'],
    [['pod/nope', '--for=condition=Ready'], 'Error from server (NotFound): pods "nope" not found\n'],
    [['pods', '-l', 'x=y', '--for=condition=Ready'], 'error: no matching resources found\n'],
    [
      ['pod/x', '--for=delete', '--timeout=soon'],
      'error: invalid duration "soon" for --timeout: write it like 30s, 5m or 1h30m\n',
    ],
  ];
  test.each(rows)('%j', async (args, stderr) => {
    expect(await cli.run(['wait', ...args])).toEqual({ code: 1, stdout: '', stderr });
  });
});
