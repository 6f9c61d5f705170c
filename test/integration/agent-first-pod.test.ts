import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AgentWorld, agentUnavailable } from './agent-world/world.ts';

const why = agentUnavailable();

describe.skipIf(why !== undefined)(`one pod on a real machine${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let world: AgentWorld;

  beforeAll(async () => {
    world = await AgentWorld.start();
  });

  afterAll(async () => {
    await world?.stop();
  });

  test('runs, is reported ready with its address, and goes without a trace', async () => {
    const began = performance.now();
    await world.createPod('first', {
      containers: [{ name: 'c', image: 'busybox:1.36', command: ['sh', '-c', 'echo hello; sleep 1000'] }],
    });
    const pod = await world.ready('first');
    process.stderr.write(`ready after ${Math.round(performance.now() - began)} ms\n`);
    expect(pod.status?.phase).toBe('Running');
    expect(pod.status?.podIP).toMatch(/^10\.42\.0\./);
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({
      name: 'c',
      ready: true,
      restartCount: 0,
      started: true,
    });
    await world.deletePod('first', 0);
  });
});
