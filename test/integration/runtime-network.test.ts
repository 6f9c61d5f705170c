import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PodAttachment, PodNetworkRequest } from '../../node-agent/network/pod-network.ts';
import type { ContainerConfig, ContainerFacts, ExecResult, Sandbox } from '../../node-agent/runtime/runtime.ts';
import { eventually, RuntimeDriver, RuntimeHost, whyNoContainers } from './runtime-host.ts';

const reason = whyNoContainers();

/** A whole node in a network namespace of its own; an `outside` peer plays the rest of the world. */
describe.each(['bridge', 'cni'] as const)('the pod network wired by %s', (wiring) => {
  describe.skipIf(reason !== null)(reason === null ? 'on this machine' : `skipped: ${reason}`, () => {
    let host: RuntimeHost;
    let node: string;
    let outside: string;
    let driver: RuntimeDriver;
    const network = (): object => ({
      podCidr: '10.231.7.0/24',
      clusterCidr: '10.231.0.0/16',
      prefix: `sk${host.runId}`,
      wiring,
    });
    const inNode = (...argv: string[]): string =>
      execFileSync('nsenter', [`--net=${node}`, ...argv], { encoding: 'utf8' });
    const inOutside = (...argv: string[]): string =>
      execFileSync('nsenter', [`--net=${outside}`, ...argv], { encoding: 'utf8' });

    const startDriver = (): Promise<RuntimeDriver> =>
      RuntimeDriver.start({
        folder: host.root,
        config: { root: host.root, cgroupRoot: host.cgroups.root, network: network() },
        netns: node,
      });

    const requestFor = (sandbox: Sandbox, changes: Partial<PodNetworkRequest> = {}): PodNetworkRequest => ({
      podUid: sandbox.podUid,
      podName: sandbox.podName,
      podNamespace: sandbox.podNamespace,
      netnsPath: sandbox.netnsPath ?? '',
      ...changes,
    });

    async function pod(
      argv: string[],
      changes: Partial<PodNetworkRequest> = {},
      container: Partial<ContainerConfig> = {},
    ): Promise<{ sandbox: Sandbox; at: PodAttachment; id: string }> {
      const sandbox = await driver.call<Sandbox>('runtime', 'createSandbox', host.sandboxConfig());
      let at: PodAttachment;
      try {
        at = await driver.call<PodAttachment>('network', 'setup', requestFor(sandbox, changes));
      } catch (err) {
        await driver.call('runtime', 'removeSandbox', sandbox.podUid);
        throw err;
      }
      const config = host.containerConfig(sandbox, argv, container);
      await driver.call('runtime', 'createContainer', config);
      await driver.call<ContainerFacts>('runtime', 'startContainer', config.id);
      return { sandbox, at, id: config.id };
    }

    const exec = (id: string, argv: string[]): Promise<ExecResult> =>
      driver.call<ExecResult>('runtime', 'execSync', id, { argv, timeoutMs: 10_000 });

    /** Addresses that host-local holds for somebody. */
    const reserved = (): string[] =>
      readdirSync(join(host.root, 'run/skiff/addresses/skiff')).filter((name) => name.startsWith('10.'));

    const remove = async (sandbox: Sandbox): Promise<void> => {
      await driver.call('network', 'teardown', sandbox.podUid);
      await driver.call('runtime', 'removeSandbox', sandbox.podUid);
    };

    beforeAll(async () => {
      host = new RuntimeHost();
      node = join(host.root, 'node.net');
      outside = join(host.root, 'outside.net');
      for (const path of [node, outside]) {
        writeFileSync(path, '');
        execFileSync('unshare', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up']);
      }
      inNode('ip', 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'wire', 'netns', outside);
      inNode('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'uplink');
      inNode('ip', 'link', 'set', 'uplink', 'up');
      inNode('ip', 'route', 'add', 'default', 'via', '192.0.2.2');
      inOutside('ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'wire');
      inOutside('ip', 'link', 'set', 'wire', 'up');
      driver = await startDriver();
      await driver.call('network', 'start');
    });

    afterAll(async () => {
      for (const at of await driver.call<PodAttachment[]>('network', 'list')) {
        await driver.call('network', 'teardown', at.podUid);
      }
      for (const sandbox of await driver.call<Sandbox[]>('runtime', 'listSandboxes')) {
        await driver.call('runtime', 'removeSandbox', sandbox.podUid);
      }
      await driver.call('network', 'stop');
      expect(inNode('nft', 'list', 'tables')).toBe('');
      expect(inNode('ip', '-o', 'link').match(/^\d+: (\S+?)[:@]/gm)).toHaveLength(2);
      expect(inNode('ip', 'route')).not.toContain('unreachable');
      await driver.kill();
      execFileSync('umount', [node, outside]);
      expect(await host.close()).toEqual([]);
    });

    /** What somebody in a network namespace hears from a tiny HTTP server; null when it does not answer. */
    const heardBy = (netns: string, address: string): string | null => {
      try {
        return execFileSync(
          'nsenter',
          [`--net=${netns}`, 'chroot', host.rootfs, '/bin/wget', '-q', '-O', '-', `http://${address}/who`],
          {
            encoding: 'utf8',
            timeout: 2000,
            stdio: ['ignore', 'pipe', 'ignore'],
            // A proxy of the machine's would answer instead.
            env: { PATH: process.env.PATH },
          },
        ).trim();
      } catch {
        return null;
      }
    };
    const server = (name: string): string[] => ['sh', '-c', `echo ${name} >/tmp/who; exec httpd -f -p 8080 -h /tmp`];
    const withTmp = { mounts: [{ type: 'tmpfs' as const, destination: '/tmp' }] };

    afterEach(async () => {
      // One failed test must not make the next ones fail.
      for (const sandbox of await driver.call<Sandbox[]>('runtime', 'listSandboxes')) {
        await remove(sandbox);
      }
    });

    it('gives two pods different addresses; they reach each other, the node reaches them, and they reach the world', async () => {
      const one = await pod(server('one'), {}, withTmp);
      const two = await pod(server('two'), {}, withTmp);
      const [oneIp = '', twoIp = ''] = [one.at.ips[0], two.at.ips[0]];
      expect(oneIp).toMatch(/^10\.231\.7\./);
      expect(twoIp).not.toBe(oneIp);
      await eventually(
        'the servers to answer',
        () => heardBy(node, `${oneIp}:8080`) === 'one' && heardBy(node, `${twoIp}:8080`) === 'two',
      );
      expect((await exec(one.id, ['wget', '-q', '-O', '-', `http://${twoIp}:8080/who`])).stdout).toBe('two\n');
      // Leaving the cluster, a pod has the node's address: nobody outside knows a way back to its own.
      expect((await exec(one.id, ['ping', '-c', '1', '-W', '2', '192.0.2.2'])).exitCode).toBe(0);
      await remove(one.sandbox);
      // A packet for a pod that is gone, or on no node, dies here; without the route it would go out of the uplink.
      expect(heardBy(node, `${oneIp}:8080`)).toBeNull();
      expect(() => inNode('ip', 'route', 'get', '10.231.200.1')).toThrow(/unreachable|No route/i);
      await remove(two.sandbox);
    });

    it('publishes host ports to the outside, to the node itself, to its loopback and to the pod, and takes them back', async () => {
      const hostPorts = [
        { hostPort: 18080, containerPort: 8080, protocol: 'TCP' as const },
        { hostPort: 18081, containerPort: 8080, protocol: 'TCP' as const, hostIP: '192.0.2.1' },
      ];
      const web = await pod(server('web'), { hostPorts }, withTmp);
      await eventually('the server to answer outside', () => heardBy(outside, '192.0.2.1:18080') === 'web');
      expect(heardBy(outside, '192.0.2.1:18081')).toBe('web');
      expect(heardBy(node, '192.0.2.1:18080')).toBe('web');
      expect(heardBy(node, '127.0.0.1:18080')).toBe('web');
      expect(heardBy(node, '127.0.0.1:18081')).toBeNull();
      expect((await exec(web.id, ['wget', '-q', '-O', '-', 'http://192.0.2.1:18080/who'])).stdout).toBe('web\n');
      await expect(pod(server('rival'), { hostPorts }, withTmp)).rejects.toThrow(/has host port 18080\/TCP/);
      // Another process on the same files knows the same ports.
      await driver.kill();
      driver = await startDriver();
      await driver.call('network', 'start');
      expect(heardBy(outside, '192.0.2.1:18080')).toBe('web');
      await remove(web.sandbox);
      expect(heardBy(outside, '192.0.2.1:18080')).toBeNull();
      expect(inNode('nft', 'list', 'ruleset')).not.toContain('18080');
    });

    it('gives the same answer when asked twice, and frees an address exactly once', async () => {
      const sandbox = await driver.call<Sandbox>('runtime', 'createSandbox', host.sandboxConfig());
      const first = await driver.call<PodAttachment>('network', 'setup', requestFor(sandbox));
      expect(await driver.call<PodAttachment>('network', 'setup', requestFor(sandbox))).toEqual(first);
      expect(reserved()).toEqual(first.ips);
      await driver.call('network', 'teardown', sandbox.podUid);
      expect(reserved()).toEqual([]);
      await driver.call('network', 'teardown', sandbox.podUid);
      await driver.call('runtime', 'removeSandbox', sandbox.podUid);
    });

    it('wires a new namespace anew although its path is the old one', async () => {
      const config = host.sandboxConfig();
      const sandbox = await driver.call<Sandbox>('runtime', 'createSandbox', config);
      await driver.call<PodAttachment>('network', 'setup', requestFor(sandbox));
      await driver.call('runtime', 'removeSandbox', sandbox.podUid);
      const again = await driver.call<Sandbox>('runtime', 'createSandbox', config);
      const at = await driver.call<PodAttachment>('network', 'setup', requestFor(again));
      expect(execFileSync('nsenter', [`--net=${again.netnsPath}`, 'ip', 'addr'], { encoding: 'utf8' })).toContain(
        at.ips[0],
      );
      expect(reserved()).toEqual(at.ips);
      await remove(again);
    });

    it('leaks nothing when killed at any moment of an attach', async () => {
      for (let turn = 0; turn < 12; turn += 1) {
        const sandbox = await driver.call<Sandbox>('runtime', 'createSandbox', host.sandboxConfig());
        const attaching = driver.call<PodAttachment>('network', 'setup', requestFor(sandbox)).catch(() => null);
        await new Promise((resolve) => setTimeout(resolve, turn * 3));
        await driver.kill();
        await attaching;
        driver = await startDriver();
        await driver.call('network', 'start');
        const at = await driver.call<PodAttachment>('network', 'setup', requestFor(sandbox));
        expect(reserved()).toEqual(at.ips);
        await remove(sandbox);
      }
      expect(await driver.call('network', 'sweep', [])).toEqual([]);
      expect(reserved()).toEqual([]);
    });

    it('sweeps what belongs to no pod: attachments and addresses without a file', async () => {
      const kept = await driver.call<Sandbox>('runtime', 'createSandbox', host.sandboxConfig());
      const lost = await driver.call<Sandbox>('runtime', 'createSandbox', host.sandboxConfig());
      const keptAt = await driver.call<PodAttachment>('network', 'setup', requestFor(kept));
      await driver.call<PodAttachment>('network', 'setup', requestFor(lost));
      writeFileSync(join(host.root, 'run/skiff/addresses/skiff/10.231.7.250'), 'nobody\r\neth0');
      const freed = await driver.call<string[]>('network', 'sweep', [kept.podUid]);
      expect(freed).toHaveLength(2);
      expect(reserved()).toEqual(keptAt.ips);
      await remove(kept);
      await remove(lost);
    });

    it('reports what is wrong with the node, and mends it', async () => {
      expect(await driver.call('network', 'check')).toBeNull();
      inNode('ip', 'link', 'del', `sk${host.runId}0`);
      expect(await driver.call('network', 'check')).toMatch(/bridge .* is gone/);
      await driver.call('network', 'start');
      expect(await driver.call('network', 'check')).toBeNull();
    });

    it("uses the user's own chain as it is, and undoes with what it used", async () => {
      const config = {
        cniVersion: '0.4.0',
        name: 'mine',
        plugins: [
          {
            type: 'ptp',
            ipam: { type: 'host-local', ranges: [[{ subnet: '10.99.0.0/24' }]], dataDir: join(host.root, 'mine') },
          },
          { type: 'loopback' },
        ],
      };
      mkdirSync(join(host.root, 'etc/cni/net.d'), { recursive: true });
      const file = join(host.root, 'etc/cni/net.d/10-mine.conflist');
      writeFileSync(file, JSON.stringify(config));
      const sandbox = await driver.call<Sandbox>('runtime', 'createSandbox', host.sandboxConfig());
      const at = await driver.call<PodAttachment>('network', 'setup', requestFor(sandbox));
      expect(at.ips[0]).toMatch(/^10\.99\.0\./);
      rmSync(file);
      await remove(sandbox);
      expect(readdirSync(join(host.root, 'mine/mine')).filter((name) => name.startsWith('10.'))).toEqual([]);
    });
  });
});
