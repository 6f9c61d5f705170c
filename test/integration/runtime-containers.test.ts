import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { processRef } from '../../lib/process.ts';
import { readLog } from '../../node-agent/runtime/log-reader.ts';
import { rotateLog } from '../../node-agent/runtime/log-rotation.ts';
import type { ContainerConfig, ContainerExit, ContainerFacts, Sandbox } from '../../node-agent/runtime/runtime.ts';
import { eventually, processesNaming, RuntimeDriver, RuntimeHost, whyNoContainers } from './runtime-host.ts';

const reason = whyNoContainers();

describe.skipIf(reason !== null)(
  `containers by crun under conmon${reason === null ? '' : ` (skipped: ${reason})`}`,
  () => {
    let host: RuntimeHost;
    const drivers: RuntimeDriver[] = [];

    beforeAll(() => {
      host = new RuntimeHost({ resyncMs: 300 });
    });
    afterEach(async () => {
      for (const sandbox of await host.runtime.listSandboxes()) {
        await host.runtime.removeSandbox(sandbox.podUid);
      }
      for (const driver of drivers.splice(0)) {
        await driver.kill();
      }
      expect(host.leftovers().filter((line) => !line.startsWith('cgroup'))).toEqual([]);
    });
    afterAll(async () => {
      expect(await host.close()).toEqual([]);
    });

    async function start(
      argv: readonly string[],
      changes: Partial<ContainerConfig> = {},
      sandbox?: Sandbox,
    ): Promise<ContainerConfig> {
      const config = host.containerConfig(
        sandbox ?? (await host.runtime.createSandbox(host.sandboxConfig())),
        argv,
        changes,
      );
      await host.runtime.createContainer(config);
      await host.runtime.startContainer(config.id);
      return config;
    }
    const output = async (id: string, script: string): Promise<string> => {
      const result = await host.runtime.execSync(id, { argv: ['sh', '-c', script], timeoutMs: 20_000 });
      expect(result.stderr).toBe('');
      return result.stdout.trim();
    };
    const logOf = async (config: ContainerConfig): Promise<string> => {
      let text = '';
      for await (const line of readLog(config.logPath)) {
        text += `${line.stream}:${line.content.toString('utf8')}`;
      }
      return text;
    };

    describe('limits', () => {
      it('kills a container over its memory limit with 137, and knows why', async () => {
        const config = await start(
          ['sh', '-c', 'yes | tr \\\\n x | head -c 200000000 | tail -c 200000000 >/dev/null; exit 9'],
          {
            resources: { memoryLimitBytes: 32 * 1024 * 1024 },
            rootfsPath: host.rootfs,
          },
        );
        const facts = await host.runtime.waitExit(config.id);
        expect(facts?.oomKilled).toBe(true);
      });

      it('gives 137 when the first process itself is the one killed for memory', async () => {
        const config = await start(['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=300M', 'count=1'], {
          resources: { memoryLimitBytes: 32 * 1024 * 1024 },
        });
        expect(await host.runtime.waitExit(config.id)).toMatchObject({ exitCode: 137, oomKilled: true });
      });

      it('stops a fork bomb at the pids limit, and the machine does not notice', async () => {
        const config = await start(['sh', '-c', '(while :; do sleep 100 & done) & exec sleep 100'], {
          resources: { pidsLimit: 20 },
        });
        await eventually('the limit to be reached', () => (host.cgroups.usage(config.cgroupPath)?.pids ?? 0) >= 19);
        expect(host.cgroups.usage(config.cgroupPath)?.pids).toBeLessThanOrEqual(20);
      });

      it('lets a busy loop with a tenth of a core use a tenth of a core', async () => {
        const config = await start(['sh', '-c', 'while :; do :; done'], {
          resources: { cpuQuotaUs: 10_000, cpuPeriodUs: 100_000 },
        });
        const used = (): number => host.cgroups.usage(config.cgroupPath)?.cpuUsageNs ?? 0;
        await eventually('it to run', () => used() > 50_000_000);
        const [before, from] = [used(), performance.now()];
        await new Promise((resolve) => setTimeout(resolve, 1500));
        const share = (used() - before) / 1e6 / (performance.now() - from);
        expect(share).toBeGreaterThan(0.03);
        expect(share).toBeLessThan(0.14);
      });

      it('changes the limits of a running container', async () => {
        const config = await start(['sleep', '100'], { resources: { memoryLimitBytes: 64 << 20, pidsLimit: 50 } });
        expect(host.cgroups.memoryLimitBytes(config.cgroupPath)).toBe(64 << 20);
        await host.runtime.updateResources(config.id, { memoryLimitBytes: 32 << 20 });
        expect(host.cgroups.memoryLimitBytes(config.cgroupPath)).toBe(32 << 20);
      });
    });

    describe('isolation', () => {
      it('shows a container only its own processes, host name, mounts and network', async () => {
        const config = await start(['sleep', '100']);
        const seen = await output(config.id, 'hostname; ps | wc -l; ip -o link | wc -l; wc -l </proc/mounts; ls /');
        const [name, processes, links, mounts] = seen.split('\n');
        expect(name).toBe((await host.runtime.inspectSandbox(config.podUid))?.hostname);
        expect(name).not.toBe(hostname());
        expect(Number(processes)).toBeLessThan(8);
        expect(Number(links)).toBe(1);
        expect(Number(mounts)).toBeLessThan(60);
        expect(await output(config.id, 'cat /proc/mounts')).not.toContain('/run/skiff/sandboxes/');
        const pid = (await host.runtime.inspect(config.id))?.process?.pid;
        for (const kind of ['mnt', 'net', 'pid', 'ipc', 'uts']) {
          expect(readlinkSync(`/proc/${pid}/ns/${kind}`)).not.toBe(readlinkSync(`/proc/self/ns/${kind}`));
        }
      });

      it('has the 14 capabilities, a system call filter, masked paths and a device list by default', async () => {
        const config = await start(['sleep', '100']);
        const status = readFileSync(`/proc/${(await host.runtime.inspect(config.id))?.process?.pid}/status`, 'utf8');
        expect(status).toMatch(/CapEff:\s+00000000a80425fb/);
        expect(status).toMatch(/CapBnd:\s+00000000a80425fb/);
        expect(status).toMatch(/CapInh:\s+0000000000000000/);
        expect(status).toMatch(/CapAmb:\s+0000000000000000/);
        expect(status).toMatch(/Seccomp:\s+2/);
        expect(status).toMatch(/NoNewPrivs:\s+0/);
        const refused = await host.runtime.execSync(config.id, {
          argv: [
            'sh',
            '-c',
            'mount -t tmpfs x /tmp; echo x >/proc/sys/kernel/hostname; head -c1 /proc/kcore; mknod /tmp/d b 8 0 2>/dev/null; head -c1 /tmp/d',
          ],
        });
        expect(refused.stderr.split('\n').filter(Boolean).length).toBeGreaterThanOrEqual(3);
        expect(refused.stdout).toBe('');
      });

      it('shares host name, network and /dev/shm between the containers of a pod, and nothing else', async () => {
        const sandbox = await host.runtime.createSandbox(host.sandboxConfig());
        const one = await start(['sleep', '100'], {}, sandbox);
        const two = await start(['sleep', '100'], {}, sandbox);
        await output(one.id, 'echo shared >/dev/shm/x; echo own >/dev/own');
        expect(await output(two.id, 'cat /dev/shm/x; ls /dev/own 2>/dev/null | wc -l; ps | grep -c "sleep 100$"')).toBe(
          'shared\n0\n1',
        );
        const pids = await Promise.all(
          [one, two].map(async ({ id }) => (await host.runtime.inspect(id))?.process?.pid),
        );
        expect(readlinkSync(`/proc/${pids[0]}/ns/net`)).toBe(readlinkSync(`/proc/${pids[1]}/ns/net`));
      });

      it('shares the processes too when the pod asks for it, with a holder that buries orphans', async () => {
        const sandbox = await host.runtime.createSandbox(
          host.sandboxConfig({
            namespaces: { hostNetwork: false, hostPID: false, hostIPC: false, shareProcessNamespace: true },
          }),
        );
        const one = await start(['sleep', '111'], {}, sandbox);
        const two = await start(['sleep', '222'], {}, sandbox);
        expect(await output(one.id, 'ps | grep -c "sleep 222$"')).toBe('1');
        expect(await host.runtime.inspectSandbox(sandbox.podUid)).toMatchObject({ ready: true });
        await host.runtime.removeContainer(two.id);
        expect(await host.runtime.inspect(one.id)).toMatchObject({ state: 'running' });
      });

      it('uses the namespaces of the node when the pod asks for them', async () => {
        const sandbox = await host.runtime.createSandbox(
          host.sandboxConfig({
            namespaces: { hostNetwork: true, hostPID: true, hostIPC: true, shareProcessNamespace: false },
          }),
        );
        expect(sandbox).toMatchObject({ netnsPath: null, ipcnsPath: null, utsnsPath: null, shmPath: null });
        const config = await start(['sleep', '100'], {}, sandbox);
        const pid = (await host.runtime.inspect(config.id))?.process?.pid;
        for (const kind of ['net', 'pid', 'ipc', 'uts']) {
          expect(readlinkSync(`/proc/${pid}/ns/${kind}`)).toBe(readlinkSync(`/proc/self/ns/${kind}`));
        }
        await host.runtime.killContainer(config.id, 'SIGKILL');
        expect(await host.runtime.waitExit(config.id)).toMatchObject({ exitCode: 137 });
      });

      it('writes sysctls into the pod, not into the node', async () => {
        const key = 'net.ipv4.ip_unprivileged_port_start';
        const before = readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8');
        const sandbox = await host.runtime.createSandbox(host.sandboxConfig({ sysctls: { [key]: '77' } }));
        const config = await start(['sleep', '100'], {}, sandbox);
        expect(await output(config.id, 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start')).toBe('77');
        expect(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')).toBe(before);
        await expect(
          host.runtime.createSandbox(host.sandboxConfig({ sysctls: { 'net.no.such': '1' } })),
        ).rejects.toThrow(/sysctl net\/no\/such/);
      });

      it('runs as the user it was told, with the groups of the volumes', async () => {
        const config = await start(['sleep', '100'], {
          uid: 1234,
          gid: 2345,
          additionalGids: [7],
          fsGroup: 99,
          cwd: '/made/for/it',
        });
        expect(await output(config.id, 'id -u; id -g; id -G; pwd')).toBe('1234\n2345\n2345 7 99\n/made/for/it');
        expect(await output(config.id, 'grep CapEff /proc/self/status')).toMatch(/0000000000000000$/);
      });

      it('mounts what it was given, read-only where asked', async () => {
        const config = await start(['sleep', '100'], {
          readOnlyRootfs: true,
          mounts: [
            { type: 'bind', source: host.root, destination: '/mnt/all', readOnly: true },
            { type: 'tmpfs', destination: '/scratch', sizeBytes: 65_536, mode: 0o1777 },
          ],
        }).catch((err: unknown) => err);
        // A read-only root without the mount points in the image still gets them: the runtime makes them first.
        expect(config).not.toBeInstanceOf(Error);
        const { id } = config as ContainerConfig;
        expect(await output(id, 'echo x >/scratch/x && cat /scratch/x')).toBe('x');
        const refused = await host.runtime.execSync(id, {
          argv: ['sh', '-c', 'touch /mnt/all/x; touch /x; head -c 99999 /dev/zero >/scratch/y'],
        });
        expect(refused.stderr.match(/Read-only file system/g)).toHaveLength(2);
        expect(refused.stderr).toMatch(/No space left|I\/O error/);
      });

      it('gives a privileged container every device and capability the agent has', async () => {
        const config = await start(['sleep', '100'], { privileged: true });
        const status = readFileSync(`/proc/${(await host.runtime.inspect(config.id))?.process?.pid}/status`, 'utf8');
        const own = /CapBnd:\s+(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
        expect(/CapEff:\s+(\S+)/.exec(status)?.[1]).toBe(own);
        expect(status).toMatch(/Seccomp:\s+0/);
        expect(await output(config.id, 'mount -t tmpfs x /tmp && echo mounted')).toBe('mounted');
      });

      it('refuses an image that has a symlink where the runtime will mount', async () => {
        const { mkdirSync, symlinkSync } = await import('node:fs');
        const evil = `${host.root}/evil`;
        mkdirSync(`${evil}/bin`, { recursive: true });
        symlinkSync('/etc', `${evil}/proc`);
        const sandbox = await host.runtime.createSandbox(host.sandboxConfig());
        await expect(
          host.runtime.createContainer(host.containerConfig(sandbox, ['sh'], { rootfsPath: evil })),
        ).rejects.toMatchObject({ code: 'CannotRun', message: expect.stringMatching(/its \/proc is a symbolic link/) });
      });
    });

    describe('commands in a container', () => {
      it('ends a command that takes too long, with everything it started', async () => {
        const config = await start(['sh', '-c', 'while :; do sleep 1; done']);
        const running = (): number =>
          host.cgroups.processes(config.cgroupPath).filter((pid) => processRef(pid) !== null).length;
        await eventually('the container to settle', () => running() === 2);
        const result = await host.runtime.execSync(config.id, {
          argv: ['sh', '-c', '(sleep 61 &); sleep 62 & setsid sleep 63 & sleep 64'],
          timeoutMs: 300,
        });
        expect(result.timedOut).toBe(true);
        expect(running()).toBeLessThanOrEqual(2);
        expect(processesNaming('sleep 6')).toEqual([]);
      });

      it('passes input, environment, folder and user', async () => {
        const config = await start(['sleep', '100'], { env: ['PATH=/bin', 'FROM=container'] });
        const result = await host.runtime.execSync(config.id, {
          argv: ['sh', '-c', 'cat; echo $FROM $ALSO; pwd; id -u'],
          input: 'hello ',
          env: ['ALSO=exec'],
          cwd: '/tmp',
          user: { uid: 42, gid: 43 },
        });
        expect(result).toMatchObject({ exitCode: 0, stdout: 'hello container exec\n/tmp\n42\n' });
      });

      it('gives a terminal that can be resized', async () => {
        const config = await start(['sleep', '100']);
        const session = await host.runtime.exec(config.id, {
          argv: ['sh'],
          tty: true,
          stdin: true,
          size: { rows: 11, columns: 22 },
        });
        let seen = '';
        session.stdout.on('data', (chunk: Buffer) => {
          seen += chunk.toString('utf8');
        });
        const type = (text: string): void => void session.stdin?.write(text);
        await eventually('a prompt', () => seen.includes('#'));
        type('stty size; tty\n');
        await eventually('the first size', () => seen.includes('11 22'));
        await eventually('a terminal', () => seen.includes('/dev/pts/'));
        await session.resize({ rows: 33, columns: 99 });
        type('stty size\n');
        await eventually('the new size', () => seen.includes('33 99'));
        type('exit 6\n');
        expect(await session.done).toEqual({ exitCode: 6, timedOut: false });
      });

      it('ends with its caller when told to', async () => {
        const config = await start(['sleep', '100']);
        const session = await host.runtime.exec(config.id, { argv: ['sleep', '65'] });
        await eventually('the command', () => processesNaming('sleep 65').length > 0);
        await session.kill();
        expect((await session.done).exitCode).toBe(137);
        expect(processesNaming('sleep 65')).toEqual([]);
      });
    });

    describe('logs', () => {
      it('keeps both streams, in the format that every log reader knows', async () => {
        const config = await start(['sh', '-c', 'echo out; sleep 0.05; echo err >&2; sleep 0.05; printf unfinished']);
        await host.runtime.waitExit(config.id);
        await eventually('the log', async () => (await logOf(config)).includes('unfinished'));
        expect(await logOf(config)).toBe('stdout:out\nstderr:err\nstdout:unfinished');
        expect(readFileSync(config.logPath, 'utf8')).toMatch(
          /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\S* stdout F out\n/,
        );
      });

      it('rotates under a running container without losing a line', async () => {
        const config = await start([
          'sh',
          '-c',
          'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; sleep 100',
        ]);
        const lines: string[] = [];
        const controller = new AbortController();
        const following = (async () => {
          for await (const line of readLog(config.logPath, { follow: true, signal: controller.signal })) {
            lines.push(line.content.toString('utf8'));
          }
        })();
        await eventually('some output', () => lines.length > 10);
        expect(await rotateLog(config.logPath, { maxBytes: 10, reopen: () => host.runtime.reopenLog(config.id) })).toBe(
          true,
        );
        await eventually('the new file', () => existsSync(config.logPath));
        await eventually('all lines', () => lines.length >= 3000);
        expect(lines).toEqual(Array.from({ length: 3000 }, (_, i) => `line ${i}\n`));
        controller.abort();
        await following;
      });
    });

    describe('surviving', () => {
      const startDriver = async (): Promise<RuntimeDriver> => {
        const driver = await RuntimeDriver.start({
          folder: host.root,
          config: { root: host.root, cgroupRoot: host.cgroups.root },
        });
        drivers.push(driver);
        return driver;
      };

      it('leaves containers running when their creator is killed, and another adopts them with the same process', async () => {
        let driver = await startDriver();
        const sandbox = await driver.call<Sandbox>('runtime', 'createSandbox', host.sandboxConfig());
        const config = host.containerConfig(sandbox, ['sh', '-c', 'while :; do echo tick; sleep 0.05; done']);
        await driver.call('runtime', 'createContainer', config);
        const before = await driver.call<ContainerFacts>('runtime', 'startContainer', config.id);
        for (let turn = 0; turn < 3; turn += 1) {
          await driver.kill();
          driver = await startDriver();
          const inventory = await driver.call<{ containers: ContainerFacts[]; undone: string[] }>('runtime', 'adopt');
          expect(inventory.undone).toEqual([]);
          expect(inventory.containers).toMatchObject([
            { id: config.id, state: 'running', process: before.process, startedAt: before.startedAt },
          ]);
        }
        const size = statSync(config.logPath).size;
        await eventually('the log to grow', () => statSync(config.logPath).size > size);
        await driver.call('runtime', 'killContainer', config.id, 'SIGKILL');
        expect(await driver.call('runtime', 'waitExit', config.id)).toMatchObject({ state: 'exited', exitCode: 137 });
        await driver.kill();
      });

      it('undoes or finishes whatever a kill cut short, at any moment', async () => {
        for (let turn = 0; turn < 15; turn += 1) {
          const driver = await startDriver();
          const sandboxConfig = host.sandboxConfig();
          const work = (async () => {
            const sandbox = await driver.call<Sandbox>('runtime', 'createSandbox', sandboxConfig);
            const config = host.containerConfig(sandbox, ['sleep', '100']);
            await driver.call('runtime', 'createContainer', config);
            await driver.call('runtime', 'startContainer', config.id);
          })().catch(() => undefined);
          await new Promise((resolve) => setTimeout(resolve, turn * 4));
          await driver.kill();
          await work;
          // A monitor that was just starting may come a moment later than its creator's end.
          const next = host.newRuntime();
          await eventually('nothing half made', async () => {
            const inventory = await next.adopt();
            return inventory.containers.every((facts) => facts.state === 'created' || facts.state === 'running');
          });
          const sandbox = await next.createSandbox(sandboxConfig);
          expect(sandbox.ready).toBe(true);
          const config = host.containerConfig(sandbox, ['sleep', '100'], { id: `${sandbox.podUid}-again` });
          await next.createContainer(config);
          expect(await next.startContainer(config.id)).toMatchObject({ state: 'running' });
          await next.removeSandbox(sandbox.podUid);
          await eventually('nothing left', () => processesNaming(host.root).length === 0);
        }
      });

      it('notices that a monitor was killed, and still ends its container', async () => {
        const stop = new AbortController();
        const running = host.runtime.run(stop.signal);
        const exits: ContainerExit[] = [];
        host.runtime.onExit((exit) => exits.push(exit));
        const config = await start(['sleep', '100']);
        const monitor = Number(readFileSync(`${host.root}/run/skiff/containers/${config.id}/conmon.pid`, 'utf8'));
        process.kill(monitor, 'SIGKILL');
        await eventually('the loss to be told', () => exits.some((exit) => exit.id === config.id));
        const facts = await host.runtime.inspect(config.id);
        expect(facts).toMatchObject({ state: 'lost', exitCode: null });
        expect(facts?.process).not.toBeNull();
        await host.runtime.removeContainer(config.id);
        expect(facts?.process === null || facts === null ? null : processRef(facts.process.pid)).toBeNull();
        stop.abort();
        await running;
      });

      it('tells of an exit at once, without waiting for the next look', async () => {
        const quick = host.newRuntime({ resyncMs: 60_000 });
        const stop = new AbortController();
        const running = quick.run(stop.signal);
        const exits: ContainerExit[] = [];
        quick.onExit((exit) => exits.push(exit));
        const config = await start(['sh', '-c', 'sleep 0.3; exit 4']);
        await eventually('the exit to be told', () => exits.some((exit) => exit.id === config.id), 3000);
        stop.abort();
        await running;
      });

      it('puts monitors out of the reach of a service manager', async () => {
        const config = await start(['sleep', '100']);
        const monitor = Number(readFileSync(`${host.root}/run/skiff/containers/${config.id}/conmon.pid`, 'utf8'));
        const groups = readFileSync(`/proc/${monitor}/cgroup`, 'utf8').trim().split('\n');
        expect(
          groups.filter((line) => !line.endsWith(`/${host.cgroups.monitorsPath}`) && !/:cpuset:/.test(line)),
        ).toEqual([]);
      });
    });
  },
);
