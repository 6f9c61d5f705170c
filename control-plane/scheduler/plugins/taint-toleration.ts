/** Keeps pods off nodes with taints they do not tolerate; prefers nodes without such that only advise against it. */
import { tolerates, untoleratedTaint } from '../../../lib/taints.ts';
import { PASS, type SchedulerPlugin } from '../plugin.ts';

const EFFECTS = ['NoSchedule', 'NoExecute'];

/** The plugin. */
export const taintToleration: SchedulerPlugin = {
  name: 'TaintToleration',
  weight: 3,
  helpedBy: ['node-added', 'node-taints'],
  compile: ({ spec }) => {
    const tolerations = spec.tolerations ?? [];
    return {
      filter: ({ node }) => {
        const taint = untoleratedTaint(node?.spec?.taints, tolerations, EFFECTS);
        return taint === undefined
          ? PASS
          : [`node(s) had untolerated taint {${taint.key ?? ''}: ${taint.value ?? ''}}`];
      },
      score: ({ node }) => {
        const advised = (node?.spec?.taints ?? []).filter(
          (taint) => taint.effect === 'PreferNoSchedule' && !tolerations.some((t) => tolerates(t, taint)),
        );
        return 100 / (1 + advised.length);
      },
    };
  },
};
