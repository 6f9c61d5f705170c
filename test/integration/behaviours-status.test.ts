/**
 * The status as a subresource, as the behaviour list has it for each kind: patched and replaced on its own, never changing the spec;
 * a write of the object never changes the status. And scale, the same for the number of replicas.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findDefinition } from '../../control-plane/resources/registry.ts';
import { apiv1, type JsonObject } from '../../proto/index.ts';
import { exampleOf } from '../harness/example-objects.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { JsonApi, nameOf, withMetadata } from './behaviours-api.ts';

const TIME = '2026-01-02T03:04:05Z';
const condition = (type: string, more: JsonObject = {}): JsonObject => ({
  type,
  status: 'True',
  reason: 'Patched',
  message: 'set by a patch',
  lastTransitionTime: TIME,
  ...more,
});
const replaced = (type: string, more: JsonObject = {}): JsonObject =>
  condition(type, { reason: 'Replaced', message: 'set by an update', ...more });
const address = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } };
const addresses = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }, { hostname: 'front.example.com' }] } };

interface StatusRow {
  readonly rows: string;
  readonly version: string;
  readonly kind: string;
  /** What the patch sets, and what the update that follows does. */
  readonly patch: JsonObject;
  readonly update: JsonObject;
  /** What of the metadata comes with a write of the status; labels and annotations unless said. */
  readonly metadata?: readonly ('labels' | 'annotations')[];
  /** A write of the object puts back what the server itself says in the status. */
  readonly completed?: boolean;
}

const STATUSES: readonly StatusRow[] = [
  {
    rows: 'sig-apps 6',
    version: 'batch/v1',
    kind: 'CronJob',
    patch: { lastScheduleTime: TIME },
    update: { lastScheduleTime: '2026-02-03T04:05:06Z' },
  },
  {
    rows: 'sig-apps 13',
    version: 'apps/v1',
    kind: 'DaemonSet',
    patch: { conditions: [condition('StatusPatched')] },
    update: { conditions: [replaced('StatusUpdate')] },
  },
  {
    rows: 'sig-apps 20 and 21',
    version: 'apps/v1',
    kind: 'Deployment',
    patch: { conditions: [condition('StatusPatched')] },
    update: { readyReplicas: 1, replicas: 1, conditions: [replaced('StatusUpdate')] },
    metadata: ['annotations'],
  },
  {
    rows: 'sig-apps 26',
    version: 'policy/v1',
    kind: 'PodDisruptionBudget',
    patch: { disruptedPods: { galley: TIME } },
    update: { disruptionsAllowed: 2 },
  },
  {
    rows: 'sig-apps 30',
    version: 'batch/v1',
    kind: 'Job',
    patch: { startTime: TIME, active: 1, conditions: [condition('CustomConditionType', { lastProbeTime: TIME })] },
    update: { startTime: TIME, active: 2, conditions: [replaced('CustomConditionType')] },
  },
  {
    rows: 'sig-apps 46',
    version: 'apps/v1',
    kind: 'ReplicaSet',
    patch: { conditions: [condition('StatusPatched')] },
    update: { replicas: 2, conditions: [replaced('StatusUpdate')] },
  },
  {
    rows: 'sig-apps 60',
    version: 'apps/v1',
    kind: 'StatefulSet',
    patch: { conditions: [condition('StatusPatched')] },
    update: { replicas: 2, conditions: [replaced('StatusUpdate')] },
  },
  {
    rows: 'sig-apps 52',
    version: 'v1',
    kind: 'ReplicationController',
    patch: { replicas: 1, readyReplicas: 1 },
    update: { replicas: 2, conditions: [replaced('StatusUpdate')] },
  },
  {
    rows: 'sig-auth 1',
    version: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    patch: { conditions: [condition('StatusPatched', { lastUpdateTime: TIME })] },
    update: { conditions: [replaced('StatusUpdate')] },
  },
  { rows: 'sig-network 21', version: 'networking.k8s.io/v1', kind: 'Ingress', patch: address, update: addresses },
  {
    rows: 'sig-network 40',
    version: 'v1',
    kind: 'Service',
    patch: { conditions: [condition('StatusPatched')] },
    update: { conditions: [replaced('StatusUpdate')] },
  },
  {
    rows: 'sig-node 42',
    version: 'v1',
    kind: 'Node',
    patch: { conditions: [condition('StatusPatched')] },
    update: { phase: 'Running', conditions: [replaced('StatusUpdate')] },
  },
  {
    rows: 'sig-node 59 and 60',
    version: 'v1',
    kind: 'Pod',
    patch: { message: 'Patched by a test', reason: 'Patched' },
    update: { phase: 'Pending', conditions: [replaced('StatusUpdate')] },
  },
  {
    rows: 'sig-storage 44',
    version: 'v1',
    kind: 'PersistentVolume',
    patch: { phase: 'Released', message: 'StatusPatched', reason: 'E2E' },
    update: { phase: 'Available', message: 'StatusUpdated' },
  },
  {
    rows: 'sig-storage 44',
    version: 'v1',
    kind: 'PersistentVolumeClaim',
    patch: { phase: 'Pending', conditions: [condition('StatusPatched')] },
    update: { phase: 'Pending', conditions: [replaced('StatusUpdate')] },
  },
  {
    rows: 'sig-storage 89',
    version: 'storage.k8s.io/v1',
    kind: 'VolumeAttachment',
    patch: { attached: true, attachmentMetadata: { device: 'a' } },
    update: { attached: true, attachmentMetadata: { device: 'b' } },
    metadata: [],
  },
  {
    rows: 'sig-api-machinery 34',
    version: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    patch: { conditions: [condition('StatusPatched')] },
    update: { conditions: [replaced('StatusUpdate')] },
    metadata: [],
    completed: true,
  },
  {
    rows: 'sig-api-machinery 75',
    version: 'v1',
    kind: 'ResourceQuota',
    patch: { hard: { pods: '10' }, used: { pods: '3' } },
    update: { hard: { pods: '9' }, used: { pods: '2' } },
  },
  {
    rows: 'no row of its own',
    version: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    patch: { currentReplicas: 1, desiredReplicas: 2, conditions: [condition('AbleToScale')] },
    update: { currentReplicas: 2, desiredReplicas: 2, conditions: [replaced('AbleToScale')] },
  },
  {
    rows: 'no row of its own, the older version',
    version: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    patch: { currentReplicas: 1, desiredReplicas: 2 },
    update: { currentReplicas: 2, desiredReplicas: 2, currentCPUUtilizationPercentage: 40 },
  },
  {
    rows: 'no row of its own',
    version: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    patch: { conditions: [condition('Available')] },
    update: { conditions: [replaced('Available')] },
    metadata: [],
  },
];

