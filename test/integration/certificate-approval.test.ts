/** A certificate signing request through a server: approved through its own subresource, and not through the status. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KINDS } from '../../proto/index.ts';
import { CliUnderTest } from '../harness/cli-under-test.ts';
import { EXAMPLES } from '../harness/example-objects.ts';

describe('a certificate signing request', () => {
  let under: CliUnderTest;
  beforeAll(async () => {
    under = await CliUnderTest.start();
  });
  afterAll(() => under?.stop());

  test('is approved once, through the subresource for it', async () => {
    const type = KINDS.CertificateSigningRequest;
    expect((await under.run(['apply', '-f', join(EXAMPLES, 'certificate-signing-request.yaml')])).code).toBe(0);
    const request = await under.system.get(type, { name: 'ada' });
    expect(request.spec?.username).toBe('admin');
    const approved = { ...request, status: { conditions: [{ type: 'Approved', status: 'True', reason: 'Known' }] } };
    await expect(under.system.update(type, approved, { subresource: 'status' })).rejects.toThrow(
      'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
    );
    await under.system.update(type, approved, { subresource: 'approval' });
    expect(await under.ok('get', 'csr', 'ada')).toMatch(/ Approved\n$/);
    const denied = { ...request, status: { conditions: [{ type: 'Denied', status: 'True' }] } };
    delete denied.metadata?.resourceVersion;
    await expect(under.system.update(type, denied, { subresource: 'approval' })).rejects.toThrow(
      'updates may not remove a condition of type "Approved"',
    );
    expect(
      (await under.run(['get', '--raw', '/apis/certificates.k8s.io/v1/certificatesigningrequests/ada/approval'])).code,
    ).toBe(0);
  });
});
