import { join } from 'node:path';
import { Metadata, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { agentv1, streamsv1 } from '../../proto/index.ts';
import { CliUnderTest, playImages } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;
const asked: streamsv1.LogsRequest[] = [];

const running = (names: readonly string[]): object => ({
  phase: 'Running',
  conditions: [{ type: 'Ready', status: 'True' }],
  containerStatuses: names.map((name) => ({
    name,
    image: 'busybox',
    imageID: 'x',
    ready: true,
    restartCount: 1,
    state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
    lastState: { terminated: { exitCode: 1, startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:00Z' } },
    containerID: `skiff://${name}`,
  })),
});

beforeAll(async () => {
  cli = await CliUnderTest.start();
  await cli.playAgent('n1', {
    logs: (request, call) => {
      asked.push(request);
      call.write({ data: Buffer.from(`one of ${request.pod}/${request.container}\ntw`) });
      call.write({ data: Buffer.from('o\n') });
      call.end();
    },
    exec: playExec,
  });
  const spec = (...names: string[]): object => ({
    nodeName: 'n1',
    containers: names.map((name) => ({ name, image: 'busybox' })),
  });
  await cli.apply(
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'single', labels: { app: 'x' } }, spec: spec('c') },
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'double', labels: { app: 'x' } }, spec: spec('a', 'b') },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        selector: { matchLabels: { app: 'x' } },
        template: { metadata: { labels: { app: 'x' } }, spec: { containers: [{ name: 'c', image: 'b' }] } },
      },
    },
  );
  await cli.patchStatus('pods', 'single', running(['c']));
  await cli.patchStatus('pods', 'double', running(['a', 'b']));
});
afterAll(() => cli.stop());

/** A container whose commands are: echo <words>, cat, fail <code>, both, absent. */
function playExec(call: Parameters<NonNullable<Parameters<CliUnderTest['playAgent']>[1]['exec']>>[0]): void {
  let command: readonly string[] = [];
  call.on('data', (request: streamsv1.ExecRequest) => {
    if (request.start !== undefined) {
      command = request.start.command ?? [];
      const [name, ...rest] = command;
      const end = (code: number): void => {
        call.write({ exit: { code } });
        call.end();
      };
      if (name === 'echo') {
        call.write({ stdout: Buffer.from(`${rest.join(' ')}\n`) });
        end(0);
      } else if (name === 'both') {
        call.write({ stdout: Buffer.from('out\n') });
        call.write({ stderr: Buffer.from('err\n') });
        end(0);
      } else if (name === 'fail') end(Number(rest[0]));
      else if (name === 'absent') {
        call.write({ exit: { code: 127, message: 'executable file `absent` not found' } });
        call.end();
      } else if (name === 'where') {
        call.write({
          stdout: Buffer.from(`${request.start.pod}/${request.start.container} tty=${request.start.tty === true}\n`),
        });
        end(0);
      } else if (name === 'refuse') {
        call.emit('error', {
          code: status.FAILED_PRECONDITION,
          details: 'container is not running',
          metadata: new Metadata(),
        });
      }
    }
    if (command[0] === 'cat') {
      if (request.stdin !== undefined && request.stdin.length > 0) call.write({ stdout: request.stdin });
      if (request.stdinClosed === true) {
        call.write({ exit: { code: 0 } });
        call.end();
      }
    }
  });
}

describe('logs', () => {
  test('of a pod, as they are', async () => {
    expect(await cli.ok('logs', 'single')).toBe('one of single/c\ntwo\n');
    expect(await cli.ok('logs', 'pod/single', '-c', 'c')).toBe('one of single/c\ntwo\n');
  });

  test('a choice among containers is told', async () => {
    expect(await cli.run(['logs', 'double'])).toEqual({
      code: 0,
      stdout: 'one of double/a\ntwo\n',
      stderr: 'Defaulted container "a" out of: a, b\n',
    });
    expect(await cli.ok('logs', 'double', 'b')).toBe('one of double/b\ntwo\n');
    expect((await cli.run(['logs', 'double', '-c', 'z'])).stderr).toBe(
      'error: container z is not valid for pod double (it has a, b)\n',
    );
  });

  test('of all containers and all pods, with their names before every line', async () => {
    expect(await cli.ok('logs', '-l', 'app=x', '--all-containers', '--prefix')).toBe(
      ['double/a', 'double/b', 'single/c'].map((one) => `[pod/${one}] one of ${one}\n[pod/${one}] two\n`).join(''),
    );
  });

  test('of one pod of a deployment', async () => {
    const result = await cli.run(['logs', 'deploy/web', '--tail=5']);
    expect(result.stderr).toMatch(/^Found 2 pods, using pod\/(single|double)\n/);
    expect(result.stdout).toMatch(/^one of /);
  });

  test('options reach the agent', async () => {
    await cli.ok('logs', 'single', '--tail=7', '--since=90s', '--timestamps', '-p', '--limit-bytes=100');
    expect(asked.at(-1)).toMatchObject({
      tailLines: 7,
      sinceSeconds: 90,
      timestamps: true,
      previous: true,
      limitBytes: 100,
    });
    await cli.ok('logs', 'single', '-f', '--since-time=2026-01-01T00:00:00Z');
    expect(asked.at(-1)).toMatchObject({ follow: true, sinceTime: '2026-01-01T00:00:00Z' });
    expect(asked.at(-1)?.tailLines).toBeUndefined();
  });

  const refused: readonly [readonly string[], string][] = [
    [['logs', 'nope'], 'Error from server (NotFound): pods "nope" not found\n'],
    [['logs', 'single', '--tail=x'], 'error: invalid --tail "x": write a whole number\n'],
    [['logs', 'single', '--since=5x'], 'error: invalid duration "5x" for --since: write it like 30s, 5m or 1h30m\n'],
    [['logs'], "error: expected 'logs [-f] POD [-c CONTAINER]': POD or TYPE/NAME is a required argument\n"],
    [
      ['logs', '-f', '-l', 'app=x', '--all-containers', '--max-log-requests=2'],
      'error: you are attempting to follow 3 log streams, but maximum allowed concurrency is 2, use --max-log-requests to increase the limit\n',
    ],
  ];
  test.each(refused)('refused: %j', async (args, stderr) => {
    expect(await cli.run(args)).toEqual({ code: 1, stdout: '', stderr });
  });
});

