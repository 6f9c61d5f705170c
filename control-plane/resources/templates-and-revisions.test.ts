import { describe, expect, it } from 'vitest';
import type { appsv1, corev1, Json } from '../../proto/index.ts';
import { controllerRevision } from './controller-revision.ts';
import { podTemplate } from './pod-template.ts';
import { replicationController } from './replication-controller.ts';
import { problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const template: Json = {
  metadata: { labels: { app: 'web', tier: 'x' } },
  spec: { containers: [{ name: 'web', image: 'nginx:1.25' }] },
};
const controller: Json = {
  apiVersion: 'v1',
  kind: 'ReplicationController',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { template },
};
const standing: Json = { apiVersion: 'v1', kind: 'PodTemplate', metadata: { name: 't', namespace: 'shop' }, template };
const revision: Json = {
  apiVersion: 'apps/v1',
  kind: 'ControllerRevision',
  metadata: {
    name: 'db-1',
    namespace: 'shop',
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'u', controller: true }],
  },
  revision: 2,
  data: { spec: { a: 1 } },
};
const lines = (causes: readonly { field: string; message: string }[] = []) =>
  causes.map((c) => `${c.field}: ${c.message}`);

describe('a replication controller', () => {
  it('takes selector and labels from its template, and one replica', () => {
    const object = readObject<corev1.ReplicationController>(controller);
    expect(object.spec?.replicas).toBe(1);
    expect(object.spec?.selector).toEqual({ app: 'web', tier: 'x' });
    expect(object.metadata?.labels).toEqual({ app: 'web', tier: 'x' });
    const own = withValue(withValue(controller, 'spec.selector', { app: 'web' }), 'metadata.labels', { a: 'b' });
    const kept = readObject<corev1.ReplicationController>(own);
    expect([kept.spec?.selector, kept.metadata?.labels]).toEqual([{ app: 'web' }, { a: 'b' }]);
    expect(problemsOf(own)).toEqual([]);
  });

  it.each<[path: string, value: Json | undefined, problem: string]>([
    ['spec.replicas', -1, 'spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    ['spec.minReadySeconds', -1, 'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0'],
    [
      'spec.selector',
      { app: 'other' },
      'spec.template.metadata.labels: Invalid value: {"app":"web","tier":"x"}: `selector` does not match template `labels`',
    ],
    [
      'spec.template.spec.restartPolicy',
      'Never',
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
  ])('is refused for %s %j', (path, value, problem) => {
    expectProblem(problemsOf(withValue(controller, path, value)), problem);
  });

  it('may select nothing, and is warned of it', () => {
    const lost = withValue(controller, 'spec.template.metadata', {});
    expect(problemsOf(lost)).toEqual([]);
    expect(replicationController.warnings?.(readObject(lost))).toEqual([
      'spec.selector: neither the selector nor the template has labels, so no pod is selected',
    ]);
  });

  it('needs a template', () => {
    const bare = withValue(withValue(controller, 'spec', { selector: { a: 'b' } }), 'spec.template', undefined);
    expect(problemsOf(bare)).toEqual(['spec.template: Required value']);
  });

  it('reports numbers that fit together', () => {
    const status = { replicas: 1, fullyLabeledReplicas: 2, readyReplicas: 0, availableReplicas: 1 };
    expect(lines(replicationController.validateStatusUpdate?.({ status }, {}))).toEqual([
      'status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas',
      'status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas',
    ]);
  });

  it('is shown as kubectl shows it, and orphans its pods when the API is not told otherwise', () => {
    const object = readObject<corev1.ReplicationController>(withValue(controller, 'status', { replicas: 3 }));
    expect(replicationController.columns.map((c) => [c.name, c.cell(object)])).toEqual([
      ['NAME', 'web'],
      ['DESIRED', '1'],
      ['CURRENT', '3'],
      ['READY', '0'],
      ['AGE', ''],
      ['CONTAINERS', 'web'],
      ['IMAGES', 'nginx:1.25'],
      ['SELECTOR', 'app=web,tier=x'],
    ]);
    expect(replicationController.defaultPropagation).toBe('Orphan');
    expect(replicationController.subresources?.scale?.selector(object)).toBe('app=web,tier=x');
  });

  it('warns of a name that pods cannot have', () => {
    const named = readObject<corev1.ReplicationController>(withValue(controller, 'metadata.name', 'a.b'));
    expect(replicationController.warnings?.(named)[0]).toContain('metadata.name: names and host names of pods');
  });
});

describe('a pod template', () => {
  it('may say any restart policy, and is checked like a pod', () => {
    expect(problemsOf(withValue(standing, 'template.spec.restartPolicy', 'Never'))).toEqual([]);
    expect(readObject<corev1.PodTemplate>(standing).template?.spec?.dnsPolicy).toBe('ClusterFirst');
    expectProblem(
      problemsOf(withValue(standing, 'template.spec.containers.0.image', undefined)),
      'template.spec.containers[0].image: Required value',
    );
    expectProblem(
      problemsOf(withValue(standing, 'template.metadata.labels', { '-': 'x' })),
      'template.metadata.labels.-: Invalid value: "-": name part must consist of…',
    );
  });

  it('is shown as kubectl shows it', () => {
    const object = readObject<corev1.PodTemplate>(standing);
    expect(podTemplate.columns.map((c) => [c.name, c.cell(object)])).toEqual([
      ['NAME', 't'],
      ['CONTAINERS', 'web'],
      ['IMAGES', 'nginx:1.25'],
      ['POD LABELS', 'app=web,tier=x'],
    ]);
  });
});

describe('a controller revision', () => {
  it.each<[path: string, value: Json | undefined, problem: string]>([
    ['data', undefined, 'data: Required value: data is mandatory'],
    ['data', [1], 'data: Invalid value: [1]: must be an object'],
    ['revision', -1, 'revision: Invalid value: -1: must be greater than or equal to 0'],
  ])('is refused for %s %j', (path, value, problem) => {
    expectProblem(problemsOf(withValue(revision, path, value)), problem);
  });

  it('keeps its data and may change its number', () => {
    expect(updateProblems(withValue(revision, 'revision', 3), revision)).toEqual([]);
    expect(updateProblems(withValue(revision, 'data.spec.a', 2), revision)).toEqual([
      'data: Invalid value: {"spec":{"a":2}}: field is immutable (it was {"spec":{"a":1}})',
    ]);
  });

  it('is shown with its controller', () => {
    const object = readObject<appsv1.ControllerRevision>(revision);
    expect(controllerRevision.columns.map((c) => [c.name, c.cell(object)])).toEqual([
      ['NAME', 'db-1'],
      ['CONTROLLER', 'statefulset.apps/db'],
      ['REVISION', '2'],
      ['AGE', ''],
    ]);
    expect(controllerRevision.columns[1]?.cell({})).toBe('<none>');
  });
});
