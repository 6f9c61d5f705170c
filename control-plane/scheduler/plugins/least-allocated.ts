/** Prefers nodes with more room left, counting an assumed minimum for pods that request nothing. */
import type { SchedulerPlugin } from '../plugin.ts';

/** The plugin. */
export const leastAllocated: SchedulerPlugin = {
  name: 'LeastAllocated',
  helpedBy: [],
  compile: ({ request }) => ({
    score: (node) => {
      const cpu = left(node.allocatable.get('cpu'), node.spreadCpuMilli + request.spreadCpuMilli);
      const memory = left(node.allocatable.get('memory'), node.spreadMemoryBytes + request.spreadMemoryBytes);
      return (cpu + memory) / 2;
    },
  }),
};

/** Share of the allocatable amount that would be left, 0 to 100. */
function left(allocatable: number | undefined, taken: number): number {
  if (allocatable === undefined || allocatable <= 0 || taken >= allocatable) return 0;
  return ((allocatable - taken) * 100) / allocatable;
}
