/** Verbs of the command line whose behaviour depends on the real server and its store: what is created, changed and waited for. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeConfig } from '../../cli/config/client-config.ts';
import { adminConfigFor, type CliResult, type CliRunOptions, runSkiff } from '../harness/run-skiff.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

describe.skipIf(apiUnavailable() !== undefined)('verbs on a real server', () => {
  let under: ServerUnderTest;

  beforeAll(async () => {
    under = await ServerUnderTest.start();
    writeConfig(join(under.root, 'config'), adminConfigFor(under.endpoint, under.server.pki));
  });
  afterAll(() => under?.stop());

  const skiff = (args: readonly string[], options: CliRunOptions = {}): Promise<CliResult> =>
    runSkiff(args, { ...options, env: { SKIFF_CONFIG: join(under.root, 'config') } });

  /** What the command printed; it must have worked. */
  async function ok(args: readonly string[], stdin?: string): Promise<string> {
    const result = await skiff(args, stdin === undefined ? {} : { stdin });
    if (result.code !== 0) throw new Error(`skiff ${args.join(' ')} ended with ${result.code}\n${result.stderr}`);
    return result.stdout;
  }

  const generated: readonly (readonly [string, readonly string[]])[] = [
    ['namespaces', ['namespace', 'gen-ns']],
    ['configmaps', ['configmap', 'gen', '--from-literal=a=1', '--append-hash']],
    ['secrets', ['secret', 'generic', 'gen', '--from-literal=a=1']],
    ['secrets', ['secret', 'docker-registry', 'gen-pull', '--docker-username=u', '--docker-password=p']],
    ['deployments', ['deployment', 'gen', '--image=nginx:1', '--port=80', '-r', '2', '--', 'serve']],
    ['jobs', ['job', 'gen', '--image=busybox', '--', 'date']],
    ['cronjobs', ['cronjob', 'gen', '--image=busybox', '--schedule=*/5 * * * *', '--restart=Never']],
    ['services', ['service', 'clusterip', 'gen-c', '--tcp=80:8080']],
    ['services', ['service', 'clusterip', 'gen-h', '--clusterip=None']],
    ['services', ['service', 'nodeport', 'gen-n', '--tcp=80', '--node-port=30080']],
    ['services', ['service', 'loadbalancer', 'gen-l', '--tcp=80:http']],
    ['services', ['service', 'externalname', 'gen-e', '--external-name=db.example.com']],
    [
      'ingresses',
      ['ingress', 'gen', '--rule=a.example/x*=svc:80,tls=cert', '--default-backend=rest:http', '--class=c'],
    ],
    ['serviceaccounts', ['serviceaccount', 'gen']],
    ['roles', ['role', 'gen', '--verb=get,list', '--resource=pods,deploy,pods/log']],
    ['clusterroles', ['clusterrole', 'gen', '--verb=get', '--resource=nodes', '--non-resource-url=/metrics']],
    ['clusterroles', ['clusterrole', 'gen-a', '--aggregation-rule=a=b']],
    ['rolebindings', ['rolebinding', 'gen', '--role=gen', '--user=u', '--group=g', '--serviceaccount=default:gen']],
    ['clusterrolebindings', ['clusterrolebinding', 'gen', '--clusterrole=gen', '--group=g']],
    ['resourcequotas', ['quota', 'gen', '--hard=cpu=4,pods=10']],
    ['priorityclasses', ['priorityclass', 'gen', '--value=10', '--description=d']],
    ['poddisruptionbudgets', ['poddisruptionbudget', 'gen', '--selector=a=b', '--min-available=50%']],
  ];
  test.each(generated)('what is printed for a manifest is what would be created: %s %j', async (plural, args) => {
    const served = await ok(['api-resources', '--no-headers', '-o', 'name']);
    // A kind that is not served yet has no server to accept its objects.
    if (!served.split('\n').some((line) => line === plural || line.startsWith(`${plural}.`))) return;
    const at = args.includes('--') ? args.indexOf('--') : args.length;
    const withOptions = (...options: string[]): string[] => [
      ...['create', ...args.slice(0, at)],
      ...options,
      ...args.slice(at),
    ];
    const manifest = await ok(withOptions('--dry-run=client', '-o', 'yaml'));
    const name = (await ok(withOptions('--dry-run=client', '-o', 'name'))).trim();
    await ok(['delete', name, '--ignore-not-found']);
    expect(await ok(['create', '-f', '-', '--dry-run=server', '-o', 'name'], manifest)).toBe(`${name}\n`);
    const direct = await ok(withOptions('--dry-run=server', '-o', 'json'));
    const fromManifest = await ok(['create', '-f', '-', '--dry-run=server', '-o', 'json'], manifest);
    const stable = (text: string): unknown => {
      const { metadata, ...rest } = JSON.parse(text) as { metadata: Record<string, unknown> };
      const { uid: _uid, creationTimestamp: _time, resourceVersion: _version, ...kept } = metadata;
      return { ...rest, metadata: kept };
    };
    // Addresses, ports and uids are given out anew by each dry run.
    const masked = (value: unknown): unknown =>
      JSON.parse(
        JSON.stringify(value)
          .replace(/"10\.43\.[\d.]+"/g, '"ADDRESS"')
          .replace(/"nodePort":\d+/g, '"nodePort":0')
          .replace(/"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"/g, '"UID"'),
      );
    expect(masked(stable(direct))).toEqual(masked(stable(fromManifest)));
    expect(await ok(withOptions())).toBe(`${name} created\n`);
    expect(await ok(['apply', '-f', '-', '-o', 'name'], manifest)).toBe(`${name}\n`);
    expect(await ok(['get', name, '-o', 'name'])).toBe(`${name}\n`);
  });

  test('a job made from a cron job is the cron job’s own', async () => {
    const served = await ok(['api-resources', '--no-headers', '-o', 'name']);
    if (!served.includes('cronjobs.batch')) return;
    await ok(['create', 'cronjob', 'from', '--image=busybox', '--schedule=0 3 * * *', '--', 'date']);
    expect(await ok(['create', 'job', 'now', '--from=cronjob/from'])).toBe('job.batch/now created\n');
    const paths =
      '{.metadata.ownerReferences[0].kind}/{.metadata.ownerReferences[0].name} {.spec.template.spec.containers[0].command}';
    expect(await ok(['get', 'job', 'now', '-o', `jsonpath=${paths}`])).toBe('CronJob/from ["date"]');
    expect((await skiff(['create', 'job', 'x', '--from=deploy/nope'])).stderr).toContain(
      'deployments.apps "nope" not found',
    );
  });

  test('a token of a service account: bare for scripts, the whole reply on demand', async () => {
    await ok(['create', 'serviceaccount', 'robot']);
    const token = await ok(['create', 'token', 'robot', '--duration=20m', '--audience=me']);
    expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as {
      aud: string[];
      sub: string;
      exp: number;
      iat: number;
    };
    expect(claims).toMatchObject({ aud: ['me'], sub: 'system:serviceaccount:default:robot' });
    expect(claims.exp - claims.iat).toBe(20 * 60);
    expect(await ok(['create', 'token', 'robot', '-o', 'jsonpath={.kind} {.spec.expirationSeconds}'])).toBe(
      'TokenRequest 3600',
    );
    expect(await skiff(['create', 'token', 'nobody'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: failed to create token: serviceaccounts "nobody" not found\n',
    });
    const bound = ['--bound-object-kind=Pod', '--bound-object-name=none'];
    expect((await skiff(['create', 'token', 'robot', ...bound])).stderr).toContain('pods "none" not found');
  });

  test('a wait goes on through a crash of the store', async () => {
    await ok(['create', 'configmap', 'first']);
    const waited = skiff(['wait', '--for=jsonpath={.data.done}=yes', 'cm/first', '--timeout=60s']);
    under.killEtcd();
    // The store comes back by itself; until then writes are refused with a reason that says to try again.
    let patched: CliResult;
    do patched = await skiff(['patch', 'cm', 'first', '-p', 'data: {done: "yes"}']);
    while (/ServiceUnavailable|Timeout/.test(patched.stderr));
    expect(patched).toEqual({ code: 0, stdout: 'configmap/first patched\n', stderr: '' });
    expect(await waited).toEqual({ code: 0, stdout: 'configmap/first condition met\n', stderr: '' });
  });

  test('a watched table shows labels of every change', async () => {
    const stop = new AbortController();
    await ok(['create', 'configmap', 'w']);
    const watched = skiff(['get', 'cm', 'w', '-w', '-L', 'tier', '--show-labels'], {
      signal: stop.signal,
      onOutput: (all) => {
        if (all.includes('tier=back')) stop.abort();
        else if (all.split('\n').length === 3) void ok(['label', 'cm', 'w', 'tier=back']);
      },
    });
    expect((await watched).stdout).toMatch(
      /^NAME +DATA +AGE +TIER +LABELS\nw +0 +\d+s +<none>\nw +0 +\d+s +back +tier=back\n$/,
    );
  });

  test('a copy from before another’s change is refused, a forced replacement is not', async () => {
    await ok(['create', 'configmap', 'copy', '--from-literal=k=1']);
    const file = join(under.root, 'copy.yaml');
    writeFileSync(file, await ok(['get', 'cm', 'copy', '-o', 'yaml']));
    await ok(['patch', 'cm', 'copy', '--type=merge', '-p', '{"data":{"k":"2"}}']);
    const late = await skiff(['replace', '-f', file]);
    expect(late.code).toBe(1);
    expect(late.stderr).toMatch(/^Error from server \(Conflict\)/);
    expect(await ok(['replace', '--force', '-f', file])).toBe('configmap "copy" deleted\nconfigmap/copy replaced\n');
    expect(await ok(['get', 'cm', 'copy', '-o', 'jsonpath={.data.k}'])).toBe('1');
  });

  test('who owns which field is shown only when asked for', async () => {
    const manifest = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'owned' },
      data: { k: '1' },
    });
    await ok(['apply', '--server-side', '--field-manager=me', '-f', '-'], manifest);
    expect(await ok(['get', 'cm', 'owned', '-o', 'yaml'])).not.toContain('managedFields');
    expect(await ok(['get', 'cm', '-o', 'json'])).not.toContain('managedFields');
    expect(await ok(['get', 'cm', 'owned', '-o', 'yaml', '--show-managed-fields'])).toMatch(
      /\n {2}managedFields:\n {2}- apiVersion: v1\n {4}fieldsType: FieldsV1\n[\s\S]*\n {4}manager: me\n {4}operation: Apply\n/,
    );
    // What people edit is the object without it, and it stays.
    await ok(['patch', 'cm', 'owned', '-p', 'data: {other: "2"}', '--field-manager=another']);
    const owners = await ok([
      'get',
      'cm',
      'owned',
      '-o',
      'jsonpath={.metadata.managedFields[*].manager}',
      '--show-managed-fields',
    ]);
    expect(owners.split(' ').sort()).toEqual(['another', 'me']);
    expect(await ok(['get', '--raw', '/api/v1/namespaces/default/configmaps/owned'])).toContain('"managedFields":[');
  });

  test('pages of a raw list are of one version', async () => {
    for (const name of ['p-1', 'p-2', 'p-3']) await ok(['create', 'configmap', name, '--save-config']);
    await ok(['label', 'cm', 'p-1', 'p-2', 'p-3', 'page=yes']);
    const path = '/api/v1/namespaces/default/configmaps?labelSelector=page&limit=2';
    interface Page {
      metadata: { resourceVersion: string; continue?: string };
      items: { metadata: { name: string } }[];
    }
    const first = JSON.parse(await ok(['get', '--raw', path])) as Page;
    await ok(['delete', 'cm', 'p-3']);
    const next = `${path}&continue=${encodeURIComponent(first.metadata.continue ?? '')}`;
    const second = JSON.parse(await ok(['get', '--raw', next])) as Page;
    expect([...first.items, ...second.items].map(({ metadata }) => metadata.name)).toEqual(['p-1', 'p-2', 'p-3']);
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });
});
