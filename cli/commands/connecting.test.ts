import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';
import { writeConfig } from '../config/client-config.ts';

let cli: CliUnderTest;
let other: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
  other = await CliUnderTest.start();
});
afterAll(async () => {
  await cli.stop();
  await other.stop();
});

describe('a server that cannot be spoken to is told for what it is', () => {
  test('nobody listens', async () => {
    expect(await cli.run(['get', 'pods', '--server', '127.0.0.1:9'])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'The connection to the server 127.0.0.1:9 was refused - did you specify the right host or port?\n' +
        'Is Skiff running on this machine? Start it with: skiff up\n',
    });
  });

  test('no config at all', async () => {
    const { code, stderr } = await cli.run(['get', 'pods'], { env: { SKIFF_CONFIG: '/no/such/config' } });
    expect(code).toBe(1);
    expect(stderr).toContain('The connection to the server 127.0.0.1:7443 was refused');
    expect((await cli.run(['get', 'pods', '--config', '/no/such/config'])).stderr).toBe(
      'error: there is no config file /no/such/config\n',
    );
  });

  test('the server has a certificate of another cluster', async () => {
    const { code, stderr } = await cli.run(['get', 'pods', '--server', `127.0.0.1:${other.server.port}`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/is not one your config trusts/);
  });

  test('we have a certificate of another cluster', async () => {
    const { clientCertificate = '', clientKey = '' } = other.config.contexts.test ?? {};
    const mixed = cli.file(
      'mixed',
      JSON.stringify({
        ...cli.config,
        contexts: { test: { ...cli.config.contexts.test, clientCertificate, clientKey } },
      }),
    );
    const { code, stderr } = await cli.run(['get', 'pods', '--config', mixed]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/does not accept your client certificate/);
  });

  test('something else listens', async () => {
    const server = createServer((socket) => socket.end('SSH-2.0-hello\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { code, stderr } = await cli.run(['get', 'pods', '--server', `127.0.0.1:${port}`]);
    server.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/does not speak Skiff's API/);
  });

  test('the next endpoint of the list is used', async () => {
    const endpoints = ['127.0.0.1:9', ...(cli.config.contexts.test?.endpoints ?? [])];
    const file = cli.file(
      'two',
      JSON.stringify({ ...cli.config, contexts: { test: { ...cli.config.contexts.test, endpoints } } }),
    );
    expect((await cli.run(['get', 'ns', 'default', '-o', 'name', '--config', file])).stdout).toBe(
      'namespace/default\n',
    );
  });
});

describe('config', () => {
  function twoContexts(): string {
    const path = `${cli.dir}/contexts`;
    const contexts = {
      home: cli.config.contexts.test,
      away: { ...cli.config.contexts.test, endpoints: ['a:1', 'b:2'] },
    };
    writeConfig(path, { ...cli.config, currentContext: 'home', contexts } as typeof cli.config);
    return path;
  }

  test('contexts are listed, chosen, changed, renamed and forgotten', async () => {
    const flag = ['--config', twoContexts()];
    const port = cli.server.port;
    expect(await cli.ok('config', 'get-contexts', ...flag)).toBe(
      `CURRENT   NAME   SERVERS           NAMESPACE\n          away   a:1,b:2\n*         home   127.0.0.1:${port}\n`,
    );
    expect(await cli.ok('config', 'current-context', ...flag)).toBe('home\n');
    expect(await cli.ok('config', 'set-context', '--current', '--namespace=kube-system', ...flag)).toBe(
      'Context "home" modified.\n',
    );
    expect((await cli.run(['get', 'pods', ...flag])).stderr).toBe('No resources found in kube-system namespace.\n');
    expect(await cli.ok('config', 'use-context', 'away', ...flag)).toBe('Switched to context "away".\n');
    expect(await cli.ok('config', 'rename-context', 'away', 'far', ...flag)).toBe('Context "away" renamed to "far".\n');
    expect(await cli.ok('config', 'current-context', ...flag)).toBe('far\n');
    expect(await cli.ok('config', 'delete-context', 'far', ...flag)).toBe('deleted context far from DIR/contexts\n');
    expect((await cli.run(['config', 'use-context', 'far', ...flag])).stderr).toBe(
      'error: no context exists with the name: "far" (the config has home)\n',
    );
    expect(statSync(flag[1] ?? '').mode & 0o777).toBe(0o600);
  });

  test('view hides the key', async () => {
    const text = await cli.ok('config', 'view');
    expect(text).toContain('clientKey: REDACTED\n');
    expect(text).not.toContain('PRIVATE KEY');
    expect(await cli.ok('config', 'view', '--raw')).toContain('PRIVATE KEY');
  });

  const broken: readonly [string, string, RegExp][] = [
    ['no JSON', '{', /^error: Cannot use the config DIR\/broken: .*JSON/],
    ['another kind', '{"kind":"Config","apiVersion":"v1"}', /it is not a Skiff config/],
    [
      'a bad context',
      '{"kind":"Config","apiVersion":"skiff/v1","currentContext":"a","contexts":{"a":{"endpoints":"x"}}}',
      /context a: endpoints must be a list/,
    ],
  ];
  test.each(broken)('refused: %s', async (_, text, message) => {
    writeFileSync(`${cli.dir}/broken`, text);
    const { code, stderr } = await cli.run(['get', 'pods', '--config', `${cli.dir}/broken`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(readFileSync(`${cli.dir}/broken`, 'utf8')).toBe(text);
  });
});

describe('help', () => {
  test('without a verb: all verbs, by group', async () => {
    const text = await cli.ok();
    expect(text).toContain('skiff runs Kubernetes manifests on small clusters.');
    for (const verb of ['apply', 'get', 'rollout', 'drain', 'exec', 'up'])
      expect(text).toMatch(new RegExp(`^  ${verb} +\\w`, 'm'));
    expect(await cli.ok('--help')).toBe(text);
  });

  test('every verb has a summary and an example', async () => {
    const { VERBS } = await import('../verbs.ts');
    for (const verb of Object.keys(VERBS)) {
      const text = await cli.ok(verb, '--help');
      expect(text, verb).toMatch(new RegExp(`^Usage: skiff ${verb}`));
      expect(text, verb).toContain(VERBS[verb]?.summary.slice(0, 20));
      expect(text, verb).toContain('Examples:\n  # ');
    }
    expect(await cli.ok('help', 'get')).toBe(await cli.ok('get', '--help'));
  });
});
