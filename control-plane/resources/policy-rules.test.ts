import { describe, expect, it } from 'vitest';
import type { Json } from '../../proto/index.ts';
import { problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { expectProblem, type Row, valid } from './valid-objects.ts';

const ITEM = 'spec.limits.0';
const scoped = (scopes: string[], hard: Record<string, string>): Json =>
  withValue(withValue(valid('ResourceQuota'), 'spec.scopes', scopes), 'spec.hard', hard);

describe('quotas, ranges, classes and budgets are refused when', () => {
  const rows: readonly Row[] = [
    [
      'ResourceQuota',
      'spec.hard.sheep',
      '3',
      'spec.hard.sheep: Invalid value: "sheep": must be a standard resource for quota',
    ],
    ['ResourceQuota', 'spec.hard.pods', '1500m', 'spec.hard.pods: Invalid value: "1500m": must be an integer'],
    [
      'ResourceQuota',
      'spec.hard.pods',
      '-1',
      'spec.hard.pods: Invalid value: "-1": must be greater than or equal to 0',
    ],
    [
      'ResourceQuota',
      'spec.scopes',
      ['BestEffort'],
      'spec.scopes: Invalid value: "BestEffort": unsupported scope applied to resource',
    ],
    [
      'ResourceQuota',
      'spec.scopes',
      ['Terminating', 'NotTerminating'],
      'spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes',
    ],
    [
      'ResourceQuota',
      'spec.scopeSelector',
      { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In' }] },
      'spec.scopeSelector.matchExpressions[0].values: Required value: must be at least one…',
    ],
    [
      'ResourceQuota',
      'spec.scopeSelector',
      { matchExpressions: [{ scopeName: 'Terminating', operator: 'DoesNotExist' }] },
      'spec.scopeSelector.matchExpressions[0].operator: Invalid value: "DoesNotExist": must be \'Exist\'…',
    ],
    ['LimitRange', 'spec.limits', undefined, 'spec.limits: Required value'],
    [
      'LimitRange',
      `${ITEM}.min.memory`,
      '2Gi',
      'spec.limits[0].min.memory: Invalid value: "2Gi": min value 2Gi is greater than max value 1Gi…',
    ],
    [
      'LimitRange',
      `${ITEM}.maxLimitRequestRatio`,
      { memory: '500m' },
      'spec.limits[0].maxLimitRequestRatio.memory: Invalid value: "500m": ratio 500m is less than 1',
    ],
    [
      'LimitRange',
      `${ITEM}.maxLimitRequestRatio`,
      { memory: '65' },
      'spec.limits[0].maxLimitRequestRatio.memory: Invalid value: "65": ratio 65 is greater than max/min = 64.000000',
    ],
    [
      'LimitRange',
      `${ITEM}.maxLimitRequestRatio.sheep`,
      '1',
      'spec.limits[0].maxLimitRequestRatio.sheep: Invalid value: "sheep": must be a standard…',
    ],
    [
      'PriorityClass',
      'value',
      1_000_000_001,
      'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
    ],
    [
      'PriorityClass',
      'metadata.name',
      'system-x',
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only",
    ],
    [
      'PodDisruptionBudget',
      'spec.maxUnavailable',
      1,
      'spec: Invalid value: "{…}": minAvailable and maxUnavailable cannot be both set',
    ],
    [
      'PodDisruptionBudget',
      'spec.minAvailable',
      -1,
      'spec.minAvailable: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      'PodDisruptionBudget',
      'spec.minAvailable',
      '101%',
      'spec.minAvailable: Invalid value: "101%": must not be greater than 100%',
    ],
    [
      'PodDisruptionBudget',
      'spec.minAvailable',
      'some',
      'spec.minAvailable: Invalid value: "some": a valid percent string…',
    ],
    [
      'PodDisruptionBudget',
      'spec.unhealthyPodEvictionPolicy',
      'Never',
      'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never"…',
    ],
  ];
  it.each(rows)('%s: %s is %j', (kind, path, value, problem) => {
    const problems = problemsOf(withValue(valid(kind), path, value));
    // A bound above another is above those derived from it, too: the first is the one that was written.
    expectProblem(problem.endsWith('max value 1Gi…') ? problems.slice(0, 1) : problems, problem);
  });
});

describe('what is valid', () => {
  it.each([
    ['quotas of best-effort pods', scoped(['BestEffort'], { pods: '1' })],
    ['quotas of ending pods', scoped(['Terminating', 'NotBestEffort'], { pods: '1', 'limits.cpu': '1', cpu: '1' })],
    [
      'quotas of everything else',
      withValue(valid('ResourceQuota'), 'spec.hard', {
        'count/deployments.apps': '1',
        'gold.storageclass.storage.k8s.io/requests.storage': '10Gi',
        'requests.example.com/gpu': '4',
        'requests.hugepages-2Mi': '1Gi',
        'services.nodeports': '2',
      }),
    ],
    ['budgets of nothing', withValue(valid('PodDisruptionBudget'), 'spec', {})],
  ])('%s', (_, json) => expect(problemsOf(json)).toEqual([]));
});

describe('what may not change', () => {
  const rows: readonly Row[] = [
    ['PriorityClass', 'value', 8, 'value: Invalid value: 8: field is immutable (it was 7)'],
    ['PriorityClass', 'preemptionPolicy', 'Never', 'preemptionPolicy: Invalid value: "Never": field is immutable…'],
    [
      'ResourceQuota',
      'spec.scopes',
      ['NotBestEffort'],
      'spec.scopes: Invalid value: ["NotBestEffort"]: field is immutable…',
    ],
  ];
  it.each(rows)('%s: %s', (kind, path, value, problem) => {
    expectProblem(updateProblems(withValue(valid(kind), path, value), valid(kind)), problem);
  });
});

describe('the defaults of a LimitRange', () => {
  const limits = (item: Json): unknown => {
    const json = withValue(valid('LimitRange'), 'spec.limits', [item]);
    return (readObject(json) as { spec?: { limits?: unknown[] } }).spec?.limits?.[0];
  };
  it('come from max, then from what is limited, then from min', () => {
    expect(limits({ type: 'Container', max: { cpu: '2' }, min: { cpu: '1', memory: '1Gi' } })).toMatchObject({
      default: { cpu: '2' },
      defaultRequest: { cpu: '2', memory: '1Gi' },
    });
    expect(limits({ type: 'Pod', max: { cpu: '2' } })).not.toHaveProperty('default');
  });
});
