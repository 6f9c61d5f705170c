import { listAt, numberAt, textAt, valueAt } from '../resources/fields.ts';
import { formatTemplate } from '../rollout/format-template.ts';
import { withoutHash } from '../rollout/revisions.ts';
import {
  conditionLines,
  controllerOf,
  type DescribeInput,
  eventLines,
  identityFields,
  nameFields,
  timeAndAge,
} from './common.ts';
import { block, field, formatDescription, present } from './description.ts';
import { ownershipLines } from './ownership.ts';
import { whyNotReady } from './why-not-ready.ts';

/** Everything about a Deployment or a ReplicaSet. */
export function describeWorkload({ object, events, relatives, nowMs }: DescribeInput): string {
  const count = (name: string): number => numberAt(object, 'status', name) ?? 0;
  const wanted = numberAt(object, 'spec', 'replicas') ?? 1;
  const isDeployment = textAt(object, 'kind') === 'Deployment';
  const ready = isDeployment ? count('availableReplicas') : count('readyReplicas');
  const replicas = [
    `${wanted} desired`,
    ...(isDeployment ? [`${count('updatedReplicas')} updated`] : []),
    `${count('replicas')} total`,
    `${ready} available`,
    ...(isDeployment ? [`${count('unavailableReplicas')} unavailable`] : []),
  ];
  const rolling = ['maxUnavailable', 'maxSurge'].map((name) =>
    textAt(object, 'spec', 'strategy', 'rollingUpdate', name),
  );
  const troubles = relatives
    .filter((one) => textAt(one, 'kind') === 'Pod')
    .flatMap((pod) => whyNotReady(pod, []).map((line) => `${textAt(pod, 'metadata', 'name')}: ${line}`));
  const head = present([
    ...nameFields(object),
    field('CreationTimestamp', timeAndAge(textAt(object, 'metadata', 'creationTimestamp'), nowMs)),
    ...identityFields(object),
    field('Selector', selector(object)),
    field('Controlled By', controllerOf(object)),
    field('Replicas', replicas.join(' | ')),
    field('StrategyType', textAt(object, 'spec', 'strategy', 'type')),
    rolling.every((text) => text === '')
      ? undefined
      : field('RollingUpdateStrategy', `${rolling[0]} max unavailable, ${rolling[1]} max surge`),
    isDeployment ? field('MinReadySeconds', textAt(object, 'spec', 'minReadySeconds') || '0') : undefined,
    textAt(object, 'spec', 'paused') === 'true' ? field('Paused', 'true') : undefined,
    troubles.length === 0 ? undefined : field('Why Not Ready', distinct(troubles)),
  ]);
  const tree = ownershipLines(object, relatives);
  return [
    formatDescription(head),
    formatTemplate(withoutHash(valueAt(object, 'spec', 'template'))),
    block('Conditions', conditionLines(object)),
    ...(tree.length === 0 ? [] : [block('Ownership', tree)]),
    block('Events', eventLines(events, nowMs)),
  ].join('');
}

function selector(object: DescribeInput['object']): string {
  const labels = Object.entries(valueAt(object, 'spec', 'selector', 'matchLabels') ?? {}).map(
    ([key, value]) => `${key}=${String(value)}`,
  );
  const expressions = listAt(object, 'spec', 'selector', 'matchExpressions').map((one) => {
    const values = valueAt(one, 'values');
    return `${textAt(one, 'key')} ${textAt(one, 'operator')}${Array.isArray(values) ? ` (${values.join(',')})` : ''}`;
  });
  return [...labels, ...expressions].join(',');
}

/** Fifty pods with the same trouble say it once; the rest is counted. */
function distinct(lines: readonly string[]): string[] {
  const shown = lines.slice(0, 5);
  return lines.length > shown.length ? [...shown, `and ${lines.length - shown.length} more`] : shown;
}
