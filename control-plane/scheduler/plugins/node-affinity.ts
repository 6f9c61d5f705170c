/** Node selectors and node affinity: required ones filter, preferred ones score. */
import { type LabelRequirement, matchesRequirement, type SelectorOperator } from '../../../lib/selectors.ts';
import type { corev1 } from '../../../proto/index.ts';
import type { NodeState } from '../node-state.ts';
import { PASS, type SchedulerPlugin } from '../plugin.ts';

const REASON = ["node(s) didn't match Pod's node affinity/selector"];

type Matcher = (node: NodeState) => boolean;

/** The plugin. */
export const nodeAffinity: SchedulerPlugin = {
  name: 'NodeAffinity',
  weight: 2,
  helpedBy: ['node-added', 'node-labels'],
  compile: ({ spec }) => {
    const affinity = spec.affinity?.nodeAffinity;
    const required = requiredMatcher(spec.nodeSelector, affinity?.requiredDuringSchedulingIgnoredDuringExecution);
    const preferred = (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => ({
      weight: term.weight ?? 0,
      // An empty preference matches every node, unlike an empty required term.
      matches: isEmptyTerm(term.preference) ? () => true : termMatcher(term.preference ?? {}),
    }));
    const most = preferred.reduce((sum, { weight }) => sum + weight, 0);
    if (required === undefined && most === 0) return undefined;
    return {
      ...(required === undefined ? {} : { filter: (node: NodeState) => (required(node) ? PASS : REASON) }),
      ...(most === 0
        ? {}
        : {
            score: (node: NodeState) =>
              (100 * preferred.reduce((sum, { weight, matches }) => sum + (matches(node) ? weight : 0), 0)) / most,
          }),
    };
  },
};

/** Whether a node satisfies both the selector and one of the required terms; undefined when nothing is required. */
function requiredMatcher(
  selector: Readonly<Record<string, string>> | undefined,
  required: corev1.NodeSelector | undefined,
): Matcher | undefined {
  const labels = Object.entries(selector ?? {});
  const terms = required === undefined ? undefined : (required.nodeSelectorTerms ?? []).map(termMatcher);
  if (labels.length === 0 && terms === undefined) return undefined;
  return (node) =>
    labels.every(([key, value]) => node.node?.metadata?.labels?.[key] === value) &&
    (terms === undefined || terms.some((matches) => matches(node)));
}

/** All of a term's conditions on labels and fields hold. A term without any matches nothing. */
function termMatcher(term: corev1.NodeSelectorTerm): Matcher {
  if (isEmptyTerm(term)) return () => false;
  const expressions = (term.matchExpressions ?? []).map(requirement);
  const fields = (term.matchFields ?? []).map(requirement);
  return (node) =>
    expressions.every((r) => matchesRequirement(r, node.node?.metadata?.labels)) &&
    fields.every((r) => matchesRequirement(r, { 'metadata.name': node.name }));
}

function isEmptyTerm(term: corev1.NodeSelectorTerm | undefined): boolean {
  return (term?.matchExpressions ?? []).length === 0 && (term?.matchFields ?? []).length === 0;
}

function requirement({ key = '', operator = 'In', values = [] }: corev1.NodeSelectorRequirement): LabelRequirement {
  return { key, operator: operator as SelectorOperator, values };
}
