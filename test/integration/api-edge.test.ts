/** The edge of the API: who gets in, what a lost or wrong connection says, health, reflection, streams to agents, stopping. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { ChannelCredentials, Client, Server, ServerCredentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { hasReason } from '../../lib/errors.ts';
import { type ClusterPki, ensureClusterPki, type KeyPairPem } from '../../lib/pki.ts';
import { apiv1, type corev1, KINDS, streamsv1 } from '../../proto/index.ts';
import { apiUnavailable, freePort, ServerUnderTest } from './api-server-under-test.ts';

const { ClusterService, ResourcesService } = apiv1;

describe.skipIf(apiUnavailable() !== undefined)('the edge of the API', () => {
  let under: ServerUnderTest;
  let pki: ClusterPki;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    ({ pki } = under.server);
  });
  afterAll(() => under?.stop());

  function rawClient(): Client {
    const { admin, ca } = pki;
    return new Client(
      under.endpoint,
      ChannelCredentials.createSsl(Buffer.from(ca), Buffer.from(admin.key), Buffer.from(admin.cert)),
      {
        'grpc.ssl_target_name_override': 'localhost',
      },
    );
  }

  test('tells a client with a certificate of another cluster what is wrong', async () => {
    const other = await ensureClusterPki(join(under.root, 'other'), { names: [] });
    await expect(under.connect(other.admin, other.ca).unary(ClusterService.version, {})).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: expect.stringContaining("the server's certificate was not signed by the CA of this configuration"),
    });
    await expect(under.connect(other.admin).unary(ClusterService.version, {})).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: expect.stringMatching(/^Cannot (?:connect to|reach) 127\.0\.0\.1:\d+: /),
    });
  });

  test('says connection refused, with the address, when no server runs', async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    const connection = new GrpcConnection({ endpoints: [endpoint], ca: pki.ca, ...pki.admin });
    await expect(connection.unary(ClusterService.version, {})).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: `Cannot connect to ${endpoint}: connection refused - did you specify the right host or port, and is the server running?`,
    });
    connection.close();
  });

  test('uses the next endpoint when the first does not answer', async () => {
    const endpoints = [`127.0.0.1:${await freePort()}`, under.endpoint];
    const connection = new GrpcConnection({ endpoints, ca: pki.ca, ...pki.admin });
    expect((await connection.unary(ClusterService.version, {})).version).toBe('test');
    connection.close();
  });

  test('lets in nodes and administrators and nobody else', async () => {
    const node = under.connect(await pki.signNode('node-1', []));
    expect((await node.unary(ResourcesService.list, { target: { resource: 'nodes' } })).resourceVersion).toMatch(
      /^\d+$/,
    );
    // The server's own certificate for agents is a client certificate of the cluster, of no group.
    const stranger = under.connect(pki.agentClient);
    await expect(
      stranger.unary(ResourcesService.list, { target: { resource: 'pods', namespace: 'default' } }),
    ).rejects.toMatchObject({
      reason: 'Forbidden',
      message:
        'pods is forbidden: User "system:control-plane" cannot list resource "pods" in API group "" in the namespace "default"',
    });
  });

  test('says its version, its kinds, and explains fields', async () => {
    const connection = under.connect();
    const version = await connection.unary(ClusterService.version, {});
    expect(version.etcdVersion).toMatch(/^3\./);
    const { kinds = [] } = await connection.unary(ClusterService.listKinds, {});
    expect(kinds.find(({ kind }) => kind === 'Deployment')).toMatchObject({
      group: 'apps',
      plural: 'deployments',
      shortNames: ['deploy'],
    });
    const { field } = await connection.unary(ClusterService.explain, { path: 'deploy.spec.strategy' });
    expect(field?.fields?.map(({ name }) => name)).toEqual(['rollingUpdate', 'type']);
    await expect(connection.unary(ClusterService.explain, { path: 'pod.spec.contaners' })).rejects.toThrow(
      'field "contaners" does not exist in Pod.spec (did you mean "containers"?)',
    );
  });

  test('answers the standard health check', async () => {
    const client = rawClient();
    const status = await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        () => Buffer.alloc(0),
        (bytes) => bytes[1],
        undefined,
        (err, value) => (err === null ? resolve(value) : reject(err)),
      );
    });
    expect(status).toBe(1);
    client.close();
  });

  test('describes itself to reflecting clients', async () => {
    const client = rawClient();
    const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
    const ask = (field: number, text: string): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        const question = Buffer.from(
          new BinaryWriter()
            .uint32((field << 3) | 2)
            .string(text)
            .finish(),
        );
        const call = client.makeBidiStreamRequest(
          path,
          (bytes: Buffer) => bytes,
          (bytes) => bytes,
        );
        call.on('data', (bytes: Buffer) => {
          resolve(bytes);
          call.end();
        });
        call.on('error', reject);
        call.write(question);
      });
    expect((await ask(7, '')).toString('latin1')).toContain('skiff.api.v1.Resources');
    const found = await ask(4, 'skiff.core.v1.Pod');
    const reader = new BinaryReader(found);
    const fields: number[] = [];
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      fields.push(tag >>> 3);
      reader.skip(tag & 7);
    }
    expect(fields).toEqual([1, 2, 4]);
    expect((await ask(4, 'no.such.Thing')).toString('latin1')).toContain('not found: no.such.Thing');
    client.close();
  });

  describe('streams', () => {
    let agent: Server;
    let client: GrpcResourceClient;
    const node = 'stream-node';

    /** An agent that says what it was asked, serving with a node's certificate to the control plane only. */
    beforeAll(async () => {
      client = under.client();
      agent = new Server();
      agent.addService(streamsv1.StreamsService, {
        logs: (call: { request: streamsv1.LogsRequest; write(reply: streamsv1.LogsReply): void; end(): void }) => {
          for (let i = 0; i < 500; i++)
            call.write({ data: Buffer.from(`${call.request.pod}/${call.request.container} ${i}\n`) });
          call.end();
        },
        exec: (call: {
          on(event: string, listener: (request: streamsv1.ExecRequest) => void): void;
          write(reply: streamsv1.ExecReply): void;
          end(): void;
        }) => {
          call.on('data', (request) => {
            if (request.start !== undefined) call.write({ stdout: Buffer.from(`${request.start.container}$ `) });
            if (request.stdin !== undefined) call.write({ stdout: request.stdin });
            if (request.stdinClosed === true) {
              call.write({ exit: { code: 7 } });
              call.end();
            }
          });
        },
      });
      const { cert, key } = await pki.signNode(node, ['127.0.0.1']);
      const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
      const port = await new Promise<number>((resolve, reject) => {
        agent.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(Buffer.from(pki.ca), [pair], true), (err, found) =>
          err === null ? resolve(found) : reject(err),
        );
      });
      const made = await client.create(KINDS.Node, { metadata: { name: node } });
      const status = {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      };
      await client.update(KINDS.Node, { ...made, status }, { subresource: 'status' });
      await runningPod('talker', ['main', 'side']);
    });
    afterAll(() => agent?.forceShutdown());

    async function runningPod(
      name: string,
      containers: readonly string[],
      state: corev1.ContainerState = { running: {} },
    ): Promise<void> {
      const pod = await client.create(KINDS.Pod, {
        metadata: { name, namespace: 'default' },
        spec: { nodeName: node, containers: containers.map((container) => ({ name: container, image: 'i' })) },
      });
      const containerStatuses = containers.map((container) => ({
        name: container,
        image: 'i',
        imageID: '',
        ready: false,
        restartCount: 0,
        state,
      }));
      await client.update(
        KINDS.Pod,
        { ...pod, status: { ...pod.status, phase: 'Running', containerStatuses } },
        { subresource: 'status' },
      );
    }

    const logs = async (request: streamsv1.LogsRequest): Promise<string> => {
      const parts: Buffer[] = [];
      for await (const reply of under
        .connect()
        .serverStream(streamsv1.StreamsService.logs, { namespace: 'default', ...request })) {
        parts.push(reply.data ?? Buffer.alloc(0));
      }
      return Buffer.concat(parts).toString();
    };

    test('passes logs on, whole and in order', async () => {
      const lines = (await logs({ pod: 'talker', container: 'side' })).trimEnd().split('\n');
      expect(lines).toEqual(Array.from({ length: 500 }, (_, i) => `talker/side ${i}`));
    });

    test.each([
      [{ pod: 'none' }, 'pods "none" not found'],
      [{ pod: 'talker' }, 'a container name must be specified for pod talker, choose one of: [main side]'],
      [{ pod: 'talker', container: 'x' }, 'container x is not valid for pod talker: its containers are main, side'],
      [
        { pod: 'talker', container: 'main', previous: true },
        'previous terminated container "main" in pod "talker" not found',
      ],
    ])('refuses logs of %o', async (request, message) => {
      await expect(logs(request)).rejects.toThrow(message);
    });

    test('says why a container has no logs yet', async () => {
      await runningPod('starting', ['main'], { waiting: { reason: 'ContainerCreating' } });
      await expect(logs({ pod: 'starting' })).rejects.toThrow(
        'container "main" in pod "starting" is waiting to start: ContainerCreating',
      );
    });

    test('runs commands both ways, with their exit code', async () => {
      const { client: raw } = await under.connect().client();
      const { path, requestSerialize, responseDeserialize } = streamsv1.StreamsService.exec;
      const call = raw.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      call.write({ start: { namespace: 'default', pod: 'talker', container: 'main', command: ['sh'] } });
      call.write({ stdin: Buffer.from('hello') });
      call.write({ stdinClosed: true });
      call.end();
      let output = '';
      let code: number | undefined;
      for await (const reply of call as AsyncIterable<streamsv1.ExecReply>) {
        output += reply.stdout?.toString() ?? '';
        code = reply.exit?.code ?? code;
      }
      expect([output, code]).toEqual(['main$ hello', 7]);
    });

    test('says so when the agent cannot be reached', async () => {
      await client.create(KINDS.Pod, {
        metadata: { name: 'lost', namespace: 'default' },
        spec: { nodeName: 'nowhere', containers: [{ name: 'main', image: 'i' }] },
      });
      const pod = await client.get(KINDS.Pod, { namespace: 'default', name: 'lost' });
      const containerStatuses = [
        { name: 'main', image: 'i', imageID: '', ready: true, restartCount: 0, state: { running: {} } },
      ];
      await client.update(
        KINDS.Pod,
        { ...pod, status: { ...pod.status, containerStatuses } },
        { subresource: 'status' },
      );
      await expect(logs({ pod: 'lost' })).rejects.toMatchObject({
        reason: 'ServiceUnavailable',
        message: 'Cannot reach the agent of node "nowhere": the node has not reported its address',
      });
    });
  });

  test('goes on after etcd was killed: nothing acknowledged is lost, and watches miss nothing', async () => {
    const client = under.client();
    const named = (name: string): corev1.ConfigMap => ({
      metadata: { name, namespace: 'default', labels: { kill: 'y' } },
    });
    const { resourceVersion } = await client.list(KINDS.ConfigMap);
    const seen = new Set<string>();
    const stop = new AbortController();
    const watching = (async () => {
      for await (const batch of client.watch(KINDS.ConfigMap, resourceVersion, {
        labelSelector: 'kill=y',
        signal: stop.signal,
      })) {
        for (const event of batch) if (event.type === 'ADDED') seen.add(event.object.metadata?.name ?? '');
      }
    })();
    for (let i = 0; i < 20; i++) await client.create(KINDS.ConfigMap, named(`before-${i}`));
    under.killEtcd();
    const deadline = Date.now() + 30_000;
    for (let created = false; !created; ) {
      created = await client.create(KINDS.ConfigMap, named('after')).then(
        () => true,
        (err: unknown) => {
          if (hasReason(err, 'AlreadyExists')) return true;
          if (!hasReason(err, 'ServiceUnavailable', 'Timeout') || Date.now() > deadline) throw err;
          return false;
        },
      );
    }
    const { items } = await client.list(KINDS.ConfigMap, { labelSelector: 'kill=y' });
    expect(items).toHaveLength(21);
    await expect.poll(() => seen.size, { timeout: 5_000 }).toBe(21);
    stop.abort();
    await watching;
  });

  test('tells those who watch its health that it stops, and does not wait for them to leave', async () => {
    const client = rawClient();
    const call = client.makeServerStreamRequest(
      '/grpc.health.v1.Health/Watch',
      () => Buffer.alloc(0),
      (bytes) => bytes[1],
      undefined,
    );
    const heard: unknown[] = [];
    call.on('data', (status) => heard.push(status));
    const ended = new Promise((resolve, reject) => {
      call.on('end', resolve);
      call.on('error', reject);
    });
    await expect.poll(() => heard).toEqual([1]);
    await under.halt();
    await ended;
    expect(heard).toEqual([1, 2]);
    client.close();
    await under.boot();
  });

  test('stops cleanly with a watch open, serves again what it had, and keeps its certificates', async () => {
    const client = under.client();
    await client.create(KINDS.ConfigMap, { metadata: { name: 'kept', namespace: 'default' }, data: { a: '1' } });
    const { resourceVersion } = await client.list(KINDS.ConfigMap);
    const watching = (async () => {
      for await (const batch of client.watch(KINDS.ConfigMap, resourceVersion)) expect(batch).toEqual([]);
    })();
    const ended = expect(watching).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    await under.halt();
    await ended;
    await under.boot();
    expect(under.server.pki.admin).toEqual(pki.admin satisfies KeyPairPem);
    expect((await under.client().get(KINDS.ConfigMap, { namespace: 'default', name: 'kept' })).data).toEqual({
      a: '1',
    });
    expect(JSON.parse(readFileSync(join(under.root, 'run/skiff/server.json'), 'utf8'))).toMatchObject({
      pid: process.pid,
    });
  });
});
