import { describe, expect, it } from 'vitest';
import type { certificatesv1, Json } from '../../proto/index.ts';
import { definitionFor, readObject, withValue } from './test-objects.ts';
import { pem, sequence, valid } from './valid-cluster-objects.ts';
import { expectProblem } from './valid-objects.ts';

describe('a certificate signing request', () => {
  const csr = definitionFor(valid('CertificateSigningRequest'));
  type Request = certificatesv1.CertificateSigningRequest;
  const withStatus = (status: Json): Request =>
    readObject<Request>(withValue(valid('CertificateSigningRequest'), 'status', status));
  const problems = (status: Json, old: Json, subresource = 'status'): string[] =>
    (csr.validateStatusUpdate?.(withStatus(status), withStatus(old), subresource) ?? []).map(
      (c) => `${c.field}: ${c.message}`,
    );
  const condition = (type: string, status = 'True'): Json => ({ type, status });

  it('is signed with the name of who made it, which nobody changes', () => {
    const object = readObject<Request>(withValue(valid('CertificateSigningRequest'), 'spec.username', 'forged'));
    csr.prepareForCreate?.(object, { user: 'ada', now: '' });
    expect(object.spec?.username).toBe('ada');
    const next = structuredClone(object);
    next.spec = { ...next.spec, username: 'forged', groups: ['admins'] };
    csr.prepareForUpdate?.(next, object);
    expect(next.spec).toEqual(object.spec);
  });

  it('is approved or denied once, by who may', () => {
    const approve = (status: Json, old: Json): string[] => problems(status, old, 'approval');
    expect(approve({ conditions: [condition('Approved')] }, {})).toEqual([]);
    expectProblem(
      problems({ conditions: [condition('Approved')] }, {}),
      'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
    );
    expect(problems({ conditions: [condition('Failed')] }, {})).toEqual([]);
    expect(problems({ conditions: [condition('Denied')] }, { conditions: [condition('Denied')] })).toEqual([]);
    expectProblem(
      approve({ conditions: [condition('Approved'), condition('Denied')] }, {}),
      'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
    );
    expectProblem(
      approve({ conditions: [condition('Approved', 'False')] }, {}),
      'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
    );
    expectProblem(
      approve({ conditions: [] }, { conditions: [condition('Denied')] }),
      'status.conditions: Forbidden: updates may not remove a condition of type "Denied"',
    );
    expectProblem(
      approve({ certificate: pem('CERTIFICATE', sequence) }, {}),
      'status.certificate: Forbidden: updates may not set certificate content',
    );
  });

  it('gets one certificate', () => {
    const certificate = pem('CERTIFICATE', sequence);
    expect(problems({ certificate }, {})).toEqual([]);
    expectProblem(
      problems({ certificate: 'YQ==' }, {}),
      'status.certificate: Invalid value: "YQ==": must contain only PEM blocks of type CERTIFICATE, and at least one',
    );
    expectProblem(
      problems({}, { certificate }),
      'status.certificate: Invalid value: null: field is immutable (it was…',
    );
  });

  it('is summed up as kubectl does', () => {
    const text = (status: Json): string =>
      csr.columns.find(({ name }) => name === 'CONDITION')?.cell(withStatus(status)) ?? '';
    expect(text({})).toBe('Pending');
    expect(text({ conditions: [condition('Approved')], certificate: pem('CERTIFICATE', sequence) })).toBe(
      'Approved,Issued',
    );
    expect(text({ conditions: [condition('Denied'), condition('Failed')] })).toBe('Denied,Failed');
  });
});
