/** The agent's death, which no container may notice. */
import { WEB } from './life.ts';
import { containerCgroup, eventually, isReady, ok, pods, processesIn, read } from './machine.ts';
import { type Check, expectEqual, expectThat } from './report.ts';

/** What stays the same as long as nothing was restarted: containers, their processes, their restart counts. */
async function identities(): Promise<readonly object[]> {
  return (await pods(WEB))
    .map((pod) => ({
      name: pod.metadata.name,
      container: pod.status.containerStatuses?.[0]?.containerID,
      restarts: pod.status.containerStatuses?.[0]?.restartCount,
      first: processesIn(containerCgroup(pod))
        .map(
          (pid) =>
            `${pid} ${
              read('/proc', String(pid), 'stat')
                .replace(/^.*\) /, '')
                .split(' ')[19]
            }`,
        )
        .at(0),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Killed and started again by its keeper. */
export const adoptionChecks: readonly Check[] = [
  {
    name: 'an agent that is killed adopts what runs, without a restart',
    async run() {
      const before = await identities();
      expectEqual('pods', before.length, 3);
      const pid = Number(read('/run/skiff/agent.pid'));
      expectThat(pid > 1, `the agent's pid is ${pid}`);
      process.kill(pid, 'SIGKILL');
      await eventually('another agent', async () => {
        const now = Number(read('/run/skiff/agent.pid'));
        return now > 1 && now !== pid;
      });
      // It works again when it has made a pod in place of a deleted one.
      const [victim] = await pods(WEB);
      if (victim === undefined) throw new Error('the pods are gone');
      await ok(['delete', 'pod', victim.metadata.name]);
      await eventually('three ready pods again', async () => {
        const now = await pods(WEB);
        return now.length === 3 && now.every(isReady) && !now.some((p) => p.metadata.name === victim.metadata.name);
      });
      const kept = before.filter((one) => !JSON.stringify(one).includes(victim.metadata.name));
      const after = JSON.stringify(await identities());
      for (const one of kept)
        expectThat(after.includes(JSON.stringify(one)), `${JSON.stringify(one)} is not in ${after}`);
      return undefined;
    },
  },
];
