/** Prefers nodes on which CPU and memory would be used evenly, so that neither is left over without the other. */
import type { SchedulerPlugin } from '../plugin.ts';

/** The plugin. */
export const balancedAllocation: SchedulerPlugin = {
  name: 'BalancedAllocation',
  helpedBy: [],
  compile: ({ request }) => {
    const cpuMilli = request.amounts.get('cpu') ?? 0;
    const memoryBytes = request.amounts.get('memory') ?? 0;
    if (cpuMilli === 0 && memoryBytes === 0) return undefined;
    return {
      score: ({ used, allocatable }) => {
        const cpu = share((used.get('cpu') ?? 0) + cpuMilli, allocatable.get('cpu'));
        const memory = share((used.get('memory') ?? 0) + memoryBytes, allocatable.get('memory'));
        // The standard deviation of two numbers is half their distance.
        return 100 * (1 - Math.abs(cpu - memory) / 2);
      },
    };
  },
};

function share(used: number, allocatable: number | undefined): number {
  return allocatable === undefined || allocatable <= 0 ? 1 : Math.min(1, used / allocatable);
}
