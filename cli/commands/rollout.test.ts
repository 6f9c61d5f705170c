import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configMap, deployment } from '../../test/harness/cli-objects.ts';
import { CliUnderTest, masked } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

async function applied(...objects: object[]): Promise<string> {
  return cli.apply(...objects);
}

describe('rollout', () => {
  test('tells how far it is until it is done', async () => {
    await applied(deployment('r'));
    const status = (replicas: number, updated: number, available: number): Promise<void> =>
      cli.patchStatus('deployments', 'r', {
        observedGeneration: 1,
        replicas,
        updatedReplicas: updated,
        availableReplicas: available,
        readyReplicas: available,
      });
    expect(await cli.ok('rollout', 'status', 'deploy/r', '--watch=false')).toBe(
      'Waiting for deployment spec update to be observed...\n',
    );
    await status(1, 1, 0);
    const steps = [() => status(3, 2, 1), () => status(2, 2, 1), () => status(2, 2, 2)];
    let chain = Promise.resolve();
    let seen = 0;
    const result = await cli.run(['rollout', 'status', 'deploy/r', '--timeout=10s'], {
      onOutput: (all) => {
        const lines = all.trimEnd().split('\n').length;
        if (lines === seen) return;
        seen = lines;
        const step = steps.shift();
        if (step !== undefined) chain = chain.then(step);
      },
    });
    await chain;
    expect(result).toEqual({
      code: 0,
      stderr: '',
      stdout: [
        'Waiting for deployment "r" rollout to finish: 1 out of 2 new replicas have been updated...',
        'Waiting for deployment "r" rollout to finish: 1 old replicas are pending termination...',
        'Waiting for deployment "r" rollout to finish: 1 of 2 updated replicas are available...',
        'deployment "r" successfully rolled out',
        '',
      ].join('\n'),
    });
  });

  test('on a terminal the line is redrawn with a bar', async () => {
    const { stdout } = await cli.run(['rollout', 'status', 'deploy/r'], { columns: 100, env: { NO_COLOR: '1' } });
    expect(stdout).toBe('[################] 2/2 deployment "r" successfully rolled out\n');
  });

  test('fails when it goes past its deadline, or past --timeout', async () => {
    await applied(deployment('late'));
    expect(await cli.run(['rollout', 'status', 'deploy/late', '--timeout=50ms'])).toEqual({
      code: 1,
      stdout: 'Waiting for deployment spec update to be observed...\n',
      stderr: 'error: timed out waiting for the rollout\n',
    });
    const conditions = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }];
    await cli.patchStatus('deployments', 'late', { observedGeneration: 1, conditions });
    expect(await cli.run(['rollout', 'status', 'deploy/late'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: deployment "late" exceeded its progress deadline\n',
    });
  });

  test('pause, resume and restart', async () => {
    expect(await cli.ok('rollout', 'pause', 'deploy/r')).toBe('deployment.apps/r paused\n');
    expect((await cli.run(['rollout', 'pause', 'deploy/r'])).stderr).toBe(
      'error: deployments.apps "r" is already paused\n',
    );
    expect((await cli.run(['rollout', 'restart', 'deploy/r'])).stderr).toContain("can't restart paused deployment");
    expect(await cli.ok('rollout', 'resume', 'deploy/r')).toBe('deployment.apps/r resumed\n');
    expect(await cli.ok('rollout', 'restart', 'deploy/r')).toBe('deployment.apps/r restarted\n');
    expect(masked(await cli.ok('get', 'deploy', 'r', '-o', 'jsonpath={.spec.template.metadata.annotations}'))).toBe(
      '{"kubectl.kubernetes.io/restartedAt":"TIME"}',
    );
  });

  test('history and undo', async () => {
    await applied(deployment('h', 'nginx:2'));
    const { metadata } = JSON.parse(await cli.ok('get', 'deploy', 'h', '-o', 'json')) as { metadata: { uid: string } };
    const revision = (number: number, image: string, cause?: string): object => {
      const { spec } = deployment('h', image) as { spec: { template: { metadata: { labels: object } } } };
      const labels = { app: 'h', 'pod-template-hash': `hash${number}` };
      const annotations = {
        'deployment.kubernetes.io/revision': String(number),
        ...(cause === undefined ? {} : { 'kubernetes.io/change-cause': cause }),
      };
      const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'h', uid: metadata.uid, controller: true };
      const { strategy: _, ...setSpec } = spec as { strategy?: object; template: { metadata: { labels: object } } };
      return {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: { name: `h-${number}`, labels, annotations, ownerReferences: [owner] },
        spec: { ...setSpec, selector: { matchLabels: labels }, template: { ...spec.template, metadata: { labels } } },
      };
    };
    await applied(revision(2, 'nginx:2'), revision(1, 'nginx:1', 'first'));
    expect(await cli.ok('rollout', 'history', 'deploy/h')).toBe(
      'deployment.apps/h\nREVISION  CHANGE-CAUSE\n1         first\n2         <none>\n\n',
    );
    expect(await cli.ok('rollout', 'history', 'deploy/h', '--revision=1')).toBe(
      'deployment.apps/h with revision #1\nPod Template:\n  Labels:  app=h\n  Containers:\n    c:\n      Image:        nginx:1\n' +
        '      Ports:        <none>\n      Environment:  <none>\n      Mounts:       <none>\n',
    );
    expect((await cli.run(['rollout', 'undo', 'deploy/h', '--to-revision=7'])).stderr).toBe(
      'error: unable to find specified revision 7 in the history of deployment.apps/h (it has 1, 2)\n',
    );
    expect(await cli.ok('rollout', 'undo', 'deploy/h', '--to-revision=2')).toBe(
      'deployment.apps/h skipped rollback (current template already matches revision 2)\n',
    );
    expect(await cli.ok('rollout', 'undo', 'deploy/h')).toBe('deployment.apps/h rolled back\n');
    expect(
      await cli.ok(
        'get',
        'deploy',
        'h',
        '-o',
        'jsonpath={.spec.template.spec.containers[0].image} {.spec.template.metadata.labels}',
      ),
    ).toBe('nginx:1 {"app":"h"}');
  });
});

