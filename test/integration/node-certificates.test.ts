/** A node's certificate is renewed while everything goes on, and worth nothing once it has ended. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Server } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { systemClock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { Informer } from '../../lib/informer.ts';
import { certificateLife } from '../../lib/pki.ts';
import { newCertificateRequest } from '../../lib/x509.ts';
import { NodeCertificate } from '../../node-agent/identity/node-certificate.ts';
import { renewCertificates } from '../../node-agent/identity/renew-certificate.ts';
import { servingCredentials } from '../../node-agent/identity/serving-credentials.ts';
import { apiv1, joinv1, KINDS } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const missing = apiUnavailable();
const NODE = 'pi4';
const SHORT_MS = 3_000;

describe.skipIf(missing !== undefined)(
  `node certificates${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    let under: ServerUnderTest;
    let folder: string;
    beforeAll(async () => {
      under = await ServerUnderTest.start({}, ['--node-certificate-life', '1m']);
      folder = mkdtempSync(join(tmpdir(), 'skiff-identity-'));
    }, 30_000);
    afterAll(async () => {
      rmSync(folder, { recursive: true, force: true });
      await under?.stop();
    });

    test('it is renewed in time with another key, and neither watches nor connections break', async () => {
      const { pki } = under.server;
      const files = { caFile: join(folder, 'ca.crt'), certFile: join(folder, 'n.crt'), keyFile: join(folder, 'n.key') };
      const { request, key } = await newCertificateRequest('x');
      const first = { cert: await pki.signNodeRequest(NODE, request, SHORT_MS), key };
      writeFileSync(files.caFile, pki.ca);
      writeFileSync(files.certFile, first.cert);
      writeFileSync(files.keyFile, first.key);
      const identity = NodeCertificate.read(files);
      const connection = new GrpcConnection({ endpoints: [under.endpoint], ...identity.current });
      identity.onChange((credentials) => connection.useCredentials(credentials));
      const old = under.connect(first);
      await old.unary(apiv1.ClusterService.version, {});
      const watchEnd = endOf(
        old.serverStream(apiv1.ResourcesService.watch, { target: { resource: 'services' }, sendInitialEvents: true }),
      );

      const stop = new AbortController();
      const agent = new Server();
      const port = await new Promise<number>((resolve, reject) => {
        agent.bindAsync('127.0.0.1:0', servingCredentials(identity), (err, bound) =>
          err === null ? resolve(bound) : reject(err),
        );
      });
      const early = await callAgent(port);
      expect(early.serial).toBe(new X509Certificate(first.cert).serialNumber);

      const log = pino({ level: 'silent' });
      const client = new GrpcResourceClient(connection);
      const services = new Informer({ client, clock: systemClock, log, type: KINDS.Service });
      const running = Promise.all([
        services.run(stop.signal),
        renewCertificates({ node: NODE, identity, connection, clock: systemClock, log }, stop.signal),
      ]);
      try {
        await waitFor('another certificate', () => identity.current.cert !== first.cert || undefined);
        expect(Date.now()).toBeLessThan(certificateLife(first.cert).endsAtMs);
        const { cert } = identity.current;
        expect(readFileSync(files.certFile, 'utf8')).toBe(cert);
        expect(readFileSync(files.keyFile, 'utf8')).toBe(identity.current.key);
        expect(identity.current.key).not.toBe(first.key);
        expect(statSync(files.keyFile).mode & 0o777).toBe(0o600);
        const left = certificateLife(cert).endsAtMs - Date.now();
        expect(left).toBeGreaterThan(50_000);
        expect(left).toBeLessThan(61_000);

        await waitFor(
          'the end of the first certificate',
          () => Date.now() > certificateLife(first.cert).endsAtMs + 100 || undefined,
        );
        // Whoever holds the first one is out: on a new connection, and on the one made in its time.
        await expect(under.connect(first).unary(apiv1.ClusterService.version, {})).rejects.toMatchObject({
          reason: 'ServiceUnavailable',
        });
        await expect(old.unary(apiv1.ClusterService.version, {})).rejects.toThrow(
          /^Unauthorized: the certificate of "system:node:pi4" ended at 20/,
        );
        expect(await watchEnd).toContain('the certificate of this connection has ended: call again');
        // The node is not.
        await connection.unary(apiv1.ClusterService.version, {});
        await under.client().create(KINDS.Service, {
          metadata: { namespace: 'default', name: 'late' },
          spec: { ports: [{ port: 80 }] },
        });
        await waitFor('the watch to go on', () => services.get('default/late'));
        const late = await callAgent(port);
        expect(late.serial).toBe(new X509Certificate(cert).serialNumber);
        expect(early.socket.destroyed).toBe(false);
        late.socket.destroy();
      } finally {
        stop.abort();
        early.socket.destroy();
        await running;
        connection.close();
        agent.forceShutdown();
      }
    }, 20_000);

    /** What a stream ends with. */
    async function endOf(stream: AsyncIterable<unknown>): Promise<string> {
      try {
        for await (const _ of stream);
        return 'no error';
      } catch (err) {
        return errorMessage(err);
      }
    }

    /** Connects to what the agent serves, as the control plane does. */
    function callAgent(port: number): Promise<{ readonly socket: TLSSocket; readonly serial: string }> {
      const { ca, agentClient } = under.server.pki;
      return new Promise((resolve, reject) => {
        const socket = connectTls({
          port,
          host: '127.0.0.1',
          ca,
          ...agentClient,
          servername: NODE,
          ALPNProtocols: ['h2'],
        });
        socket.on('secureConnect', () => resolve({ socket, serial: socket.getPeerCertificate().serialNumber }));
        socket.on('error', reject);
      });
    }

    test('nobody but a node renews a certificate, and a node only its own', async () => {
      const { request } = await newCertificateRequest('system:node:other');
      const renew = joinv1.NodesService.renewCertificate;
      await expect(under.connect().unary(renew, { certificateRequest: request })).rejects.toThrow(
        'User "admin" cannot renew the certificate of a node: it is none',
      );
      const node = under.connect(await under.server.pki.signNode('own', []));
      const { certificate = '' } = await node.unary(renew, { certificateRequest: request });
      expect(new X509Certificate(certificate).subject).toContain('CN=system:node:own');
      await expect(node.unary(renew, { certificateRequest: 'x' })).rejects.toThrow(
        'Cannot sign the certificate request of node "own": it is no request for a certificate',
      );
    });
  },
);
