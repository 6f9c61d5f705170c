/** What bad input gets from the API: each message is what a person reads. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { ApiError } from '../../lib/errors.ts';
import { apiv1, type Json, type JsonObject, KINDS, typeUrl } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService } = apiv1;

const pod = (more: JsonObject = {}, spec: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default' },
  spec: { containers: [{ name: 'c', image: 'i:1' }], ...spec },
  ...more,
});
const deployment = (spec: JsonObject = {}): JsonObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i:1' }] } },
    ...spec,
  },
});

describe.skipIf(apiUnavailable() !== undefined)('bad input', () => {
  let under: ServerUnderTest;
  let connection: GrpcConnection;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
  });
  afterAll(() => under?.stop());

  const send = (json: Json): Promise<apiv1.ObjectReply> =>
    connection.unary(ResourcesService.apply, { json: Buffer.from(JSON.stringify(json)) });
  const failure = async (work: Promise<unknown>): Promise<ApiError> => {
    try {
      await work;
    } catch (err) {
      if (err instanceof ApiError) return err;
      throw err;
    }
    throw new Error('the request was accepted');
  };

  const cases: readonly (readonly [string, Json, string, string])[] = [
    [
      'an unknown field',
      pod({}, { contaners: [] }),
      'BadRequest',
      'strict decoding error: unknown field "spec.contaners" (did you mean "containers"?)',
    ],
    [
      'a wrong type',
      deployment({ replicas: '3' }),
      'BadRequest',
      'strict decoding error: spec.replicas: expected an integer, got the string "3"',
    ],
    [
      'a bad quantity',
      pod({}, { containers: [{ name: 'c', image: 'i', resources: { limits: { memory: '1x' } } }] }),
      'BadRequest',
      'strict decoding error: spec.containers[0].resources.limits.memory: expected a quantity such as "500m", "1.5" or "2Gi", got the string "1x"',
    ],
    [
      'an unknown kind',
      { ...pod(), kind: 'Podd' },
      'BadRequest',
      'no matches for kind "Podd" in version "v1" (did you mean "Pod"?)',
    ],
    [
      'a kind of another version',
      { ...pod(), kind: 'Deployment' },
      'BadRequest',
      'no matches for kind "Deployment" in version "v1"; use apiVersion apps/v1',
    ],
    [
      'a removed apiVersion',
      { ...deployment(), apiVersion: 'extensions/v1beta1' },
      'BadRequest',
      'no matches for kind "Deployment" in version "extensions/v1beta1": Kubernetes 1.16 removed it; use apiVersion apps/v1',
    ],
    [
      'no kind',
      { apiVersion: 'v1', metadata: { name: 'x' } },
      'BadRequest',
      `Object 'Kind' or 'apiVersion' is missing: the request names kind "" in version "v1"`,
    ],
    ['a list for an object', [pod()], 'BadRequest', 'the object is not a JSON object'],
    [
      'no name',
      { ...pod(), metadata: { namespace: 'default' } },
      'BadRequest',
      'name must be provided: apply does not generate names',
    ],
    [
      'no namespace',
      { ...pod(), metadata: { name: 'p' } },
      'BadRequest',
      'an empty namespace may not be set during creation',
    ],
    [
      'a name over the limit',
      pod({ metadata: { name: 'a'.repeat(254), namespace: 'default' } }),
      'Invalid',
      `Pod "${'a'.repeat(254)}" is invalid: metadata.name: Invalid value: "${'a'.repeat(100)}`,
    ],
    [
      'a bad name',
      pod({ metadata: { name: 'Web_1', namespace: 'default' } }),
      'Invalid',
      'Pod "Web_1" is invalid: metadata.name: Invalid value: "Web_1": a lowercase RFC 1123 subdomain must consist of',
    ],
    [
      'a missing field',
      pod({}, { containers: [{ image: 'i' }] }),
      'Invalid',
      'Pod "p" is invalid: spec.containers[0].name: Required value',
    ],
    [
      'a bad enumeration',
      pod({}, { restartPolicy: 'Sometimes' }),
      'Invalid',
      'Pod "p" is invalid: spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
    ],
    [
      'a selector that does not select',
      deployment({ selector: { matchLabels: { app: 'other' } } }),
      'Invalid',
      'Deployment.apps "web" is invalid: spec.template.metadata.labels: Invalid value:',
    ],
    [
      'a missing namespace',
      { ...pod(), metadata: { name: 'p', namespace: 'nowhere' } },
      'NotFound',
      'namespaces "nowhere" not found',
    ],
  ];
  test.each(cases)('%s is refused', async (_name, json, reason, message) => {
    const err = await failure(send(json));
    expect([err.reason, err.message.slice(0, message.length)]).toEqual([reason, message]);
  });

  test('every problem is reported at once, with its path', async () => {
    const err = await failure(send(pod({}, { containers: [{ nam: 'c' }, { name: 3 }], priority: 'high' })));
    expect(err.causes.map(({ field, reason }) => [field, reason])).toEqual([
      ['spec.containers[0].nam', 'FieldValueUnknown'],
      ['spec.containers[1].name', 'FieldValueTypeInvalid'],
      ['spec.priority', 'FieldValueTypeInvalid'],
    ]);
  });

  test('a key that is there twice is refused with its path', async () => {
    const text = JSON.stringify(deployment()).replace('"image":"i:1"', '"image":"i:1","image":"i:2"');
    const err = await failure(connection.unary(ResourcesService.apply, { json: Buffer.from(text) }));
    expect([err.reason, err.message]).toEqual([
      'BadRequest',
      'strict decoding error: duplicate field "spec.template.spec.containers[0].image"',
    ]);
  });

  test('a change of an immutable selector names the field', async () => {
    await send(deployment());
    const labels = { app: 'web', more: 'y' };
    const changed = deployment({
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i:1' }] } },
    });
    const err = await failure(send(changed));
    expect(err.reason).toBe('Invalid');
    expect(err.message).toMatch(
      /^Deployment\.apps "web" is invalid: spec\.selector: Invalid value: .*: field is immutable/s,
    );
  });

  test('thousands of problems fit into the reply, and it says how many are missing', async () => {
    const fields = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`unknownField${i}`, i]));
    const err = await failure(send({ ...pod(), ...fields }));
    expect(err.causes.length).toBeGreaterThan(20);
    expect(err.causes.at(-1)?.message).toMatch(/^and \d+ more problems$/);
  });

  test('a field number that the schema does not have is refused by its number', async () => {
    const object = Buffer.concat([
      KINDS.ConfigMap.message.encode({ metadata: { name: 'n', namespace: 'default' } }).finish(),
      Buffer.from([0xfa, 0x7f, 1, 65]),
    ]);
    const request = {
      target: { apiVersion: 'v1', kind: 'ConfigMap' },
      object: { typeUrl: typeUrl(KINDS.ConfigMap), value: object },
    };
    const err = await failure(connection.unary(ResourcesService.create, request));
    expect(err.message).toBe('strict decoding error: unknown field number 2047 in the object');
    // Agents may be newer than the server.
    const node = under.connect(await under.server.pki.signNode('node-9', []));
    const own = Buffer.concat([
      KINDS.Node.message.encode({ metadata: { name: 'node-9' } }).finish(),
      Buffer.from([0xfa, 0x7f, 1, 65]),
    ]);
    await node.unary(ResourcesService.create, {
      target: { apiVersion: 'v1', kind: 'Node' },
      object: { typeUrl: typeUrl(KINDS.Node), value: own },
    });
    const read = await connection.unary(ResourcesService.get, { target: { resource: 'nodes', name: 'node-9' } });
    expect(read.object?.value?.includes(Buffer.from([0xfa, 0x7f, 1, 65]))).toBe(true);
  });

  test('bytes that are no message, and a message of another kind, are refused', async () => {
    const write = (value: Buffer, url = typeUrl(KINDS.Pod)): Promise<unknown> =>
      connection.unary(ResourcesService.create, {
        target: { apiVersion: 'v1', kind: 'Pod' },
        object: { typeUrl: url, value },
      });
    expect((await failure(write(Buffer.from([0x0a, 0xff])))).message).toMatch(
      /^the object cannot be decoded as skiff\.core\.v1\.Pod: /,
    );
    expect((await failure(write(Buffer.alloc(0), typeUrl(KINDS.Node)))).message).toBe(
      'the object is a "type.googleapis.com/skiff.core.v1.Node", but the request is about "type.googleapis.com/skiff.core.v1.Pod"',
    );
  });

  test('an object above 3 MiB is refused as too large, and the server goes on', async () => {
    const big = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'big', namespace: 'default' },
      data: { a: 'x'.repeat(3 * 1024 ** 2) },
    };
    expect((await failure(send(big))).reason).toBe('RequestEntityTooLarge');
    expect((await connection.unary(apiv1.ClusterService.version, {})).version).toBe('test');
  });

  test.each([
    ['a=b=c', 'BadRequest', /label selector/],
    ['env in (a', 'BadRequest', /label selector/],
  ])('the label selector %s is refused', async (labelSelector, reason, message) => {
    const err = await failure(connection.unary(ResourcesService.list, { target: { resource: 'pods' }, labelSelector }));
    expect(err.reason).toBe(reason);
    expect(err.message).toMatch(message);
  });

  test('a field that cannot be selected by is refused with the nearest one', async () => {
    const err = await failure(
      connection.unary(ResourcesService.list, { target: { resource: 'pods' }, fieldSelector: 'spec.nodename=x' }),
    );
    expect(err.message).toContain('field label not supported: spec.nodename (did you mean "spec.nodeName"?)');
  });

  test('an unknown resource is refused with the nearest one', async () => {
    const err = await failure(connection.unary(ResourcesService.list, { target: { resource: 'deploymnets' } }));
    expect(err.message).toMatch(/resource type "deploymnets".*"deployments"/);
  });

  test('what is not there is named', async () => {
    const get = (resource: string): Promise<unknown> =>
      connection.unary(ResourcesService.get, { target: { resource, namespace: 'default', name: 'none' } });
    expect((await failure(get('po'))).message).toBe('pods "none" not found');
    expect((await failure(get('deploy'))).message).toBe('deployments.apps "none" not found');
  });

  test('patches that cannot be read or applied are refused', async () => {
    await send({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'patched', namespace: 'default' },
      data: { a: '1' },
    });
    const patch = (text: string, type = apiv1.PatchType.MERGE): Promise<unknown> =>
      connection.unary(ResourcesService.patch, {
        target: { resource: 'cm', namespace: 'default', name: 'patched' },
        type,
        patch: Buffer.from(text),
      });
    expect((await failure(patch('{'))).message).toMatch(/^the patch is not JSON: /);
    expect((await failure(patch('{"data":{"a":"2","b":"","a":"3"}}'))).message).toBe(
      'strict decoding error: duplicate field "data.a"',
    );
    expect((await failure(patch('[]'))).message).toBe('the patch is not a JSON object');
    expect((await failure(patch('{"dat":{}}'))).message).toBe(
      'strict decoding error: unknown field "dat" (did you mean "data"?)',
    );
    expect((await failure(patch('{"metadata":{"name":"other"}}'))).message).toMatch(
      /metadata\.name: Invalid value: "other": field is immutable/,
    );
    expect((await failure(patch('[{"op":"test","path":"/data/a","value":"2"}]', apiv1.PatchType.JSON))).reason).toBe(
      'Invalid',
    );
  });
});
