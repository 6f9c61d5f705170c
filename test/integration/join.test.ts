/** Joining: what a machine with a token gets, and what every other one is told. */
import { X509Certificate } from 'node:crypto';
import { connect as connectTls, type DetailedPeerCertificate } from 'node:tls';
import { ChannelCredentials, Client, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { statusToApiError } from '../../lib/client/grpc-status.ts';
import { caPin, SERVER_NAME } from '../../lib/pki.ts';
import { newCertificateRequest } from '../../lib/x509.ts';
import { joinv1, KINDS } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const missing = apiUnavailable();
const HOUR_MS = 3_600_000;
const SECRET = 'fedcba9876543210';

describe.skipIf(missing !== undefined)(`joining${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let under: ServerUnderTest;
  let admin: GrpcResourceClient;
  const logged: string[] = [];
  beforeAll(async () => {
    // Everything the server says, for the last test.
    const log = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
    under = await ServerUnderTest.start({ log });
    admin = under.client();
    await makeToken('aaaaaa', {});
  }, 30_000);
  afterAll(() => under?.stop());

  async function makeToken(id: string, fields: Record<string, string>): Promise<void> {
    const given: Record<string, string> = {
      'token-id': id,
      'token-secret': SECRET,
      expiration: new Date(Date.now() + HOUR_MS).toISOString(),
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': 'system:bootstrappers:nodes',
      ...fields,
    };
    await admin.create(KINDS.Secret, {
      metadata: { namespace: 'kube-system', name: `bootstrap-token-${id}` },
      type: 'bootstrap.kubernetes.io/token',
      data: Object.fromEntries(Object.entries(given).map(([key, value]) => [key, Buffer.from(value)])),
    });
  }

  async function join(changes: Partial<joinv1.JoinRequest> = {}): Promise<joinv1.JoinReply> {
    const { request } = await newCertificateRequest('anything');
    const credentials = ChannelCredentials.createSsl(Buffer.from(under.server.pki.ca));
    const client = new Client(`127.0.0.1:${under.server.joinPort}`, credentials, {
      'grpc.ssl_target_name_override': SERVER_NAME,
    });
    const { path, requestSerialize, responseDeserialize } = joinv1.JoinService.join;
    const whole: joinv1.JoinRequest = {
      token: `aaaaaa.${SECRET}`,
      nodeName: 'pi4',
      certificateRequest: request,
      clockMs: Date.now(),
      machineId: 'm1',
      ...changes,
    };
    try {
      return await new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, whole, (err, reply) => {
          if (err === null && reply !== undefined) resolve(reply);
          else reject(statusToApiError(err as ServiceError, 'the server'));
        });
      });
    } finally {
      client.close();
    }
  }

  test('the server shows the CA, whose pin is that of its certificate', async () => {
    const socket = connectTls({
      port: under.server.joinPort,
      host: '127.0.0.1',
      servername: SERVER_NAME,
      rejectUnauthorized: false,
    });
    const leaf = await new Promise<DetailedPeerCertificate>((resolve, reject) => {
      socket.on('secureConnect', () => resolve(socket.getPeerCertificate(true)));
      socket.on('error', reject);
    });
    socket.destroy();
    const root = new X509Certificate(leaf.issuerCertificate.raw);
    expect(caPin(root.toString())).toBe(caPin(under.server.pki.ca));
    expect(caPin(root.toString())).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test('a machine with a token gets a certificate for its own key, and is told where the API is', async () => {
    const { request, key } = await newCertificateRequest('system:masters');
    const { ca = '', certificate = '', servers = [] } = await join({ certificateRequest: request });
    const signed = new X509Certificate(certificate);
    expect(signed.subject.split('\n').sort()).toEqual(['CN=system:node:pi4', 'O=system:nodes']);
    expect(signed.subjectAltName).toBe('DNS:pi4');
    expect(Date.parse(signed.validTo) - Date.now()).toBeLessThan(366 * 24 * HOUR_MS);
    expect(servers).toContain(under.endpoint);
    const connection = new GrpcConnection({ endpoints: [...servers], ca, cert: certificate, key });
    try {
      const settings = await connection.unary(joinv1.NodesService.settings, {});
      expect(settings).toMatchObject({
        clusterCidr: '10.42.0.0/16',
        serviceCidr: '10.43.0.0/16',
        clusterDomain: 'cluster.local',
        dnsAddress: '10.43.0.10',
      });
    } finally {
      connection.close();
    }
  });

  const notValid =
    /^Cannot join: the token is not valid: it is mistyped, has expired, was removed, or is of another cluster/;
  test.each([
    ['a token nobody made', { token: `zzzzzz.${SECRET}` }, notValid],
    ['a wrong secret', { token: 'aaaaaa.0000000000000000' }, notValid],
    ['what is no token', { token: 'secret' }, notValid],
    ['no token', { token: '' }, notValid],
    ['a name of no node', { nodeName: 'Pi_4' }, /invalid node name "Pi_4": a lowercase RFC 1123 subdomain/],
    ["the servers' name", { nodeName: SERVER_NAME }, /only servers have that name/],
    ['no certificate request', { certificateRequest: 'x' }, /it is no request for a certificate/],
    [
      'a clock behind',
      { clockMs: Date.now() - 7 * 60_000 - 3_000 },
      /^Cannot join: the clock of this machine is 7 min [0-9]+ s behind that of the server .*timedatectl/,
    ],
    ['a clock ahead', { clockMs: Date.now() + 50 * HOUR_MS }, /is 2 d [12] h ahead of that of the server/],
  ])('%s is refused', async (_, changes, words) => {
    await expect(join(changes)).rejects.toThrow(words);
  });

  test('a token that has ended is refused with the time of its end', async () => {
    await makeToken('bbbbbb', { expiration: '2026-01-01T00:00:00Z' });
    await expect(join({ token: `bbbbbb.${SECRET}` })).rejects.toThrow(
      'Cannot join: token bbbbbb expired at 2026-01-01T00:00:00Z (make another on the cluster: skiff token create)',
    );
    await expect(join({ token: 'bbbbbb.0000000000000000' })).rejects.toThrow(notValid);
  });

  test('the name of a living node is refused to another machine, and free again when the node is dead', async () => {
    const created = await admin.create(KINDS.Node, { metadata: { name: 'pi5' } });
    const withStatus = async (status: string): Promise<void> => {
      const ready = { type: 'Ready', status };
      const old = await admin.get(KINDS.Node, { name: 'pi5' });
      const next = { ...old, status: { conditions: [ready], nodeInfo: { machineID: 'm5' } } };
      await admin.update(KINDS.Node, next, { subresource: 'status' });
    };
    expect(created.metadata?.name).toBe('pi5');
    await withStatus('True');
    await admin.create(KINDS.Lease, {
      metadata: { namespace: 'kube-node-lease', name: 'pi5' },
      spec: { renewTime: new Date(Date.now() - 2_500).toISOString().replace('Z', '000Z'), leaseDurationSeconds: 1 },
    });
    await expect(join({ nodeName: 'pi5', machineId: 'other' })).rejects.toThrow(
      /^Cannot join: a node named "pi5" is in the cluster and alive \(last heard [2-9] s ago\): choose another --node-name, or remove it first with skiff node rm pi5$/,
    );
    // The same machine, which gives no sign of life.
    expect((await join({ nodeName: 'pi5', machineId: 'm5' })).certificate).toContain('BEGIN CERTIFICATE');
    await withStatus('Unknown');
    expect((await join({ nodeName: 'pi5', machineId: 'other' })).certificate).toContain('BEGIN CERTIFICATE');
  });

  test('attempts from one address are bounded', async () => {
    const tries = Array.from({ length: 25 }, () =>
      join({ token: 'aaaaaa.0000000000000000' }).catch((err: Error) => err),
    );
    const refused = (await Promise.all(tries)).map((err) => (err instanceof Error ? err.message : 'let in'));
    expect(refused.some((message) => /too many attempts from this address: try again in \d+ s/.test(message))).toBe(
      true,
    );
    expect(refused).not.toContain('let in');
  });

  test('who joined and who might not is written down, and no secret with it', () => {
    const text = logged.join('');
    expect(text).toContain('"msg":"a machine joins"');
    expect(text).toContain('"because":"Cannot join: token bbbbbb expired');
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain('CERTIFICATE REQUEST');
  });
});
