/** What people see and type at a terminal, and what programs get that read the same commands through a pipe. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, busyboxPod, sleepers, waitReady } from '../harness/objects.ts';
import { PodBoard } from '../harness/pods.ts';
import { TerminalSession, terminalUnavailable } from '../harness/terminal.ts';
import { waitFor } from '../harness/wait.ts';

vi.setConfig({ maxConcurrency: 6 });
const reason = clusterUnavailable() ?? terminalUnavailable();
const SIZE = { rows: 33, columns: 101 };
const ESC = '\u001b';

describe.skipIf(reason !== undefined).concurrent(`terminals${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let cluster: TestCluster;
  const sessions: TerminalSession[] = [];

  beforeAll(async () => {
    cluster = await TestCluster.start();
    await loadBusybox(cluster);
    await apply(cluster, busyboxPod('box', 'echo box is up; sleep 1000'));
    await new PodBoard(cluster).running('box');
  });
  afterAll(async () => {
    for (const session of sessions) session.kill();
    await cluster?.stop();
  });

  function open(script: string): TerminalSession {
    const session = new TerminalSession(cluster, script, SIZE);
    sessions.push(session);
    return session;
  }

  test('exec -it gives the command a terminal of the size of ours, and follows when ours changes', async () => {
    const shell = open('skiff exec -it box -- sh');
    await shell.until(/# /);
    await shell.ask('tty', /\/dev\/pts\/\d+/);
    await shell.ask('stty size', /\n33 101\r/);
    shell.resize(50, 132);
    await shell.ask('until [ "$(stty size)" = "50 132" ]; do sleep 0.1; done; stty size', /\n50 132\r/);
    shell.type('exit\r');
    expect(await shell.exitCode()).toBe(0);
  });

  test('Ctrl-C ends what runs in the container, not the session', async () => {
    const shell = open('skiff exec -it box -- sh');
    await shell.until(/# /);
    await shell.ask('echo begin$((1+1)); sleep 500; echo never', /begin2/);
    const from = shell.output.length;
    shell.type('\u0003');
    await shell.until(/\^C/, from);
    await shell.ask('echo code=$?', /code=130/);
    expect(shell.output.slice(from)).not.toMatch(/^never/m);
    shell.type('\u0004');
    expect(await shell.exitCode()).not.toBe(128);
  });

  test('Ctrl-C reaches a command without a shell, and its exit code comes back', async () => {
    const session = open('skiff exec -it box -- sh -c "trap \'exit 42\' INT; echo up; while :; do sleep 0.1; done"');
    await session.until(/up/);
    session.type('\u0003');
    expect(await session.exitCode()).toBe(42);
    expect(session.output).toContain('command terminated with exit code 42');
  });

  test('the exit code of the shell is that of exec, and our terminal is as it was', async () => {
    const session = open(
      'before=$(stty -g); skiff exec -it box -- sh; code=$?; [ "$before" = "$(stty -g)" ] && echo unchanged; exit $code',
    );
    await session.until(/# /);
    session.type('exit 9\r');
    expect(await session.exitCode()).toBe(9);
    expect(session.output).toContain('command terminated with exit code 9');
    expect(session.output).toContain('unchanged');
  });

  test('keys go through as they are: arrows, tabs, umlauts', async () => {
    const session = open(
      'skiff exec -it box -- sh -c "stty raw -echo; echo ready; dd bs=1 count=6 2>/dev/null | od -An -tx1"',
    );
    await session.until(/ready/);
    session.type('\u001b[A\tü');
    await session.until(/1b 5b 41 09 c3 bc/);
    expect(await session.exitCode()).toBe(0);
  });

  test('exec -t without a terminal says so and runs the command all the same', async () => {
    const result = await cluster.skiff(['exec', '-it', 'box', '--', 'sh', '-c', 'tty; cat'], { stdin: 'through' });
    expect(result.stderr).toContain('Unable to use a TTY - input is not a terminal or the right kind of file');
    expect(result.stdout).toBe('not a tty\nthrough');
  });

  test('get -w through a pipe: a plain line for each change, the header once', async () => {
    const stop = new AbortController();
    let printed = '';
    const watching = cluster.skiff(['get', 'pods', '-w'], {
      interrupt: stop.signal,
      onOutput: (text) => {
        printed += text;
      },
    });
    await waitFor('the watch to have begun', () => printed.includes('box'));
    await apply(cluster, busyboxPod('seen', 'sleep 1000'));
    await waitReady(cluster, 'test=seen', 1);
    await cluster.ok(['delete', 'pod', 'seen']);
    await waitFor('the last line', () => /^seen .*Terminating/m.test(printed));
    stop.abort();
    const { stdout, code } = await watching;
    expect(code).toBe(130);
    expect(stdout).not.toContain(ESC);
    const lines = stdout.split('\n').filter((line) => /^(NAME|seen)/.test(line));
    expect(lines.filter((line) => line.startsWith('NAME'))).toHaveLength(1);
    const states = lines.slice(1).map((line) => line.trim().split(/ +/)[2]);
    expect(states[0]).toBe('Pending');
    expect(states).toContain('Running');
    expect(states).toContain('Terminating');
    expect(lines.slice(1).every((line) => /^seen +[01]\/1 +\w+ +0 +\d+s$/.test(line))).toBe(true);
  });

  test('rollout status: redrawn in place on a terminal, plain lines through a pipe', async () => {
    await apply(cluster, sleepers('drawn', 3, { spec: { minReadySeconds: 2 } }));
    const drawn = open('skiff rollout status deployment/drawn --timeout=30s');
    const piped = await cluster.ok(['rollout', 'status', 'deployment/drawn', '--timeout=30s']);
    expect(await drawn.exitCode()).toBe(0);
    expect(drawn.output).toContain(`${ESC}[`);
    expect(drawn.output.trimEnd()).toMatch(/successfully rolled out/);
    expect(piped.stdout).not.toContain(ESC);
    expect(piped.stdout).toMatch(
      /^Waiting for deployment "drawn" rollout to finish: \d of 3 updated replicas are available\.\.\.$/m,
    );
    expect(piped.stdout).toMatch(/deployment "drawn" successfully rolled out\n$/);
  });

  test('Ctrl-C ends a watch and followed logs at once, quietly', async () => {
    for (const command of ['skiff get pods -w', 'skiff logs -f box']) {
      const session = open(command);
      await session.until(/box/);
      session.type('\u0003');
      expect(await session.exitCode()).toBe(130);
      expect(session.output).not.toMatch(/rror|at .*\.cjs/);
    }
  });
});
