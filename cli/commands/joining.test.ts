import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { caPin } from '../../lib/pki.ts';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
  await cli.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } });
});
afterAll(() => cli.stop());

describe('token', () => {
  test('create prints the whole line, ls never the secret, rm takes the token away', async () => {
    const line = await cli.ok('token', 'create', '--address', 'pi.home', '--description', 'the attic');
    const pin = caPin(cli.server.pki.ca);
    const [, id = '', secret = ''] =
      /^skiff join pi\.home:7444 --token ([a-z0-9]{6})\.([a-z0-9]{16}) --ca-pin (\S+)\n$/.exec(line) ?? [];
    expect(line.trim().endsWith(` --ca-pin ${pin}`)).toBe(true);
    const list = await cli.ok('token', 'ls');
    expect(list.split('\n').map((row) => row.trimEnd().split(/ {2,}/))).toEqual([
      ['ID', 'EXPIRES IN', 'USAGES', 'DESCRIPTION'],
      [id, expect.stringMatching(/^(24|23)h$/), 'authentication', 'the attic'],
      [''],
    ]);
    expect(list).not.toContain(secret);
    expect(await cli.ok('token', 'rm', id)).toBe(`token/${id} removed\n`);
    expect((await cli.run(['token', 'rm', id])).stderr).toContain('not found');
    expect((await cli.run(['token', 'ls'])).stderr).toBe('There are no tokens. Make one with: skiff token create\n');
  });

  test('create alone prints the token, which may last for ever', async () => {
    const text = await cli.ok('token', 'create', '--ttl=0', '--no-print-join-command');
    expect(text).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}\n$/);
    expect(await cli.ok('token', 'ls')).toMatch(new RegExp(`${text.slice(0, 6)} +never `));
    await cli.ok('token', 'rm', text.trim());
  });

  test('an address that is none is refused before anything is made', async () => {
    expect((await cli.run(['token', 'create', '--address', 'a b'])).stderr).toBe(
      'error: invalid --address "a b": write host or host:port\n',
    );
    expect((await cli.run(['token', 'ls'])).stdout).toBe('');
  });
});

describe('node', () => {
  const readiness = (status: string, message: string): object => ({
    conditions: [{ type: 'Ready', status, reason: 'Test', message }],
  });

  test('ls is get nodes; fence refuses a Ready node and states that another is off', async () => {
    await cli.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'f1' } });
    await cli.patchStatus('nodes', 'f1', readiness('True', 'fine'));
    expect(await cli.ok('node', 'ls', '-o', 'name')).toBe(await cli.ok('get', 'nodes', '-o', 'name'));
    const refused = await cli.run(['node', 'fence', 'f1']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('error: node "f1" is Ready: its machine is on and its pods run\n');
    await cli.patchStatus('nodes', 'f1', readiness('Unknown', 'silent'));
    expect(await cli.ok('node', 'fence', 'f1')).toContain('node/f1 fenced\n');
    expect(await cli.ok('get', 'node', 'f1', '-o', 'jsonpath={.spec.taints[*].key}={.spec.taints[*].value}')).toContain(
      'node.kubernetes.io/out-of-service=nodeshutdown',
    );
    expect(await cli.ok('node', 'fence', 'f1')).toContain('node/f1 already fenced\n');
    await cli.ok('delete', 'node', 'f1');
  });

  test('rm drains and removes a node; one that does not answer only with --force', async () => {
    await cli.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'r1' } });
    await cli.patchStatus('nodes', 'r1', readiness('True', 'fine'));
    expect(await cli.ok('node', 'rm', 'r1')).toBe(
      'node/r1 cordoned\nnode "r1" removed\nNow, on its machine: skiff leave. Its agent keeps quiet, but would register it again when it is started anew.\n',
    );
    await cli.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'r2' } });
    await cli.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'stranded' },
      spec: { nodeName: 'r2', containers: [{ name: 'c', image: 'busybox' }] },
    });
    await cli.patchStatus('nodes', 'r2', readiness('Unknown', 'silent since noon'));
    const refused = await cli.run(['node', 'rm', 'r2']);
    expect(refused.stderr).toContain(
      'error: node "r2" does not answer, so its pods cannot be stopped in order: silent since noon\n',
    );
    const { code, stdout, stderr } = await cli.run(['node', 'rm', 'r2', '--force']);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'Warning: node "r2" does not answer: it is not drained, its pods are given up\n',
    });
    expect(stdout).toContain('node "r2" removed\n');
    expect((await cli.run(['get', 'node', 'r2'])).stderr).toContain('not found');
    await cli.ok('delete', 'pod', 'stranded', '--force', '--grace-period=0').catch(() => {});
    await cli.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'r3' } });
    await cli.patchStatus('nodes', 'r3', readiness('False', 'it has left'));
    expect(await cli.ok('node', 'rm', 'r3')).toContain('node "r3" removed\nShould its machine come back');
  });
});
