import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import { type ClusterPki, certificateLife, ensureClusterPki } from '../../lib/pki.ts';
import { newCertificateRequest } from '../../lib/x509.ts';
import { NodeCertificate, type NodeCredentials } from './node-certificate.ts';
import { renewalTime, renewCertificates } from './renew-certificate.ts';

let folder: string;
let pki: ClusterPki;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-identity-'));
  pki = await ensureClusterPki(folder, { names: [] });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function files() {
  return { caFile: join(folder, 'ca.crt'), certFile: join(folder, 'n.crt'), keyFile: join(folder, 'n.key') };
}

async function newPair(lifeMs: number): Promise<Pick<NodeCredentials, 'cert' | 'key'>> {
  const { request, key } = await newCertificateRequest('x');
  return { cert: await pki.signNodeRequest('pi4', request, lifeMs), key };
}

async function written(lifeMs: number): Promise<NodeCertificate> {
  const { cert, key } = await newPair(lifeMs);
  writeFileSync(files().certFile, cert);
  writeFileSync(files().keyFile, key);
  return NodeCertificate.read(files());
}

describe('the files of a certificate', () => {
  test('a process that ends between the two renames leaves a pair that the next one reads', async () => {
    const identity = await written(60_000);
    const next = await newPair(60_000);
    identity.replace(next);
    // As it was between the renames: the key is the new one, the certificate is not.
    const old = await newPair(60_000);
    renameSync(files().certFile, `${files().certFile}.next`);
    writeFileSync(files().certFile, old.cert);
    expect(NodeCertificate.read(files()).current.cert).toBe(next.cert);
    expect(readFileSync(files().certFile, 'utf8')).toBe(next.cert);
  });

  test('a certificate for another key is refused by its name', async () => {
    await written(60_000);
    writeFileSync(files().keyFile, (await newPair(60_000)).key);
    expect(() => NodeCertificate.read(files())).toThrow(
      `Cannot use the certificate ${files().certFile}: it is not for the key ${files().keyFile}`,
    );
  });

  test('who uses it is told of a change by this process or another', async () => {
    const identity = await written(60_000);
    const told: string[] = [];
    identity.onChange(({ cert }) => told.push(cert));
    const [second, third] = [await newPair(60_000), await newPair(60_000)];
    identity.replace(second);
    expect(identity.reload()).toBe(false);
    writeFileSync(files().certFile, third.cert);
    writeFileSync(files().keyFile, third.key);
    expect(identity.reload()).toBe(true);
    expect(told).toEqual([second.cert, third.cert]);
  });
});

describe('renewing', () => {
  test.each([
    [0, 0.7],
    [0.5, 0.8],
    [1, 0.9],
  ])('comes at a moment of the span from 70 to 90 %% of the life (%d)', async (fraction, share) => {
    const { cert } = await newPair(1_000_000);
    const { madeAtMs, endsAtMs } = certificateLife(cert);
    expect(endsAtMs - madeAtMs).toBe(1_000_000);
    expect(renewalTime(cert, fraction)).toBeCloseTo(madeAtMs + share * 1_000_000, 3);
  });

  test('a failure is tried again before the end, and an end says how to go on', async () => {
    const stop = new AbortController();
    const lines: { readonly message: string; readonly because?: string }[] = [];
    const line = (fields: object, message: string): void => {
      lines.push({ ...fields, message });
      if (message === 'certificate has ended') stop.abort();
    };
    const log = { debug: line, info: line, warn: line, error: line };
    let asked = 0;
    const connection = {
      unary: (): Promise<never> => {
        asked += 1;
        return Promise.reject(new ApiError('ServiceUnavailable', 'Cannot reach it'));
      },
    };
    const identity = await written(1_000);
    await renewCertificates({ node: 'pi4', identity, connection, clock: systemClock, log }, stop.signal);
    expect(asked).toBeGreaterThan(1);
    expect(lines.map(({ message }) => message)).toEqual(['certificate not renewed', 'certificate has ended']);
    expect(lines[1]?.because).toMatch(
      /^the certificate of this node ended at 20\S+Z: join again with skiff join <server> --token <token>/,
    );
  });
});
