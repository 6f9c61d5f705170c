import { describe, expect, it } from 'vitest';
import { type appsv1, type Json, KINDS, toJson } from '../../proto/index.ts';
import { daemonSet } from './daemon-set.ts';
import { problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const set: Json = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'agent', namespace: 'shop' },
  spec: {
    selector: { matchLabels: { app: 'agent' } },
    template: {
      metadata: { labels: { app: 'agent' } },
      spec: { nodeSelector: { disk: 'ssd', arch: 'arm' }, containers: [{ name: 'agent', image: 'agent:1' }] },
    },
  },
};
const R = 'spec.updateStrategy.rollingUpdate';

describe('a daemon set', () => {
  it('is valid and gets the defaults of Kubernetes', () => {
    expect(problemsOf(set)).toEqual([]);
    expect(toJson(KINDS.DaemonSet.messageName, readObject(set)).spec).toMatchObject({
      revisionHistoryLimit: 10,
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    });
  });

  it.each<[path: string, value: Json | undefined, problem: string]>([
    ['spec.minReadySeconds', -1, 'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0'],
    ['spec.revisionHistoryLimit', -1, 'spec.revisionHistoryLimit: Invalid value: -1: must be…'],
    ['spec.selector', undefined, 'spec.selector: Required value'],
    ['spec.selector', {}, 'spec.selector: Invalid value: {}: empty selector is invalid for daemonset'],
    [
      'spec.template.metadata.labels',
      { app: 'x' },
      'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`',
    ],
    [
      'spec.template.spec.restartPolicy',
      'OnFailure',
      'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',
    ],
    [
      'spec.updateStrategy',
      { type: 'Other' },
      'spec.updateStrategy.type: Unsupported value: "Other": supported values: "OnDelete", "RollingUpdate"',
    ],
    [R, { maxUnavailable: 0 }, `${R}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0`],
    [R, { maxSurge: 1 }, `${R}.maxSurge: Invalid value: "1": may not be set when maxUnavailable is non-zero`],
    [R, { maxUnavailable: 'x' }, `${R}.maxUnavailable: Invalid value: "x": must be an integer or percentage…`],
    [R, { maxUnavailable: 0, maxSurge: '101%' }, `${R}.maxSurge: Invalid value: "101%": must not be greater than 100%`],
  ])('is refused for %s %j', (path, value, problem) => {
    expectProblem(problemsOf(withValue(set, path, value)), problem);
  });

  it('may surge instead of going away first, and change all but its selector', () => {
    expect(problemsOf(withValue(set, R, { maxUnavailable: 0, maxSurge: '50%' }))).toEqual([]);
    expect(updateProblems(withValue(set, 'spec.template.spec.hostNetwork', true), set)).toEqual([]);
    const both = withValue(set, 'spec.template.metadata.labels', { app: 'agent', a: 'b' });
    expect(updateProblems(withValue(both, 'spec.selector.matchLabels', { app: 'agent', a: 'b' }), set)).toEqual([
      'spec.selector: Invalid value: {"matchLabels":{"a":"b","app":"agent"}}: field is immutable ' +
        '(matchLabels was {"app":"agent"} and would be {"a":"b","app":"agent"})',
    ]);
  });

  it('reports no negative numbers', () => {
    const status = { numberReady: -1, collisionCount: 0 };
    const causes = daemonSet.validateStatusUpdate?.({ status }, { status: { collisionCount: 1 } }) ?? [];
    expect(causes.map((c) => c.field)).toEqual(['status.numberReady', 'status.collisionCount']);
  });

  it('is shown as kubectl shows it', () => {
    const status = { desiredNumberScheduled: 3, currentNumberScheduled: 3, numberReady: 2, numberAvailable: 1 };
    const object = readObject<appsv1.DaemonSet>(withValue(set, 'status', status));
    expect(daemonSet.columns.map((c) => [c.name, c.cell(object)])).toEqual([
      ['NAME', 'agent'],
      ['DESIRED', '3'],
      ['CURRENT', '3'],
      ['READY', '2'],
      ['UP-TO-DATE', '0'],
      ['AVAILABLE', '1'],
      ['NODE SELECTOR', 'arch=arm,disk=ssd'],
      ['AGE', ''],
      ['CONTAINERS', 'agent'],
      ['IMAGES', 'agent:1'],
      ['SELECTOR', 'app=agent'],
    ]);
  });
});