describe('edit', () => {
  test('changes what the editor changed', async () => {
    await applied(configMap('e', { k: 'old' }));
    const result = await cli.run(['edit', 'cm', 'e'], { env: { SKIFF_EDITOR: "sed -i 's/k: old/k: new/'" } });
    expect(result).toEqual({ code: 0, stdout: 'configmap/e edited\n', stderr: '' });
    expect(await cli.ok('get', 'cm', 'e', '-o', 'jsonpath={.data.k}')).toBe('new');
  });

  test('nothing changed is nothing done', async () => {
    const result = await cli.run(['edit', 'cm', 'e'], { env: { SKIFF_EDITOR: 'true' } });
    expect(result).toEqual({ code: 0, stdout: 'Edit cancelled, no changes made.\n', stderr: '' });
  });

  test('what is refused comes back with its reason, and is kept when given up', async () => {
    const editor = cli.file(
      'editor.sh',
      `#!/bin/sh\ncp "$1" ${cli.dir}/seen; grep -q dataa "$1" || sed -i 's/^data:/dataa:/' "$1"\n`,
    );
    const result = await cli.run(['edit', 'cm', 'e'], { env: { SKIFF_EDITOR: `sh ${editor}` } });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/unknown field "dataa" \(did you mean "data"\?\)/);
    expect(readFileSync(`${cli.dir}/seen`, 'utf8')).toMatch(/^# error: .*unknown field "dataa"/m);
    const kept = /A copy of your changes is in (\S+)/.exec(result.stderr)?.[1] ?? '';
    expect(existsSync(kept)).toBe(true);
    rmSync(dirname(kept), { recursive: true });
  });

  test('an editor that fails changes nothing', async () => {
    const result = await cli.run(['edit', 'cm', 'e'], { env: { SKIFF_EDITOR: 'false' } });
    expect(result).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: the editor false ended with exit code 1; nothing was changed\n',
    });
  });
});
