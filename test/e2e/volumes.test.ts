/** What pods mount: where it comes from, who may read it, how it changes, and that nothing of it stays. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, busyboxPod } from '../harness/objects.ts';
import { PodBoard } from '../harness/pods.ts';
import { mountsUnder } from '../harness/traces.ts';
import { waitFor } from '../harness/wait.ts';

vi.setConfig({ maxConcurrency: 8 });
const reason = clusterUnavailable();
const image = 'busybox:1.36';
const OBJECTS = `
apiVersion: v1
kind: ConfigMap
metadata: {name: files}
data: {plain.txt: "hello\\n", run.sh: "echo ran\\n"}
binaryData: {bytes: AAECAw==}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: changing}
data: {value: old}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden}
stringData: {password: open-sesame}
`;

describe.skipIf(reason !== undefined).concurrent(`volumes${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let cluster: TestCluster;
  let board: PodBoard;

  beforeAll(async () => {
    cluster = await TestCluster.start({ upArgs: ['--agent-option=--resync=4s'] });
    board = new PodBoard(cluster);
    await loadBusybox(cluster);
    await apply(cluster, OBJECTS);
    mkdirSync(cluster.path('host'));
  });
  afterAll(() => cluster?.stop());

  /** A folder of the machine. */
  function hostDir(name: string): string {
    const path = cluster.path('host', name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  const mount = (mountPath: string, extra: object = {}): object => ({ name: 'v', mountPath, ...extra });

  /** Runs a pod with the volume `v` to its end and gives what it printed. */
  async function printed(
    name: string,
    script: string,
    volume: object,
    options: { mounts?: object[]; container?: object; spec?: object } = {},
  ): Promise<string> {
    await apply(
      cluster,
      busyboxPod(name, script, {
        container: { volumeMounts: options.mounts ?? [mount('/v')], ...options.container },
        spec: { restartPolicy: 'Never', volumes: [{ name: 'v', ...volume }], ...options.spec },
      }),
    );
    await board.finished(name);
    return (await cluster.ok(['logs', name])).stdout;
  }

  test('an emptyDir is there for every container and user of the pod, and goes with it', async () => {
    const side = {
      name: 'side',
      image,
      securityContext: { runAsUser: 1234 },
      command: [
        'sh',
        '-c',
        'until [ -f /in/from-main ]; do sleep 0.1; done; cat /in/from-main; stat -c %a /in; sleep 1000',
      ],
      volumeMounts: [{ name: 'v', mountPath: '/in' }],
    };
    const main = {
      name: 'main',
      image,
      command: ['sh', '-c', 'echo across > /out/from-main; sleep 1000'],
      volumeMounts: [{ name: 'v', mountPath: '/out' }],
    };
    const spec = { volumes: [{ name: 'v', emptyDir: {} }], containers: [main, side] };
    await apply(cluster, busyboxPod('together', '', { spec }));
    expect(await board.logs('together', /777/, ['-c', 'side'])).toBe('across\n777\n');
    const { uid } = (await board.pod('together')).metadata;
    const find = (): string => execFileSync('find', [cluster.run.dir, '-name', 'from-main'], { encoding: 'utf8' });
    expect(find()).toContain(uid);
    await cluster.ok(['delete', 'pod', 'together']);
    await waitFor('the data to go', () => find() === '');
  });

  test('an emptyDir outlives a crash of its container', async () => {
    const script = 'if [ -f /v/once ]; then sleep 1000; fi; touch /v/once; exit 1';
    const container = { volumeMounts: [mount('/v')] };
    await apply(
      cluster,
      busyboxPod('crashing', script, { container, spec: { volumes: [{ name: 'v', emptyDir: {} }] } }),
    );
    await board.restarted('crashing');
    expect((await board.running('crashing')).status.containerStatuses?.[0]?.restartCount).toBe(1);
  });

  test('an emptyDir in memory is a tmpfs of the size asked for', async () => {
    const script = 'grep " /v " /proc/mounts; stat -c %a /v; dd if=/dev/zero of=/v/x bs=1M count=8 2>&1';
    const out = await printed('memory', script, { emptyDir: { medium: 'Memory', sizeLimit: '4Mi' } });
    expect(out).toMatch(/^\S+ \/v tmpfs .*size=4096k/);
    expect(out).toMatch(/^1?777$/m);
    expect(out).toContain('No space left on device');
  });

  test('a hostPath is the folder of the machine, and read-only when asked for', async () => {
    const path = hostDir('plain');
    writeFileSync(`${path}/there`, 'from the machine\n');
    const mounts = [mount('/v'), mount('/ro', { readOnly: true })];
    const script = 'cat /v/there; echo back > /v/back; touch /ro/no 2>&1; ls /ro';
    const out = await printed('machine', script, { hostPath: { path } }, { mounts });
    expect(out).toMatch(/^from the machine\n.*Read-only file system\nback\nthere\n$/);
    expect(readFileSync(`${path}/back`, 'utf8')).toBe('back\n');
  });

  test('a hostPath is made where its type says so', async () => {
    const path = cluster.path('host/made/deep');
    expect(await printed('make-dir', 'stat -c "%F %a" /v', { hostPath: { path, type: 'DirectoryOrCreate' } })).toBe(
      'directory 755\n',
    );
    const file = `${hostDir('made-file')}/file`;
    const volume = { hostPath: { path: file, type: 'FileOrCreate' } };
    expect(await printed('make-file', 'stat -c %F /v; echo x > /v', volume)).toBe('regular empty file\n');
    expect(readFileSync(file, 'utf8')).toBe('x\n');
  });

  const wrong: readonly [string, RegExp][] = [
    ['Directory', /hostPath type check failed: .*absent is not a directory/],
    ['File', /hostPath type check failed: .*absent is not a file/],
    ['Socket', /hostPath type check failed: .*absent is not a socket file/],
  ];
  test.each(wrong)(
    'a hostPath that is no %s holds the pod back and says so, until it is there',
    async (type, message) => {
      const name = `no-${type.toLowerCase()}`;
      const path = `${hostDir(name)}/absent`;
      const spec = { volumes: [{ name: 'v', hostPath: { path, type } }] };
      await apply(cluster, busyboxPod(name, 'sleep 1000', { spec, container: { volumeMounts: [mount('/v')] } }));
      const event = await board.event(name, 'FailedMount', message);
      expect(event).toMatchObject({ type: 'Warning' });
      expect(event.message).toMatch(/^MountVolume\.SetUp failed for volume "v" : /);
      await board.waiting(name, 'ContainerCreating');
      if (type === 'Directory') {
        mkdirSync(path);
        await board.running(name);
      }
    },
  );

  test('a ConfigMap becomes files, with the modes asked for, bytes included', async () => {
    const script = 'cat /v/plain.txt; stat -Lc %a /v/plain.txt; od -An -tx1 /v/bytes; sh /v/run.sh; touch /v/x 2>&1';
    expect(await printed('map-all', script, { configMap: { name: 'files' } })).toMatch(
      /^hello\n644\n 00 01 02 03\nran\n.*Read-only file system\n$/,
    );
    const items = [
      { key: 'run.sh', path: 'bin/go', mode: 0o755 },
      { key: 'plain.txt', path: 'text' },
    ];
    const volume = { configMap: { name: 'files', defaultMode: 0o440, items } };
    const some =
      'cd /v; find . -follow -type f | grep -v "\\.\\." | sort; stat -Lc %a bin/go text; bin/go || sh bin/go';
    expect(await printed('map-some', some, volume)).toContain('./bin/go\n./text\n755\n440\n');
  });

  test('a ConfigMap that may be missing leaves an empty folder; one that may not holds the pod back', async () => {
    expect(await printed('map-none', 'ls /v | wc -l', { configMap: { name: 'none', optional: true } })).toBe('0\n');
    const spec = { volumes: [{ name: 'v', configMap: { name: 'none' } }] };
    await apply(cluster, busyboxPod('map-held', 'true', { spec, container: { volumeMounts: [mount('/v')] } }));
    const { message } = await board.event('map-held', 'FailedMount');
    expect(message).toBe('MountVolume.SetUp failed for volume "v" : configmap "none" not found');
  });

  test('a changed ConfigMap reaches the mounted file, whole; a subPath of it stays as it was', async () => {
    const script = 'while :; do sleep 1; done';
    const mounts = [mount('/v'), mount('/fixed', { subPath: 'value' })];
    const spec = { volumes: [{ name: 'v', configMap: { name: 'changing' } }] };
    await apply(cluster, busyboxPod('changed', script, { spec, container: { volumeMounts: mounts } }));
    await board.running('changed');
    expect(await board.inside('changed', 'cat', '/v/value', '/fixed')).toBe('oldold');
    await apply(cluster, 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: changing}\ndata: {value: new, more: x}\n');
    await waitFor(
      'the new content in the pod',
      async () => (await board.inside('changed', 'cat', '/v/value')) === 'new',
      { timeoutMs: 70_000, everyMs: 500 },
    );
    expect(await board.inside('changed', 'cat', '/v/more', '/fixed')).toBe('xold');
  });

  test('a Secret is readable by its owner only when told so, and by the fsGroup, and never on the disk of the agent', async () => {
    const script = 'stat -Lc "%a %g" /v/password; cat /v/password; echo; id -u; touch /v/x 2>&1';
    const volume = { secret: { secretName: 'hidden', defaultMode: 0o400 } };
    expect(await printed('secret-root', script, volume)).toMatch(/^400 0\nopen-sesame\n0\n.*Read-only file system\n$/);
    const securityContext = { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000 };
    await apply(
      cluster,
      busyboxPod('secret-group', `${script}; sleep 1000`, {
        container: { volumeMounts: [mount('/v')] },
        spec: { securityContext, volumes: [{ name: 'v', ...volume }] },
      }),
    );
    expect(await board.logs('secret-group', /Read-only/)).toMatch(/^440 2000\nopen-sesame\n1000\n/);
    // Beside etcd's own files, its text is only under /run, which is memory on a machine.
    const holders = (folder: string): string[] => {
      const { stdout } = spawnSync('grep', ['-rl', '--exclude-dir=etcd', 'open-sesame', folder], { encoding: 'utf8' });
      return stdout.split('\n').filter((path) => path !== '');
    };
    expect(holders(cluster.path('var/lib'))).toEqual([]);
    expect(holders(cluster.path('run')).length).toBeGreaterThan(0);
  });

  test('a projected volume gathers ConfigMaps, Secrets and facts of the pod', async () => {
    const sources = [
      { configMap: { name: 'files', items: [{ key: 'plain.txt', path: 'a/plain' }] } },
      { secret: { name: 'hidden', items: [{ key: 'password', path: 'b/password', mode: 0o400 }] } },
      { downwardAPI: { items: [{ path: 'c/name', fieldRef: { fieldPath: 'metadata.name' } }] } },
    ];
    const script = 'cat /v/a/plain /v/b/password; echo; cat /v/c/name; echo; stat -Lc %a /v/b/password';
    expect(await printed('projected', script, { projected: { sources } })).toBe('hello\nopen-sesame\nprojected\n400\n');
  });

  test('downwardAPI tells labels and resources, and follows a changed label', async () => {
    const downwardAPI = {
      items: [
        { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
        { path: 'memory', resourceFieldRef: { containerName: 'main', resource: 'limits.memory', divisor: '1Mi' } },
      ],
    };
    const container = { volumeMounts: [mount('/v')], resources: { limits: { memory: '64Mi' } } };
    const spec = { volumes: [{ name: 'v', downwardAPI }] };
    await apply(cluster, busyboxPod('downward', 'sleep 1000', { spec, container }));
    await board.running('downward');
    expect(await board.inside('downward', 'cat', '/v/labels', '/v/memory')).toMatch(/^test="downward"\n?64$/);
    await cluster.ok(['label', 'pod', 'downward', 'stage=two']);
    await waitFor('the label in the file', async () =>
      (await board.inside('downward', 'cat', '/v/labels')).includes('stage="two"'),
    );
  });

  test('subPath mounts one folder or file of a volume, and makes a folder that is not there', async () => {
    const path = hostDir('sub');
    mkdirSync(`${path}/one`);
    writeFileSync(`${path}/one/file`, 'inside one\n');
    const mounts = [
      mount('/dir', { subPath: 'one' }),
      mount('/etc/single.conf', { subPath: 'one/file' }),
      mount('/new', { subPathExpr: 'made/$(POD)' }),
    ];
    const container = { env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] };
    const script = 'cat /dir/file /etc/single.conf; ls -d /etc/hosts; touch /new/x';
    expect(await printed('sub-path', script, { hostPath: { path } }, { mounts, container })).toBe(
      'inside one\ninside one\n/etc/hosts\n',
    );
    expect(readdirSync(`${path}/made/sub-path`)).toEqual(['x']);
  });

  test.each(['etc', 'chain/deep', '..data/../../canary'])(
    'a subPath %s that leads out of its volume is refused, and what it points at stays untouched',
    async (subPath) => {
      const name = `escape-${subPath.replaceAll(/[^a-z]+/g, '-')}`;
      const canary = hostDir(`${name}-canary`);
      writeFileSync(`${canary}/alive`, 'yes');
      chmodSync(canary, 0o700);
      const path = hostDir(name);
      symlinkSync(canary, `${path}/etc`);
      symlinkSync(canary, `${path}/chain`);
      const spec = { restartPolicy: 'Never', volumes: [{ name: 'v', hostPath: { path } }] };
      const container = { volumeMounts: [mount('/v', { subPath })] };
      const made = await cluster.skiff(['apply', '-f', '-'], {
        stdin: busyboxPod(name, 'touch /v/touched; rm -f /v/alive', { spec, container }),
      });
      if (subPath.includes('..')) {
        expect(made.code).toBe(1);
        expect(made.stderr).toContain("must not contain '..'");
      } else {
        await board.waiting(name, 'CreateContainerConfigError');
      }
      expect(readdirSync(canary)).toEqual(['alive']);
    },
  );

  test('nothing stays mounted of a pod that is deleted', async () => {
    const volumes = [
      { name: 'v', emptyDir: { medium: 'Memory' } },
      { name: 's', secret: { secretName: 'hidden' } },
      { name: 'c', configMap: { name: 'files' } },
      { name: 'h', hostPath: { path: hostDir('left') } },
    ];
    const volumeMounts = [
      mount('/v'),
      mount('/v2', { subPath: 'x' }),
      ...['s', 'c', 'h'].map((name) => ({ name, mountPath: `/${name}` })),
      { name: 'c', mountPath: '/one', subPath: 'plain.txt' },
    ];
    await apply(cluster, busyboxPod('leaver', 'sleep 1000', { spec: { volumes }, container: { volumeMounts } }));
    await board.running('leaver');
    const { uid } = (await board.pod('leaver')).metadata;
    const ofPod = (): string[] => mountsUnder(cluster.run.dir).filter((path) => path.includes(uid));
    expect(ofPod().length).toBeGreaterThan(0);
    await cluster.ok(['delete', 'pod', 'leaver']);
    await waitFor('the mounts to go', () => ofPod().length === 0);
    const left = execFileSync('find', [cluster.run.dir, '-name', `*${uid}*`], { encoding: 'utf8' });
    expect(left.trim()).toBe('');
  });
});