describe.skipIf(apiUnavailable() !== undefined)('the status of', () => {
  let under: ServerUnderTest;
  let api: JsonApi;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    api = new JsonApi(under.connect());
  });
  afterAll(() => under?.stop());

  const table = STATUSES.map((row) => [row.kind, row.rows, row] as const);
  test.each(table)('%s is patched, replaced and read on its own (%s)', async (kind, _rows, row) => {
    const definition = findDefinition(row.version, kind);
    if (definition === undefined) throw new Error(`${kind} is not served`);
    const created = await api.create(await exampleOf(definition));
    const { namespace } = created.metadata as { namespace?: string };
    const at = { apiVersion: row.version, kind, namespace: namespace ?? '', name: nameOf(created) };
    const status = { ...at, subresource: 'status' };
    const carried = row.metadata ?? ['labels', 'annotations'];

    // A spec that comes along changes nothing; labels and annotations do, except where the kind keeps them apart.
    const metadata = { labels: { with: 'status' }, annotations: { patchedstatus: 'true' } };
    const patched = await api.patch(status, { metadata, spec: null, status: row.patch });
    expect(patched).toMatchObject({ status: row.patch });
    expect(patched.spec).toEqual(created.spec);
    expect(patched.metadata).toMatchObject({ uid: (created.metadata as JsonObject).uid });
    const { labels = {}, annotations = {} } = patched.metadata as { labels?: JsonObject; annotations?: JsonObject };
    expect([labels.with, annotations.patchedstatus]).toEqual([
      carried.includes('labels') ? 'status' : undefined,
      carried.includes('annotations') ? 'true' : undefined,
    ]);
    expect((patched.metadata as JsonObject).generation).toBe((created.metadata as JsonObject).generation);

    const { spec: _spec, ...unspecified } = patched;
    const updated = await api.update(
      { ...unspecified, status: { ...(patched.status as JsonObject), ...row.update } },
      'status',
    );
    expect(updated).toMatchObject({ status: row.update });
    expect(updated.spec).toEqual(created.spec);
    expect(await api.get(status)).toEqual(updated);
    expect(await api.get(at)).toEqual(updated);

    // The other way round: a write of the object leaves the status as it is.
    const { status: _status, ...rest } = updated;
    const written = await api.update(withMetadata({ ...rest, status: row.patch }, { labels: { written: 'yes' } }));
    if (row.completed !== true) expect(written.status).toEqual(updated.status);
    else
      expect(written.status).toMatchObject({
        conditions: expect.arrayContaining(row.update.conditions as JsonObject[]),
      });
    expect(written.metadata).toMatchObject({ labels: { written: 'yes' } });
    await expect(api.update(updated, 'status')).rejects.toMatchObject({ reason: 'Conflict' });
    if (carried.includes('annotations')) {
      const wrong = api.patch(status, { metadata: { annotations: { 'no good': '' } } });
      await expect(wrong).rejects.toThrow('metadata.annotations.no good: Invalid value: "no good"');
    }
    await api.delete(at, { gracePeriodSeconds: 0 });
  });
});

