/** Images pulled from a real registry: what is asked for when, what is said when it fails, and what happens after. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { busyboxArchive } from '../harness/images.ts';
import { apply, busyboxPod } from '../harness/objects.ts';
import { PodBoard, type PodDetail } from '../harness/pods.ts';
import { ACCOUNT, makeVariants, registryUnavailable, TestRegistry } from '../harness/registry.ts';

vi.setConfig({ maxConcurrency: 8 });
const reason = clusterUnavailable() ?? registryUnavailable();

describe
  .skipIf(reason !== undefined)
  .concurrent(`images from a registry${reason ? ` (skipped: ${reason})` : ''}`, () => {
    let cluster: TestCluster;
    let board: PodBoard;
    let layout: string;
    let open: TestRegistry;
    let guarded: TestRegistry;
    let failing: TestRegistry;
    /** Digests of the variants. */
    let one: string;
    let two: string;

    beforeAll(async () => {
      cluster = await TestCluster.start();
      board = new PodBoard(cluster);
      layout = cluster.path('layout');
      makeVariants(busyboxArchive(), 'docker.io/library/busybox:1.36', { layout, tags: ['one', 'two', 'three'] });
      open = await TestRegistry.start(cluster, { port: 5000 });
      guarded = await TestRegistry.start(cluster, { port: 5001, account: true });
      failing = await TestRegistry.start(cluster, { port: 5002 });
      one = await open.push(layout, 'one', 'team/app:1');
      two = await open.push(layout, 'two', 'team/app:2');
    });
    afterAll(async () => {
      for (const registry of [open, guarded, failing]) await registry?.stop();
      await cluster?.stop();
    });

    const sayVersion = (name: string, container: object, spec: object = {}): string =>
      busyboxPod(name, 'echo version $VERSION', { container, spec: { restartPolicy: 'Never', ...spec } });
    /** Runs a pod with the image to its end; what its VERSION was. */
    async function version(name: string, container: object, spec: object = {}): Promise<string> {
      await apply(cluster, sayVersion(name, container, spec));
      await board.finished(name);
      return (await cluster.ok(['logs', name])).stdout.replace('version ', '').trim();
    }
    const statusOf = (pod: PodDetail) =>
      (pod.status.containerStatuses?.[0] ?? {}) as { image?: string; imageID?: string };
    const image = (...args: string[]) =>
      cluster.skiff(['image', ...args, '--socket', cluster.path('run/skiff/agent.sock')], { timeoutMs: 60_000 });

    test('by tag: pulled, told in events, and its digest is in the status', async () => {
      const name = `${open.host}/team/app:1`;
      expect(await version('by-tag', { image: name })).toBe('one');
      await board.event('by-tag', 'Pulling', new RegExp(`^Pulling image "${name}"$`));
      await board.event(
        'by-tag',
        'Pulled',
        /^Successfully pulled image ".*" in .*s \(.*s including waiting\)\. Image size: \d+ bytes\.$/,
      );
      expect(statusOf(await board.pod('by-tag'))).toMatchObject({
        image: name,
        imageID: `${open.host}/team/app@${one}`,
      });
    });

    test('by digest: exactly that image, whatever its tag is now; a digest that is not there is refused', async () => {
      expect(await version('by-digest', { image: `${open.host}/team/app@${two}` })).toBe('two');
      expect(statusOf(await board.pod('by-digest')).imageID).toBe(`${open.host}/team/app@${two}`);
      const absent = `${open.host}/team/app@sha256:${'0'.repeat(64)}`;
      await apply(cluster, sayVersion('no-digest', { image: absent }));
      expect(await board.waiting('no-digest', 'ErrImagePull')).toMatch(/manifest unknown/);
    });

    test('pull policies: a tag that moves is asked for again by Always only', async () => {
      const name = `${open.host}/team/moving:stable`;
      await open.push(layout, 'one', 'team/moving:stable');
      const absent = { image: name, imagePullPolicy: 'Never' };
      await apply(cluster, sayVersion('never-absent', absent));
      expect(await board.waiting('never-absent', 'ErrImageNeverPull')).toBe(
        `Container image "${name}" is not present with pull policy of Never`,
      );
      expect(await version('first', { image: name })).toBe('one');
      await open.push(layout, 'two', 'team/moving:stable');
      expect(await version('if-not-present', { image: name, imagePullPolicy: 'IfNotPresent' })).toBe('one');
      await board.event('if-not-present', 'Pulled', /^Container image ".*" already present on machine$/);
      expect(await version('never-present', { image: name, imagePullPolicy: 'Never' })).toBe('one');
      expect(await version('always', { image: name, imagePullPolicy: 'Always' })).toBe('two');
      expect(await version('after-always', { image: name, imagePullPolicy: 'IfNotPresent' })).toBe('two');
    });

    test('a tag that is not there yet: ErrImagePull, then ImagePullBackOff, then it runs once it was pushed', async () => {
      const name = `${open.host}/team/later:1`;
      await apply(cluster, sayVersion('later', { image: name }));
      expect(await board.waiting('later', 'ErrImagePull')).toMatch(/(manifest|name) unknown/);
      await board.event('later', 'Failed', new RegExp(`^Failed to pull image "${name}": `));
      await board.event('later', 'Failed', /^Error: ErrImagePull$/);
      expect(await board.waiting('later', 'ImagePullBackOff')).toMatch(new RegExp(`^Back-off pulling image "${name}"`));
      expect((await cluster.ok(['get', 'pod', 'later'])).stdout).toMatch(
        /later +0\/1 +(ImagePullBackOff|ErrImagePull) +0 /,
      );
      await open.push(layout, 'one', 'team/later:1');
      await board.event('later', 'BackOff', new RegExp(`^Back-off pulling image "${name}"`));
      const { status } = await board.finished('later');
      expect(status).toMatchObject({ phase: 'Succeeded' });
      expect(status.containerStatuses?.[0]?.restartCount).toBe(0);
    });

    test('a registry with accounts: the pull secret opens it, a wrong or missing one does not', async () => {
      await guarded.push(layout, 'two', 'secret/app:1');
      const secret = (name: string, password: string): string =>
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name },
          type: 'kubernetes.io/dockerconfigjson',
          stringData: {
            '.dockerconfigjson': JSON.stringify({
              auths: {
                [guarded.host]: { auth: Buffer.from(`${ACCOUNT.username}:${password}`).toString('base64') },
              },
            }),
          },
        });
      await apply(cluster, secret('right', ACCOUNT.password));
      await apply(cluster, secret('wrong', 'guess-7'));
      const name = `${guarded.host}/secret/app:1`;
      const always = { image: name, imagePullPolicy: 'Always' };
      await apply(cluster, sayVersion('stranger', always));
      await apply(cluster, sayVersion('guesser', always, { imagePullSecrets: [{ name: 'wrong' }] }));
      expect(await version('member', always, { imagePullSecrets: [{ name: 'absent' }, { name: 'right' }] })).toBe(
        'two',
      );
      for (const refused of ['stranger', 'guesser']) {
        expect(await board.waiting(refused, 'ImagePullBackOff')).toMatch(/unauthorized|authentication required/i);
      }
      const told = (await cluster.ok(['get', 'events', '-o', 'json'])).stdout + cluster.logs();
      expect(told).not.toContain('guess-7');
      expect(told).not.toContain(ACCOUNT.password);
    });

    test('a registry that is down: the pull fails with that reason, and works when it is back', async () => {
      await failing.push(layout, 'one', 'app:1');
      await failing.stop();
      await apply(cluster, sayVersion('patient', { image: `${failing.host}/app:1` }));
      expect(await board.waiting('patient', 'ImagePullBackOff')).toMatch(/connection refused/);
      await failing.start();
      expect((await board.finished('patient')).status.phase).toBe('Succeeded');
    });

    test('image pull, ls and rm on the node', async () => {
      // An image no other test has under another name: with a second name, rm would only untag it.
      await open.push(layout, 'three', 'tools/box:9');
      const name = `${open.host}/tools/box:9`;
      const pulled = await image('pull', name);
      expect(pulled.code, pulled.stderr).toBe(0);
      const listed = (await image('ls', '--digests')).stdout;
      expect(listed).toMatch(/^(REPOSITORY|NAME|IMAGE)/);
      expect(listed).toMatch(new RegExp(`^${open.host}/tools/box +9 +.*sha256:`, 'm'));
      await apply(
        cluster,
        busyboxPod('user-of-it', 'sleep 1000', { container: { image: name, imagePullPolicy: 'Never' } }),
      );
      await board.running('user-of-it');
      const refused = await image('rm', name);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/in use|used by/);
      await cluster.ok(['delete', 'pod', 'user-of-it']);
      const removed = await image('rm', name);
      expect(removed.code, removed.stderr).toBe(0);
      expect((await image('ls')).stdout).not.toContain('tools/box');
      const unknown = await image('pull', `${open.host}/tools/none:1`);
      expect(unknown.code).toBe(1);
      expect(unknown.stderr).toMatch(/(manifest|name) unknown|not found/);
      const gone = await image('rm', name);
      expect(gone.code).toBe(1);
      expect(gone.stderr).toContain('tools/box:9');
    });
  });
