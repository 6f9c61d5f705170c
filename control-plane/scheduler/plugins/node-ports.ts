/** Keeps two pods from wanting the same port of one host. */
import { PASS, type SchedulerPlugin } from '../plugin.ts';

const REASON = ["node(s) didn't have free ports for the requested pod ports"];

/** The plugin. */
export const nodePorts: SchedulerPlugin = {
  name: 'NodePorts',
  helpedBy: ['node-added', 'pod-gone'],
  compile: ({ request }) => {
    if (request.hostPorts.length === 0) return undefined;
    return { filter: (node) => (request.hostPorts.some((port) => node.holdsPort(port)) ? REASON : PASS) };
  },
};