describe.skipIf(apiUnavailable() !== undefined)('the scale of', () => {
  let under: ServerUnderTest;
  let api: JsonApi;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    api = new JsonApi(under.connect());
  });
  afterAll(() => under?.stop());

  const table: readonly (readonly [kind: string, rows: string, apiVersion: string])[] = [
    ['Deployment', 'sig-apps 14', 'apps/v1'],
    ['ReplicaSet', 'sig-apps 42', 'apps/v1'],
    ['StatefulSet', 'sig-apps 56', 'apps/v1'],
    ['ReplicationController', 'sig-apps 48', 'v1'],
  ];
  test.each(table)(
    '%s is read, replaced and patched, and moves replicas only (%s)',
    async (kind, _rows, apiVersion) => {
      const definition = findDefinition(apiVersion, kind);
      if (definition === undefined) throw new Error(`${kind} is not served`);
      const created = await api.create(await exampleOf(definition));
      const { replicas } = created.spec as { replicas: number };
      const at = { apiVersion, kind, namespace: 'default', name: nameOf(created) };
      const scale = { ...at, subresource: 'scale' };
      const read = await api.get(scale);
      const { resourceVersion, uid } = created.metadata as { resourceVersion: string; uid: string };
      expect(read).toMatchObject({
        apiVersion: 'autoscaling/v1',
        kind: 'Scale',
        metadata: { name: at.name, namespace: 'default', resourceVersion, uid },
        spec: { replicas },
      });

      const target = { ...scale };
      const update = (replicasWanted: number, version: string): Promise<unknown> =>
        api.connection.unary(apiv1.ResourcesService.update, {
          target,
          json: Buffer.from(
            JSON.stringify({ ...withMetadata(read, { resourceVersion: version }), spec: { replicas: replicasWanted } }),
          ),
          output: apiv1.Output.JSON,
        });
      await update(replicas + 1, resourceVersion);
      expect(await api.get(at)).toMatchObject({ spec: { replicas: replicas + 1 }, metadata: { generation: 2 } });
      await expect(update(9, resourceVersion)).rejects.toMatchObject({ reason: 'Conflict' });

      expect(await api.patch(scale, { spec: { replicas: replicas + 2 } })).toMatchObject({
        kind: 'Scale',
        spec: { replicas: replicas + 2 },
      });
      await expect(api.patch(scale, { spec: { replicas: -1 } })).rejects.toMatchObject({ reason: 'Invalid' });
      const after = await api.get(at);
      expect(after.spec).toEqual({ ...(created.spec as JsonObject), replicas: replicas + 2 });
    },
  );
});
