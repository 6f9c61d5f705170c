import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MemoryRuntime } from '../../node-agent/runtime/memory-runtime.ts';
import type {
  ContainerConfig,
  ContainerExit,
  ContainerFacts,
  Runtime,
  Sandbox,
  SandboxConfig,
} from '../../node-agent/runtime/runtime.ts';
import { eventually, RuntimeHost, whyNoContainers } from '../integration/runtime-host.ts';

/** What the suite needs of an implementation. */
interface Subject {
  readonly runtime: Runtime;
  sandboxConfig(changes?: Partial<SandboxConfig>): SandboxConfig;
  containerConfig(sandbox: Sandbox, argv: readonly string[], changes?: Partial<ContainerConfig>): ContainerConfig;
  close(): Promise<readonly string[]>;
}

function memorySubject(): Subject {
  const runtime = new MemoryRuntime();
  let next = 0;
  return {
    runtime,
    sandboxConfig: (changes = {}) => {
      next += 1;
      return {
        podUid: `pod-${next}`,
        podName: `pod-${next}`,
        podNamespace: 'default',
        hostname: `pod-${next}`,
        namespaces: { hostNetwork: false, hostPID: false, hostIPC: false, shareProcessNamespace: false },
        cgroupPath: `skiff/burstable/pod${next}`,
        ...changes,
      };
    },
    containerConfig: (sandbox, argv, changes = {}) => {
      next += 1;
      return {
        id: `c-${next}`,
        podUid: sandbox.podUid,
        podName: sandbox.podName,
        podNamespace: sandbox.podNamespace,
        name: 'main',
        attempt: 0,
        rootfsPath: '/nowhere',
        argv,
        env: [],
        uid: 0,
        gid: 0,
        cgroupPath: `${sandbox.cgroupPath}/c-${next}`,
        logPath: '/nowhere/0.log',
        ...changes,
      };
    },
    close: () => Promise.resolve([]),
  };
}

const reason = whyNoContainers();
const implementations: readonly [string, string | null, () => Subject][] = [
  ['in memory', null, memorySubject],
  ['crun under conmon', reason, () => new RuntimeHost({ resyncMs: 200, ociRuntime: 'crun' })],
  ['runc under conmon', reason, () => new RuntimeHost({ resyncMs: 200, ociRuntime: 'runc' })],
];

