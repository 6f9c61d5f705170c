import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensureClusterPki, ensureNodeCertificate, type KeyPairPem } from './pki.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-pki-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What each side of a TLS handshake with these certificates learns: the client's subject as the server sees it. */
function handshake(server: KeyPairPem, client: KeyPairPem, ca: string, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const listener = createServer(
      { ...server, ca, requestCert: true, rejectUnauthorized: true },
      (socket: TLSSocket) => {
        const { CN, O } = socket.getPeerCertificate().subject;
        socket.end([CN, O].flat().join(' '));
      },
    );
    listener.on('tlsClientError', reject);
    listener.listen(0, '127.0.0.1', () => {
      const { port } = listener.address() as { port: number };
      const socket = connect({ port, host: '127.0.0.1', ca, ...client, servername });
      let said = '';
      socket.on('data', (chunk) => {
        said += chunk.toString();
      });
      const finish = (run: () => void): void => void listener.close(run);
      socket.on('error', (err) => finish(() => reject(err)));
      socket.on('end', () => finish(() => resolve(said)));
    });
  });
}

describe('the cluster PKI', () => {
  test('makes certificates that work for mutual TLS and name the caller', async () => {
    const pki = await ensureClusterPki(folder, { names: ['10.1.2.3', 'pi4'] });
    expect(await handshake(pki.server, pki.admin, pki.ca, 'localhost')).toBe('admin system:masters');
    const node = await pki.signNode('pi4', ['10.1.2.3']);
    expect(await handshake(pki.server, node, pki.ca, 'pi4')).toBe('system:node:pi4 system:nodes');
    expect(await handshake(node, pki.agentClient, pki.ca, 'pi4')).toBe('system:control-plane ');
  });

  test('refuses a certificate of another cluster, and a name the server does not have', async () => {
    const pki = await ensureClusterPki(folder, { names: [] });
    const other = await ensureClusterPki(join(folder, 'other'), { names: [] });
    await expect(handshake(pki.server, other.admin, pki.ca, 'localhost')).rejects.toThrow();
    await expect(handshake(pki.server, pki.admin, pki.ca, 'elsewhere')).rejects.toThrow(/altnames/);
    await expect(handshake(pki.server, pki.etcd.client, pki.ca, 'localhost')).rejects.toThrow();
  });

  test('lets no certificate of the cluster into etcd', async () => {
    const { etcd, admin } = await ensureClusterPki(folder, { names: [] });
    const server = { cert: readFileSync(etcd.serverCertFile, 'utf8'), key: readFileSync(etcd.serverKeyFile, 'utf8') };
    expect(await handshake(server, etcd.client, etcd.ca, 'localhost')).toContain('skiff-server');
    await expect(handshake(server, admin, etcd.ca, 'localhost')).rejects.toThrow();
  });

  test('keeps what it made, and keys are for root alone', async () => {
    const first = await ensureClusterPki(folder, { names: ['10.0.0.1'] });
    const second = await ensureClusterPki(folder, { names: ['10.0.0.1'] });
    expect(second.server).toEqual(first.server);
    expect(second.ca).toBe(first.ca);
    const keys = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.key'));
    expect(keys).toHaveLength(8);
    for (const key of keys) expect(statSync(join(folder, key)).mode & 0o777, key).toBe(0o600);
  });

  test('makes the serving certificate anew for other addresses and near its end, under the same CA', async () => {
    const first = await ensureClusterPki(folder, { names: ['10.0.0.1'] });
    const moved = await ensureClusterPki(folder, { names: ['10.0.0.2', 'fd00::5'] });
    expect(moved.ca).toBe(first.ca);
    expect(new X509Certificate(moved.server.cert).checkIP('10.0.0.2')).toBe('10.0.0.2');
    expect(new X509Certificate(moved.server.cert).checkIP('fd00::5')).toBeDefined();
    const years = 4.5 * 365 * 86_400_000;
    const later = await ensureClusterPki(folder, { names: ['10.0.0.2', 'fd00::5'], now: () => Date.now() + years });
    expect(later.server.cert).not.toBe(moved.server.cert);
    expect(later.ca).toBe(first.ca);
  });

  test('starts certificates years in the past', async () => {
    const { server, ca } = await ensureClusterPki(folder, { names: [] });
    for (const pem of [server.cert, ca]) {
      expect(Date.now() - Date.parse(new X509Certificate(pem).validFrom)).toBeGreaterThan(9 * 365 * 86_400_000);
    }
  });

  test('signs the local node once', async () => {
    await ensureClusterPki(folder, { names: [] });
    const node = { name: 'pi4', names: ['10.0.0.9'] };
    const base = join(folder, 'node');
    const first = await ensureNodeCertificate(folder, base, node);
    expect(await ensureNodeCertificate(folder, base, node)).toEqual(first);
    expect(new X509Certificate(first.cert).subject).toContain('system:node:pi4');
  });
});
