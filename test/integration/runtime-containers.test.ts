import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RuntimeHost, whyNoContainers } from './runtime-host.ts';

const reason = whyNoContainers();

describe.skipIf(reason !== null)(
  `containers by crun under conmon${reason === null ? '' : ` (skipped: ${reason})`}`,
  () => {
    let host: RuntimeHost;
    const steps: string[] = [];

    beforeAll(() => {
      host = new RuntimeHost({ onStep: (step, ms) => steps.push(`${step} ${ms.toFixed(1)}`) });
    });
    afterAll(async () => {
      expect(await host.close()).toEqual([]);
    });

    it('runs a command, keeps its log and reports its exit code', async () => {
      const sandbox = await host.runtime.createSandbox(host.sandboxConfig());
      const config = host.containerConfig(sandbox, ['sh', '-c', 'echo hello; exit 7']);
      const created = await host.runtime.createContainer(config);
      expect(created.state).toBe('created');
      const started = await host.runtime.startContainer(config.id);
      expect(['running', 'exited']).toContain(started.state);
      const ended = await host.runtime.waitExit(config.id);
      expect(ended).toMatchObject({ state: 'exited', exitCode: 7, oomKilled: false, process: null });
      process.stdout.write(`${steps.join('\n')}\n${host.warnings.join('\n')}\n`);
    });
  },
);