describe('exec', () => {
  test('both outputs stay apart', async () => {
    expect(await cli.run(['exec', 'single', '--', 'both'])).toEqual({ code: 0, stdout: 'out\n', stderr: 'err\n' });
  });

  test("the command's own options are left alone, its exit code is ours", async () => {
    expect(await cli.ok('exec', 'single', '--', 'echo', '-n', '--help', '-o=x')).toBe('-n --help -o=x\n');
    expect(await cli.run(['exec', 'single', '--', 'fail', '7'])).toEqual({
      code: 7,
      stdout: '',
      stderr: 'command terminated with exit code 7\n',
    });
    expect((await cli.run(['exec', '-q', 'single', '--', 'fail', '3'])).stderr).toBe('');
  });

  test('standard input goes through, all of it', async () => {
    const text = 'x'.repeat(300_000);
    const result = await cli.run(['exec', '-i', 'single', '--', 'cat'], { stdin: text });
    expect(result.stdout === text).toBe(true);
    expect(result.code).toBe(0);
  });

  test('in a chosen container, of any pod of a deployment', async () => {
    expect(await cli.ok('exec', 'double', '-c', 'b', '--', 'where')).toBe('double/b tty=false\n');
    expect((await cli.run(['exec', 'deploy/web', '--', 'where'])).stdout).toMatch(
      /^(single\/c|double\/a) tty=false\n$/,
    );
  });

  test('a terminal is only asked for where there is one', async () => {
    expect(await cli.run(['exec', '-it', 'single', '--', 'where'], { stdin: '' })).toEqual({
      code: 0,
      stdout: 'single/c tty=false\n',
      stderr: 'Unable to use a TTY - input is not a terminal or the right kind of file\n',
    });
  });

  test('what cannot be run says so', async () => {
    expect(await cli.run(['exec', 'single', '--', 'absent'])).toEqual({
      code: 127,
      stdout: '',
      stderr: 'error: executable file `absent` not found\n',
    });
    const refused = await cli.run(['exec', 'single', '--', 'refuse']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('container is not running');
    expect((await cli.run(['exec', 'single'])).stderr).toContain(
      'you must specify at least one command for the container',
    );
  });
});

describe('image', () => {
  test('load, ls, rm and pull speak to the agent on its socket', async () => {
    const socket = join(cli.dir, 'agent.sock');
    const received: string[] = [];
    const image: agentv1.Image = {
      id: `sha256:${'ab'.repeat(32)}`,
      references: ['docker.io/library/web:1', 'web:dev'],
      digests: [],
      sizeBytes: 4_270_000,
    };
    const server = await playImages(socket, {
      load: (call, callback) => {
        call.on('data', (piece: agentv1.LoadRequest) =>
          received.push(piece.references?.join() ?? piece.data?.toString() ?? ''),
        );
        call.on('end', () => callback(null, { images: [image] }));
      },
      list: (_, callback) =>
        callback(null, { images: [image, { id: 'sha256:cd', references: [], digests: [], sizeBytes: 12 }] }),
      remove: (call, callback) => {
        if (call.request.reference === 'used')
          callback({ code: status.FAILED_PRECONDITION, details: 'a container uses it' });
        else callback(null, { untagged: [call.request.reference ?? ''], deleted: ['sha256:ab'] });
      },
      pull: (call) => {
        call.write({ progress: 'layer 1 of 2' });
        call.write({ image });
        call.end();
      },
    });
    try {
      const archive = cli.file('web.tar', 'archive bytes');
      expect(await cli.ok('image', 'load', archive, '--name', 'web:dev', '--socket', socket)).toBe(
        'Loaded image: docker.io/library/web:1\nLoaded image: web:dev\n',
      );
      expect(received).toEqual(['web:dev', 'archive bytes']);
      expect(await cli.ok('image', 'ls', '--socket', socket)).toBe(
        'IMAGE                   TAG      IMAGE ID       SIZE\n' +
          '<none>                  <none>   cd             12B\n' +
          'docker.io/library/web   1        abababababab   4.27MB\n' +
          'web                     dev      abababababab   4.27MB\n',
      );
      expect(await cli.ok('image', 'ls', '-q', '--socket', socket)).toBe('abababababab\ncd\n');
      const removed = await cli.run(['image', 'rm', 'web:dev', 'used', '--socket', socket]);
      expect(removed.stdout).toBe('Untagged: web:dev\nDeleted: sha256:ab\n');
      expect(removed.stderr).toContain('a container uses it');
      const pulled = await cli.run(['image', 'pull', 'web:1', '--socket', socket]);
      expect(pulled).toEqual({
        code: 0,
        stdout: 'Pulled image: docker.io/library/web:1 (4.27MB)\n',
        stderr: 'layer 1 of 2\n',
      });
    } finally {
      server.forceShutdown();
    }
  });

  test('no agent, no archive', async () => {
    const socket = join(cli.dir, 'none.sock');
    expect(await cli.run(['image', 'ls', '--socket', socket])).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: no agent answers on DIR/none.sock (connect ENOENT DIR/none.sock)\nIs Skiff running on this machine? Start it with: skiff up\n`,
    });
  });
});
