import { describe, expect, it } from 'vitest';
import { type appsv1, type Json, KINDS, toJson } from '../../proto/index.ts';
import { statefulSet } from './stateful-set.ts';
import { problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const claim: Json = {
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};
const set: Json = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db', namespace: 'shop' },
  spec: {
    serviceName: 'db',
    selector: { matchLabels: { app: 'db' } },
    template: {
      metadata: { labels: { app: 'db' } },
      spec: {
        containers: [{ name: 'db', image: 'postgres:16', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
      },
    },
    volumeClaimTemplates: [claim],
  },
};

describe('a stateful set', () => {
  it('is valid when it mounts a claim of its own', () => {
    expect(problemsOf(set)).toEqual([]);
  });

  it('gets the defaults of Kubernetes', () => {
    const { spec } = toJson(KINDS.StatefulSet.messageName, readObject(set)) as { spec: Record<string, Json> };
    expect(spec).toMatchObject({
      replicas: 1,
      revisionHistoryLimit: 10,
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      volumeClaimTemplates: [
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          spec: { volumeMode: 'Filesystem' },
          status: { phase: 'Pending' },
        },
      ],
    });
    const onDelete = readObject<appsv1.StatefulSet>(withValue(set, 'spec.updateStrategy', { type: 'OnDelete' }));
    expect(onDelete.spec?.updateStrategy).toEqual({ type: 'OnDelete' });
  });

  it.each<[path: string, value: Json | undefined, problem: string]>([
    ['metadata.name', 'd.b', 'metadata.name: Invalid value: "d.b": a lowercase RFC 1123 label…'],
    ['spec.replicas', -1, 'spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    ['spec.minReadySeconds', -1, 'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0'],
    ['spec.revisionHistoryLimit', -1, 'spec.revisionHistoryLimit: Invalid value: -1: must be…'],
    ['spec.ordinals', { start: -1 }, 'spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0'],
    ['spec.serviceName', 'D B', 'spec.serviceName: Invalid value: "D B": a lowercase RFC 1123 subdomain…'],
    [
      'spec.podManagementPolicy',
      'Random',
      'spec.podManagementPolicy: Unsupported value: "Random": supported values: "OrderedReady", "Parallel"',
    ],
    [
      'spec.updateStrategy',
      { type: 'Recreate' },
      'spec.updateStrategy.type: Unsupported value: "Recreate": supported values: "OnDelete", "RollingUpdate"',
    ],
    [
      'spec.updateStrategy',
      { type: 'OnDelete', rollingUpdate: { partition: 1 } },
      `spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy 'RollingUpdate'`,
    ],
    [
      'spec.updateStrategy',
      { rollingUpdate: { partition: -1 } },
      'spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      'spec.updateStrategy',
      { rollingUpdate: { maxUnavailable: 0 } },
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "0": cannot be 0',
    ],
    [
      'spec.updateStrategy',
      { rollingUpdate: { maxUnavailable: '120%' } },
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "120%": must not be greater than 100%',
    ],
    [
      'spec.persistentVolumeClaimRetentionPolicy',
      { whenScaled: 'Keep' },
      'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": supported values: "Delete", "Retain"',
    ],
    ['spec.selector', undefined, 'spec.selector: Required value'],
    ['spec.selector', {}, 'spec.selector: Invalid value: {}: empty selector is invalid for statefulset'],
    [
      'spec.selector',
      { matchLabels: { app: 'other' } },
      'spec.template.metadata.labels: Invalid value: {"app":"db"}: `selector` does not match template `labels`',
    ],
    [
      'spec.template.spec.restartPolicy',
      'Never',
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    [
      'spec.template.spec.activeDeadlineSeconds',
      5,
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported',
    ],
    ['spec.volumeClaimTemplates', [], 'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"'],
    [
      'spec.volumeClaimTemplates',
      [claim, claim],
      'spec.volumeClaimTemplates[1].metadata.name: Duplicate value: "data"',
    ],
    [
      'spec.volumeClaimTemplates.1',
      { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
      'spec.volumeClaimTemplates[1].metadata.name: Required value',
    ],
    [
      'spec.volumeClaimTemplates.0.spec.accessModes',
      [],
      'spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required',
    ],
  ])('is refused for %s %j', (path, value, problem) => {
    expectProblem(problemsOf(withValue(set, path, value)), problem);
  });

  it.each<[path: string, value: Json]>([
    ['spec.replicas', 5],
    ['spec.ordinals', { start: 3 }],
    ['spec.template.spec.containers.0.image', 'postgres:17'],
    ['spec.updateStrategy', { type: 'OnDelete' }],
    ['spec.revisionHistoryLimit', 3],
    ['spec.minReadySeconds', 3],
    ['spec.persistentVolumeClaimRetentionPolicy', { whenDeleted: 'Delete' }],
  ])('may change %s', (path, value) => {
    expect(updateProblems(withValue(set, path, value), set)).toEqual([]);
  });

  const rule =
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', " +
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden; ";
  it.each<[path: string, value: Json, what: string]>([
    ['spec.serviceName', 'web', 'serviceName was "db" and would be "web"'],
    ['spec.podManagementPolicy', 'Parallel', 'podManagementPolicy was "OrderedReady" and would be "Parallel"'],
    [
      'spec.volumeClaimTemplates.0.spec.resources.requests.storage',
      '2Gi',
      'volumeClaimTemplates[0].spec.resources.requests was {"storage":"1Gi"} and would be {"storage":"2Gi"}',
    ],
  ])('may not change %s, and says what it was', (path, value, what) => {
    expect(updateProblems(withValue(set, path, value), set)).toEqual([rule + what]);
  });

  it('reports numbers that fit together', () => {
    const problems = (status: object, old: object = {}) =>
      (statefulSet.validateStatusUpdate?.({ status }, { status: old }) ?? []).map((c) => `${c.field}: ${c.message}`);
    expect(problems({ replicas: 3, readyReplicas: 3, currentReplicas: 1, updatedReplicas: 2 })).toEqual([]);
    expect(problems({ replicas: 1, readyReplicas: 2 })).toEqual([
      'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
    ]);
    expect(problems({ replicas: 2, availableReplicas: 1 })).toEqual([
      'status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas',
    ]);
    expect(problems({ replicas: -1 })[0]).toBe(
      'status.replicas: Invalid value: -1: must be greater than or equal to 0',
    );
    expect(problems({ collisionCount: 1 }, { collisionCount: 2 })).toEqual([
      'status.collisionCount: Invalid value: 1: cannot be decremented',
    ]);
  });

  it('is shown as kubectl shows it, and scaled by its replicas', () => {
    const object = readObject<appsv1.StatefulSet>(withValue(set, 'status', { readyReplicas: 2 }));
    const cells = statefulSet.columns.map((column) => [column.name, column.cell(object)]);
    expect(cells).toEqual([
      ['NAME', 'db'],
      ['READY', '2/1'],
      ['AGE', ''],
      ['CONTAINERS', 'db'],
      ['IMAGES', 'postgres:16'],
    ]);
    const scale = statefulSet.subresources?.scale;
    scale?.setSpecReplicas(object, 4);
    expect(scale?.specReplicas(object)).toBe(4);
    expect(scale?.selector(object)).toBe('app=db');
  });
});
