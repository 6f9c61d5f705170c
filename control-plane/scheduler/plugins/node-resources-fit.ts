/** Keeps the requests of all pods on a node within what it can give. */
import { PASS, type SchedulerPlugin } from '../plugin.ts';

/** The plugin. */
export const nodeResourcesFit: SchedulerPlugin = {
  name: 'NodeResourcesFit',
  helpedBy: ['node-added', 'node-allocatable', 'pod-gone'],
  compile: ({ request }) => {
    const wanted = [...request.amounts].filter(([, amount]) => amount > 0);
    const reasons = wanted.map(([name]) => `Insufficient ${name}`);
    return {
      filter: (node) => {
        let found: string[] | undefined;
        if (node.podCount + 1 > (node.allocatable.get('pods') ?? 0)) found = ['Too many pods'];
        for (let i = 0; i < wanted.length; i += 1) {
          const [name, amount] = wanted[i] ?? ['', 0];
          if ((node.used.get(name) ?? 0) + amount <= (node.allocatable.get(name) ?? 0)) continue;
          found ??= [];
          found.push(reasons[i] ?? '');
        }
        return found ?? PASS;
      },
    };
  },
};
