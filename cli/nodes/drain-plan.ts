import type { JsonObject } from '../manifest/json-value.ts';
import { listAt, textAt, valueAt } from '../resources/fields.ts';

/** What a drain may do. */
export interface DrainRules {
  readonly ignoreDaemonSets: boolean;
  readonly deleteEmptyDirData: boolean;
  readonly force: boolean;
}

/** What becomes of the pods of a node. */
export interface DrainPlan {
  readonly evict: readonly JsonObject[];
  /** Told, and left or taken all the same. */
  readonly warnings: readonly string[];
  /** Each forbids the drain. */
  readonly refusals: readonly string[];
}

interface Rule {
  readonly holds: (pod: JsonObject) => boolean;
  /** `skip` leaves the pod where it is. */
  readonly verdict: (rules: DrainRules) => 'evict' | 'skip' | 'refuse';
  readonly warning?: string;
  readonly refusal?: string;
}

/** The first rule that holds decides. */
const RULES: readonly Rule[] = [
  {
    holds: (pod) => textAt(pod, 'metadata', 'annotations', 'kubernetes.io/config.mirror') !== '',
    verdict: () => 'skip',
  },
  {
    holds: (pod) => ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase')),
    verdict: () => 'evict',
  },
  {
    holds: (pod) => controllerKind(pod) === 'DaemonSet',
    verdict: (rules) => (rules.ignoreDaemonSets ? 'skip' : 'refuse'),
    warning: 'ignoring DaemonSet-managed Pods',
    refusal: 'cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)',
  },
  {
    holds: (pod) => controllerKind(pod) === '',
    verdict: (rules) => (rules.force ? 'evict' : 'refuse'),
    warning: 'deleting Pods that declare no controller',
    refusal: 'cannot delete Pods that declare no controller (use --force to override)',
  },
  {
    holds: (pod) => listAt(pod, 'spec', 'volumes').some((volume) => valueAt(volume, 'emptyDir') !== undefined),
    verdict: (rules) => (rules.deleteEmptyDirData ? 'evict' : 'refuse'),
    refusal: 'cannot delete Pods with local storage (use --delete-emptydir-data to override)',
  },
];

/** Decides for every pod of a node. */
export function planDrain(pods: readonly JsonObject[], rules: DrainRules): DrainPlan {
  const evict: JsonObject[] = [];
  const warnings = new Map<string, string[]>();
  const refusals = new Map<string, string[]>();
  for (const pod of pods) {
    const rule = RULES.find((one) => one.holds(pod));
    const verdict = rule?.verdict(rules) ?? 'evict';
    if (verdict === 'evict') evict.push(pod);
    const text = verdict === 'refuse' ? rule?.refusal : rule?.warning;
    if (text === undefined) continue;
    const group = verdict === 'refuse' ? refusals : warnings;
    group.set(text, [
      ...(group.get(text) ?? []),
      `${textAt(pod, 'metadata', 'namespace')}/${textAt(pod, 'metadata', 'name')}`,
    ]);
  }
  const lines = (group: ReadonlyMap<string, string[]>): string[] =>
    [...group].map(([text, names]) => `${text}: ${names.join(', ')}`);
  return { evict, warnings: lines(warnings), refusals: lines(refusals) };
}

function controllerKind(pod: JsonObject): string {
  const controller = listAt(pod, 'metadata', 'ownerReferences').find((owner) => valueAt(owner, 'controller') === true);
  return textAt(controller, 'kind');
}
