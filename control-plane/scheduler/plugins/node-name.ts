/** Holds a pod to the node it names. */
import { PASS, type SchedulerPlugin } from '../plugin.ts';

const REASON = ["node(s) didn't match the requested node name"];

/** The plugin. */
export const nodeName: SchedulerPlugin = {
  name: 'NodeName',
  helpedBy: ['node-added'],
  compile: ({ spec }) => {
    const wanted = spec.nodeName ?? '';
    return wanted === '' ? undefined : { filter: (node) => (node.name === wanted ? PASS : REASON) };
  },
};
