/** Over a real server: ephemeral containers, what the server makes of a new Job, scaling, and selecting by fields. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { apiv1, type Json, type JsonObject } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService } = apiv1;
const output = apiv1.Output.JSON;

describe.skipIf(apiUnavailable() !== undefined)('workloads', () => {
  let under: ServerUnderTest;
  let connection: GrpcConnection;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
  });
  afterAll(() => under?.stop());

  const bytes = (json: Json): Buffer => Buffer.from(JSON.stringify(json));
  const target = (resource: string, name = '', subresource = ''): apiv1.Target => ({
    resource,
    namespace: 'default',
    name,
    subresource,
  });
  const read = (reply: apiv1.ObjectReply): JsonObject =>
    JSON.parse(Buffer.from(reply.json ?? []).toString()) as JsonObject;
  const create = (resource: string, json: Json) =>
    connection.unary(ResourcesService.create, { target: target(resource), json: bytes(json), output });
  const patch = (at: apiv1.Target, body: Json, type = apiv1.PatchType.STRATEGIC) =>
    connection.unary(ResourcesService.patch, { target: at, type, patch: bytes(body), output });
  const list = async (resource: string, fieldSelector: string): Promise<string[]> => {
    const reply = await connection.unary(ResourcesService.list, { target: target(resource), fieldSelector, output });
    const names = reply.items?.map(
      ({ json }) => JSON.parse(Buffer.from(json ?? []).toString()) as { metadata: { name: string } },
    );
    return names?.map(({ metadata }) => metadata.name) ?? [];
  };

  const template = (app: string, more: JsonObject = {}): JsonObject => ({
    metadata: { labels: { app } },
    spec: { containers: [{ name: 'main', image: 'registry.example/app:1' }], ...more },
  });
  const pod = (name: string, more: JsonObject = {}): JsonObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { ...(template(name).spec as JsonObject), ...more },
  });
  const looker = (name: string, more: JsonObject = {}): JsonObject => ({ name, image: 'busybox:1', ...more });

  test('ephemeral containers are added to a pod, kept, and warned of; the pod stays what it was otherwise', async () => {
    await create('pods', pod('seen'));
    const at = target('pods', 'seen', 'ephemeralcontainers');
    const added = await patch(at, {
      metadata: { labels: { ignored: 'yes' } },
      spec: { hostname: 'ignored', ephemeralContainers: [looker('debug', { targetContainerName: 'main', tty: true })] },
    });
    expect(added.warnings).toEqual(['spec.ephemeralContainers is stored but ephemeral containers are not started yet']);
    const object = read(added);
    expect(object).toMatchObject({
      metadata: { generation: 2 },
      spec: {
        ephemeralContainers: [
          {
            name: 'debug',
            image: 'busybox:1',
            imagePullPolicy: 'IfNotPresent',
            targetContainerName: 'main',
            tty: true,
          },
        ],
      },
    });
    expect(object.spec).not.toHaveProperty('hostname');
    expect((object.metadata as JsonObject).labels).toBeUndefined();

    const second = await patch(at, { spec: { ephemeralContainers: [looker('more')] } });
    const names = (read(second).spec as { ephemeralContainers: { name: string }[] }).ephemeralContainers;
    expect(names.map(({ name }) => name).sort()).toEqual(['debug', 'more']);
    const got = await connection.unary(ResourcesService.get, { target: at, output });
    expect(read(got)).toEqual(read(second));
  });

  test('one that is there is neither changed nor removed, and only this way in adds one', async () => {
    await create('pods', pod('kept'));
    const at = target('pods', 'kept', 'ephemeralcontainers');
    await patch(at, { spec: { ephemeralContainers: [looker('debug')] } });
    const field = 'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be';
    await expect(patch(at, { spec: { ephemeralContainers: [looker('debug', { image: 'other' })] } })).rejects.toThrow(
      `${field} changed; image was "busybox:1" and would be "other"`,
    );
    const none = { spec: { ephemeralContainers: null } };
    await expect(patch(at, none, apiv1.PatchType.MERGE)).rejects.toThrow(`${field} removed`);
    await expect(patch(target('pods', 'kept'), { spec: { ephemeralContainers: [looker('x')] } })).rejects.toThrow(
      'spec.ephemeralContainers: Forbidden: pod updates may not change fields other than',
    );
    await expect(create('pods', pod('new', { ephemeralContainers: [looker('debug')] }))).rejects.toThrow(
      'spec.ephemeralContainers: Forbidden: cannot be set on create',
    );
    // Whatever else changes, they stay.
    const labelled = await patch(target('pods', 'kept'), { metadata: { labels: { a: 'b' } } });
    expect(read(labelled)).toMatchObject({ spec: { ephemeralContainers: [{ name: 'debug' }] } });
  });

  test('a new job gets its labels and selector, and applying it again changes nothing', async () => {
    const job: JsonObject = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'sum', namespace: 'default' },
      spec: { template: template('sum', { restartPolicy: 'Never' }) },
    };
    const apply = () => connection.unary(ResourcesService.apply, { json: bytes(job), output });
    const created = read(await apply());
    const { uid } = created.metadata as { uid: string };
    const labels = { app: 'sum', 'batch.kubernetes.io/job-name': 'sum', 'controller-uid': uid };
    expect(created).toMatchObject({
      metadata: { generation: 1, labels: { app: 'sum' } },
      spec: {
        selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } },
        template: { metadata: { labels } },
      },
      status: {},
    });
    expect((await apply()).action).toBe(apiv1.Action.UNCHANGED);
    expect(await list('jobs', 'status.successful=0')).toContain('sum');
    expect(await list('jobs', 'status.successful=1')).toEqual([]);
    await expect(
      patch(target('jobs', 'sum'), { spec: { template: template('sum', { hostname: 'x' }) } }),
    ).rejects.toThrow('field is immutable (spec.hostname was null and would be "x")');
    expect(read(await patch(target('jobs', 'sum'), { spec: { suspend: true } }))).toMatchObject({
      spec: { suspend: true },
    });
  });

  test.each<[resource: string, apiVersion: string, kind: string]>([
    ['statefulsets', 'apps/v1', 'StatefulSet'],
    ['replicationcontrollers', 'v1', 'ReplicationController'],
  ])('%s are scaled', async (resource, apiVersion, kind) => {
    const selector = kind === 'StatefulSet' ? { matchLabels: { app: 'web' } } : { app: 'web' };
    const spec = { replicas: 1, selector, template: template('web') };
    const created = await create(resource, { apiVersion, kind, metadata: { name: 'web' }, spec });
    expect(created.warnings?.join('\n')).toContain(`${kind} is stored but no controller makes pods of it`);
    const scale = await connection.unary(ResourcesService.get, { target: target(resource, 'web', 'scale'), output });
    expect(read(scale)).toMatchObject({ kind: 'Scale', spec: { replicas: 1 }, status: { selector: 'app=web' } });
    await patch(target(resource, 'web', 'scale'), { spec: { replicas: 3 } }, apiv1.PatchType.MERGE);
    const after = await connection.unary(ResourcesService.get, { target: target(resource, 'web'), output });
    expect(read(after)).toMatchObject({ spec: { replicas: 3 }, metadata: { generation: 2 } });
  });

  test('a cron job may not have a name too long for its jobs', async () => {
    const json = {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'a'.repeat(53) },
      spec: { schedule: '@daily', jobTemplate: { spec: { template: template('x', { restartPolicy: 'Never' }) } } },
    };
    await expect(create('cronjobs', json)).rejects.toThrow('metadata.name: Invalid value: "aaa');
  });

  test('a status that cannot be is refused', async () => {
    await create('statefulsets', {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'counted' },
      spec: { selector: { matchLabels: { app: 'c' } }, template: template('c') },
    });
    const at = target('statefulsets', 'counted', 'status');
    await expect(patch(at, { status: { replicas: 1, readyReplicas: 2 } }, apiv1.PatchType.MERGE)).rejects.toThrow(
      'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
    );
    expect(read(await patch(at, { status: { replicas: 2, readyReplicas: 2 } }, apiv1.PatchType.MERGE))).toMatchObject({
      status: { replicas: 2, readyReplicas: 2, availableReplicas: 0 },
    });
  });
});
