/** Several managers at one deployment, in random order, through the whole server: defaults, admission, validation, etcd. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareFields } from '../../control-plane/merge/compare-fields.ts';
import { pathsOf } from '../../control-plane/merge/field-set.ts';
import { fromFieldsV1, printPath, toFieldsV1 } from '../../control-plane/merge/fields-v1.ts';
import { messageNode } from '../../control-plane/merge/schema-node.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { hasReason } from '../../lib/errors.ts';
import { apiv1, type JsonObject } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService } = apiv1;
const NODE = messageNode('skiff.apps.v1.Deployment');

type Step =
  | { readonly type: 'apply'; readonly manager: string; readonly spec: JsonObject; readonly force: boolean }
  | { readonly type: 'patch' | 'client'; readonly manager: string; readonly spec: JsonObject }
  | { readonly type: 'scale'; readonly manager: string; readonly replicas: number };

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const text = fc.constantFrom('x', 'y');
const container = (name: string): fc.Arbitrary<JsonObject> =>
  fc
    .record(
      {
        image: text,
        env: fc.uniqueArray(fc.record({ name: fc.constantFrom('A', 'B'), value: text }), {
          selector: ({ name: key }) => key,
          minLength: 1,
        }),
        ports: fc.uniqueArray(fc.record({ containerPort: fc.constantFrom(80, 81), name: fc.constantFrom('p', 'q') }), {
          selector: ({ containerPort }) => containerPort,
          minLength: 1,
          maxLength: 1,
        }),
        resources: fc.record({
          limits: fc.record(
            { cpu: fc.constantFrom('1', '500m'), memory: fc.constant('1Gi') },
            { requiredKeys: ['cpu'] },
          ),
        }),
        command: fc.array(text, { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: ['image'] },
    )
    .map((rest) => ({ name, ...rest }) as JsonObject);
const spec = fc
  .record({
    replicas: optional(fc.integer({ min: 1, max: 3 })),
    minReadySeconds: optional(fc.integer({ min: 1, max: 2 })),
    strategy: optional(
      fc.constantFrom<JsonObject>(
        {},
        { type: 'Recreate', rollingUpdate: null },
        { type: 'RollingUpdate' },
        { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } },
      ),
    ),
    labels: optional(fc.dictionary(fc.constantFrom('a', 'b'), text, { minKeys: 1, noNullPrototype: true })),
    nodeSelector: optional(fc.dictionary(fc.constantFrom('n', 'm'), text, { minKeys: 1, noNullPrototype: true })),
    containers: fc.tuple(optional(container('web')), optional(container('log'))),
  })
  .map(({ labels, nodeSelector, containers, ...rest }): JsonObject => {
    const template = {
      metadata: { labels: { ...labels, app: 'web' } },
      spec: {
        containers: containers.filter((one) => one !== undefined),
        ...(nodeSelector === undefined ? {} : { nodeSelector }),
      },
    };
    const given = Object.entries(rest).filter(
      (entry): entry is [string, NonNullable<(typeof entry)[1]>] => entry[1] !== undefined,
    );
    return { ...Object.fromEntries(given), selector: { matchLabels: { app: 'web' } }, template };
  });
const manager = fc.constantFrom('alice', 'bob', 'skiff');
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.record({ type: fc.constant('apply' as const), manager, spec, force: fc.boolean() }), weight: 4 },
  { arbitrary: fc.record({ type: fc.constantFrom('patch' as const, 'client' as const), manager, spec }), weight: 1 },
  {
    arbitrary: fc.record({ type: fc.constant('scale' as const), manager, replicas: fc.integer({ min: 1, max: 4 }) }),
    weight: 1,
  },
);

describe.skipIf(apiUnavailable() !== undefined)('several managers of one deployment', () => {
  let under: ServerUnderTest;
  let connection: GrpcConnection;
  let made = 0;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
  });
  afterAll(() => under?.stop());

  const configOf = (name: string, config: JsonObject): JsonObject => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: config,
  });
  const apply = (name: string, one: Step & { type: 'apply' | 'client' }): Promise<apiv1.ObjectReply> =>
    connection.unary(ResourcesService.apply, {
      json: Buffer.from(JSON.stringify(configOf(name, one.spec))),
      output: apiv1.Output.JSON,
      ...(one.type === 'apply' ? { serverSide: true, fieldManager: one.manager, force: one.force } : {}),
    });
  const send = (name: string, one: Step): Promise<apiv1.ObjectReply> => {
    if (one.type === 'apply' || one.type === 'client') return apply(name, one as Step & { type: 'apply' | 'client' });
    const target = { resource: 'deployments', namespace: 'default', name };
    const { manager: fieldManager } = one;
    const isScale = one.type === 'scale';
    return connection.unary(ResourcesService.patch, {
      target: isScale ? { ...target, subresource: 'scale' } : target,
      type: isScale ? apiv1.PatchType.MERGE : apiv1.PatchType.STRATEGIC,
      patch: Buffer.from(JSON.stringify({ spec: isScale ? { replicas: one.replicas } : one.spec })),
      fieldManager,
    });
  };

  /** Paths owned although nothing is there, but for what somebody asked to be unset. */
  function ownedAndAbsent(live: JsonObject): string[] {
    const there = new Set(pathsOf(compareFields(NODE, {}, live).added).map(printPath));
    const { managedFields = [] } = live.metadata as { managedFields?: { fieldsV1: JsonObject }[] };
    return managedFields
      .flatMap(({ fieldsV1 }) => pathsOf(fromFieldsV1(fieldsV1) ?? expect.fail('unreadable')).map(printPath))
      .filter((path) => !there.has(path) && !path.endsWith('.rollingUpdate'));
  }

  async function check(name: string, one: Step, reply: apiv1.ObjectReply): Promise<void> {
    if (one.type !== 'apply') return;
    const live = JSON.parse(reply.json?.toString() ?? '') as JsonObject;
    const { modified, removed } = compareFields(NODE, configOf(name, one.spec), live);
    expect([modified, removed].map(toFieldsV1)).toEqual([{}, {}]);
    expect(ownedAndAbsent(live)).toEqual([]);
    const again = await send(name, { ...one, force: false });
    expect([again.action, again.resourceVersion]).toEqual([apiv1.Action.UNCHANGED, reply.resourceVersion]);
  }

  test('each apply sets what it says, owns what is there, and does nothing the second time', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
        made += 1;
        const name = `random-${made}`;
        for (const one of steps) {
          let reply: apiv1.ObjectReply;
          try {
            reply = await send(name, one);
          } catch (err) {
            const allowed =
              one.type === 'apply' && one.force
                ? (['Invalid'] as const)
                : (['Invalid', 'Conflict', 'NotFound'] as const);
            if (!hasReason(err, ...allowed)) throw err;
            continue;
          }
          await check(name, one, reply);
        }
      }),
      { numRuns: 40 },
    );
  });
});
