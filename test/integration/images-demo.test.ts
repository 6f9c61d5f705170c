import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildDemoImages } from '../../build/demo-images/demo-images.ts';
import type { Image } from '../../node-agent/images/image-store.ts';
import { resolveUser } from '../../node-agent/images/image-user.ts';
import { OverlayImageStore } from '../../node-agent/images/overlay-image-store.ts';
import { checkRootfs } from '../../node-agent/images/rootfs-check.ts';

const needs = [
  ['root', process.getuid?.() === 0],
  ['unshare', existsSync('/usr/bin/unshare')],
  ['busybox-static', existsSync('/usr/bin/busybox')],
] as const;
const missing = needs.filter(([, there]) => !there).map(([what]) => what);
const hasNginx = existsSync('/usr/sbin/nginx');

/**
 * The demo images with their own commands, in namespaces of their own: process 1 of a PID namespace, no network but a
 * loopback, changed root. What a container is, without a runtime.
 */
describe.skipIf(missing.length > 0)(
  `demo images in a container${missing.length > 0 ? ` (skipped: needs ${missing.join(', ')})` : ''}`,
  () => {
    const run = randomBytes(3).toString('hex');
    let folder: string;
    let store: OverlayImageStore;
    let child: ChildProcess | undefined;
    let output: () => string = () => '';
    const mounted: string[] = [];

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), `skiff-demo-${run}-`));
      store = new OverlayImageStore({
        directory: join(folder, 'images'),
        registry: { fetch: () => Promise.reject(new Error('no registry')) },
        syncToDisk: false,
      });
      await store.sweep();
      for (const { archivePath } of await buildDemoImages({
        outDir: folder,
        names: ['busybox', 'hello', ...(hasNginx ? ['nginx'] : [])],
      })) {
        await store.load(archivePath);
      }
    });

    afterEach(async () => {
      if (child !== undefined && child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child?.once('exit', resolve));
        child.kill('SIGKILL');
        await ended;
      }
      child = undefined;
      for (const id of mounted.splice(0)) {
        await store.unmountRootfs(id);
      }
    });

    afterAll(async () => {
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
      await rm(folder, { recursive: true });
    });

    async function image(reference: string): Promise<Image> {
      const found = await store.resolve(reference);
      if (found === undefined) {
        throw new Error(`${reference} was not loaded`);
      }
      return found;
    }

    /** Starts an image's command as process 1. */
    async function start(found: Image, args: readonly string[] = []): Promise<void> {
      const id = `demo-${run}-${mounted.length}`;
      mounted.push(id);
      const { path } = await store.mountRootfs(found, id);
      await checkRootfs(path);
      const user = await resolveUser(path, found.config.user);
      const command = args.length > 0 ? args : [...(found.config.entrypoint ?? []), ...(found.config.cmd ?? [])];
      await mkdir(join(path, 'dev'), { recursive: true });
      const setup = [
        `mount -t proc proc "${path}/proc"`,
        `mount -t tmpfs tmpfs "${path}/dev"`,
        `mknod -m 666 "${path}/dev/null" c 1 3`,
        ...['stdin', 'stdout', 'stderr'].map((name, fd) => `ln -s /proc/self/fd/${fd} "${path}/dev/${name}"`),
        'ip link set lo up',
        `hostname demo-${run}`,
        `exec chroot --userspec=${user.uid}:${user.gid} "${path}" "$@"`,
      ].join(' && ');
      // A file and no pipe of Node's: those are sockets, and /dev/stdout of a socket cannot be opened.
      const log = openSync(join(folder, `${id}.log`), 'a');
      output = () => readFileSync(join(folder, `${id}.log`), 'utf8');
      const variables = (found.config.env ?? []).map((each) => [
        each.slice(0, each.indexOf('=')),
        each.slice(each.indexOf('=') + 1),
      ]);
      child = spawn(
        'unshare',
        ['--mount', '--pid', '--net', '--uts', '--fork', '--kill-child', 'sh', '-c', setup, 'sh', ...command],
        { stdio: ['ignore', log, log], env: Object.fromEntries(variables) },
      );
      closeSync(log);
    }

    /** Process 1 as seen from here. */
    async function firstProcess(): Promise<number> {
      let pid = 0;
      await eventually(() => {
        pid = Number(readFileSync(`/proc/${child?.pid}/task/${child?.pid}/children`, 'utf8').trim());
        return pid > 0;
      }, 'the first process runs');
      return pid;
    }

    async function eventually(check: () => boolean, what: string): Promise<void> {
      const deadline = Date.now() + 15_000;
      while (Date.now() < deadline) {
        if (check()) {
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`Gave up waiting until ${what}; so far: ${output()}`);
    }

    async function page(pid: number, port: number): Promise<string> {
      let text = '';
      await eventually(() => {
        try {
          text = execFileSync(
            'nsenter',
            [`--net=/proc/${pid}/ns/net`, 'busybox', 'wget', '-q', '-O', '-', `http://127.0.0.1:${port}/`],
            { stdio: ['ignore', 'pipe', 'ignore'] },
          ).toString();
          return true;
        } catch {
          return false;
        }
      }, `port ${port} answers`);
      return text;
    }

    async function endsOn(pid: number, signal: NodeJS.Signals): Promise<void> {
      process.kill(pid, signal);
      await eventually(() => child?.exitCode !== null || child.signalCode !== null, `it ends on ${signal}`);
    }

    it('busybox has a shell and its tools', async () => {
      await start(await image('busybox'), [
        'sh',
        '-c',
        'id -u; ls / | sort | head -3; echo hi > /tmp/x; cat /tmp/x; hostname',
      ]);
      await eventually(() => child?.exitCode === 0, 'the shell is done');
      expect(output()).toBe(`0\nbin\ndev\netc\nhi\ndemo-${run}\n`);
    });

    it.each(['1', '2'])(
      'hello %s answers with its version and host name, unprivileged, and ends on TERM',
      async (version) => {
        await start(await image(`skiff.local/hello:${version}`));
        const pid = await firstProcess();
        const text = await page(pid, 8080);
        expect(text).toContain(`Hello from demo-${run}`);
        expect(text).toContain(`version ${version}`);
        expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\t65534\t65534/m);
        await endsOn(pid, 'SIGTERM');
      },
    );

    it.skipIf(!hasNginx)(
      'nginx answers with its welcome page, logs to its output, and ends on QUIT (needs nginx-light)',
      async () => {
        const found = await image('nginx:1.14.2');
        expect(found.config.stopSignal).toBe('SIGQUIT');
        await start(found);
        const pid = await firstProcess();
        expect(await page(pid, 80)).toContain('Welcome to nginx!');
        await eventually(() => output().includes('"GET / HTTP/1.1" 200'), 'the access is logged');
        expect(output()).toContain('start worker process');
        await endsOn(pid, 'SIGQUIT');
      },
    );

    it.skipIf(!hasNginx)('nginx under another tag is another image on the same layers', async () => {
      const old = await image('nginx:1.14.2');
      const newer = await image('nginx:1.16.1');
      expect(newer.id).not.toBe(old.id);
      expect(newer.layers).toEqual(old.layers);
      expect(old.layers[0]).toBe((await image('busybox:1.36')).layers[0]);
    });
  },
);
