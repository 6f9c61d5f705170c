/** Keeps pods off cordoned nodes, unless they tolerate it. */
import { tolerates } from '../../../lib/taints.ts';
import { PASS, type SchedulerPlugin } from '../plugin.ts';

const REASON = ['node(s) were unschedulable'];
const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** The plugin. */
export const nodeUnschedulable: SchedulerPlugin = {
  name: 'NodeUnschedulable',
  helpedBy: ['node-added', 'node-cordon'],
  compile: ({ spec }) => {
    if ((spec.tolerations ?? []).some((toleration) => tolerates(toleration, TAINT))) return undefined;
    return { filter: (node) => (node.node?.spec?.unschedulable === true ? REASON : PASS) };
  },
};