describe.each(implementations)('the Runtime port: %s', (_name, skip, make) => {
  describe.skipIf(skip !== null)(skip === null ? 'on this machine' : `skipped: ${skip}`, () => {
    let subject: Subject;
    let runtime: Runtime;
    const stop = new AbortController();
    let running: Promise<void>;

    beforeAll(() => {
      subject = make();
      runtime = subject.runtime;
      running = runtime.run(stop.signal);
    });
    afterEach(async () => {
      for (const sandbox of await runtime.listSandboxes()) {
        await runtime.removeSandbox(sandbox.podUid);
      }
    });
    afterAll(async () => {
      stop.abort();
      await running;
      expect(await subject.close()).toEqual([]);
    });

    async function created(argv: readonly string[], changes: Partial<ContainerConfig> = {}): Promise<ContainerConfig> {
      const sandbox = await runtime.createSandbox(subject.sandboxConfig());
      const config = subject.containerConfig(sandbox, argv, changes);
      await runtime.createContainer(config);
      return config;
    }
    async function started(argv: readonly string[]): Promise<ContainerConfig> {
      const config = await created(argv);
      await runtime.startContainer(config.id);
      return config;
    }

    it('makes a sandbox once, however often it is asked', async () => {
      const config = subject.sandboxConfig({ labels: { a: 'b' } });
      const first = await runtime.createSandbox(config);
      expect(first).toMatchObject({ podUid: config.podUid, ready: true, labels: { a: 'b' } });
      expect(first.netnsPath).not.toBeNull();
      expect(await runtime.createSandbox(config)).toEqual(first);
      expect(await runtime.inspectSandbox(config.podUid)).toEqual(first);
      expect(await runtime.listSandboxes()).toEqual([first]);
    });

    it('removes a sandbox with its containers, and does not mind when there is none', async () => {
      const { podUid, id } = await started(['sleep', '100']);
      await runtime.removeSandbox(podUid);
      expect(await runtime.inspectSandbox(podUid)).toBeNull();
      expect(await runtime.inspect(id)).toBeNull();
      await runtime.removeSandbox(podUid);
    });

    it('leads a container through created, running and exited', async () => {
      const config = await created(['sh', '-c', 'sleep 0.2; exit 7'], {
        labels: { x: 'y' },
        stopSignal: 'SIGQUIT',
        attempt: 4,
      });
      const before = await runtime.inspect(config.id);
      expect(before).toMatchObject({ state: 'created', exitCode: null, startedAt: null, finishedAt: null, attempt: 4 });
      expect(before).toMatchObject({ labels: { x: 'y' }, stopSignal: 'SIGQUIT', name: 'main' });
      expect(before?.process?.pid).toBeGreaterThan(1);
      const running = await runtime.startContainer(config.id);
      expect(running).toMatchObject({ state: 'running', finishedAt: null });
      expect(running.startedAt).not.toBeNull();
      expect(running.process).toEqual(before?.process);
      const after = await runtime.waitExit(config.id);
      expect(after).toMatchObject({ state: 'exited', exitCode: 7, oomKilled: false, process: null });
      expect(Date.parse(after?.finishedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(running.startedAt ?? ''));
    });

    it('repeats create and start without doing anything twice', async () => {
      const config = await created(['sleep', '100']);
      const again = await runtime.createContainer(config);
      const first = await runtime.startContainer(config.id);
      expect(again.process).toEqual(first.process);
      expect((await runtime.startContainer(config.id)).process).toEqual(first.process);
      expect((await runtime.createContainer(config)).state).toBe('running');
    });

    it('refuses to start what has exited', async () => {
      const { id } = await started(['true']);
      await runtime.waitExit(id);
      await expect(runtime.startContainer(id)).rejects.toMatchObject({ code: 'Conflict' });
    });

    it('says CannotRun for a command that is not there, and leaves nothing to remove', async () => {
      const sandbox = await runtime.createSandbox(subject.sandboxConfig());
      const config = subject.containerConfig(sandbox, ['/no/such/program']);
      await expect(runtime.createContainer(config)).rejects.toMatchObject({ code: 'CannotRun' });
      expect(await runtime.inspect(config.id)).toBeNull();
      await expect(runtime.createContainer({ ...config, argv: [] })).rejects.toMatchObject({ code: 'CannotRun' });
    });

    it('says NotFound for what it does not know, and does not mind killing or removing it', async () => {
      const config = subject.containerConfig(await runtime.createSandbox(subject.sandboxConfig()), ['true']);
      await expect(runtime.startContainer('nobody')).rejects.toMatchObject({ code: 'NotFound' });
      await expect(runtime.exec('nobody', { argv: ['true'] })).rejects.toMatchObject({ code: 'NotFound' });
      await expect(runtime.createContainer({ ...config, podUid: 'no-pod' })).rejects.toMatchObject({
        code: 'NotFound',
      });
      await runtime.killContainer('nobody', 'SIGKILL');
      await runtime.removeContainer('nobody');
      expect(await runtime.waitExit('nobody')).toBeNull();
    });

    it('gives a first process the signals it handles, ignores those it does not, and SIGKILL always ends it', async () => {
      const polite = await started(['sh', '-c', "trap 'exit 3' TERM; while :; do sleep 0.02; done"]);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await runtime.killContainer(polite.id, 'SIGTERM');
      expect(await runtime.waitExit(polite.id)).toMatchObject({ exitCode: 3 });
      const deaf = await started(['sleep', '100']);
      await runtime.killContainer(deaf.id, 'SIGTERM');
      expect((await runtime.inspect(deaf.id))?.state).toBe('running');
      await runtime.killContainer(deaf.id, 'SIGKILL');
      expect(await runtime.waitExit(deaf.id)).toMatchObject({ exitCode: 137, oomKilled: false });
    });

    it('tells listeners about exits, until they unregister', async () => {
      const exits: ContainerExit[] = [];
      const forget = runtime.onExit((exit) => exits.push(exit));
      const { id, podUid } = await started(['sh', '-c', 'exit 1']);
      await eventually('the exit to be told', () => exits.some((exit) => exit.id === id && exit.podUid === podUid));
      forget();
      const other = await started(['true']);
      await runtime.waitExit(other.id);
      expect(exits.some((exit) => exit.id === other.id)).toBe(false);
    });

    it('lists containers, all or of one pod', async () => {
      const one = await started(['sleep', '100']);
      const two = await created(['true']);
      const ids = (facts: readonly ContainerFacts[]): string[] => facts.map((container) => container.id).sort();
      expect(ids(await runtime.listContainers())).toEqual([one.id, two.id].sort());
      expect(ids(await runtime.listContainers(two.podUid))).toEqual([two.id]);
      const inventory = await runtime.adopt();
      expect(ids(inventory.containers)).toEqual([one.id, two.id].sort());
      expect(inventory.undone).toEqual([]);
    });

    it('removes a running container', async () => {
      const { id } = await started(['sleep', '100']);
      await runtime.removeContainer(id);
      expect(await runtime.inspect(id)).toBeNull();
    });

    it('runs a command in a container and gives its output and exit code', async () => {
      const { id } = await started(['sleep', '100']);
      expect(await runtime.execSync(id, { argv: ['sh', '-c', 'echo out; echo err >&2; exit 5'] })).toEqual({
        exitCode: 5,
        timedOut: false,
        stdout: 'out\n',
        stderr: 'err\n',
      });
      expect(await runtime.execSync(id, { argv: ['/no/such/program'] })).toMatchObject({ exitCode: 127 });
    });

    it('ends a command that takes too long, and says so', async () => {
      const { id } = await started(['sleep', '100']);
      const result = await runtime.execSync(id, { argv: ['sleep', '60'], timeoutMs: 100 });
      expect(result).toMatchObject({ timedOut: true });
    });

    it('refuses to run a command in what does not run', async () => {
      const notYet = await created(['sleep', '100']);
      await expect(runtime.exec(notYet.id, { argv: ['true'] })).rejects.toMatchObject({ code: 'NotFound' });
    });

    it('stops waiting when told to', async () => {
      const { id } = await started(['sleep', '100']);
      const controller = new AbortController();
      const waiting = runtime.waitExit(id, controller.signal);
      controller.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow(/enough|abort/);
    });
  });
});
